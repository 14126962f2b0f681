"""Write the report of a campaign only if it would differ: drawing takes most of the time of a resume without work."""

import hashlib
import json
from pathlib import Path

from interphase_flows import __version__
from interphase_flows.report import REPORT_NAME
from interphase_flows.runtime.atomic_files import write_json_atomic
from interphase_flows.storage.ledger import KINDS, STATE_KINDS
from interphase_flows.storage.workspace import Workspace

RECORD_NAME = ".report.json"
"""File of the report's folder that records from which documents it was written, and the hashes of its files."""


def update_campaign_report(workspace: Workspace) -> Path:
    """Write the report of a campaign unless its files are intact and its documents unchanged; return its path."""
    folder = workspace.report_folder
    documents = _documents_sha256(workspace)
    try:
        record = json.loads((folder / RECORD_NAME).read_bytes())
        written = _files(folder)  # a name in the record is no path before it is one of these
        files = {name: _sha256(folder / name) for name in written if name in record["files"]}
        is_current = record == {"documents": documents, "files": files} and REPORT_NAME in files
    except (OSError, ValueError, KeyError, TypeError):
        is_current = False
    if is_current:
        return folder / REPORT_NAME
    from interphase_flows.report.collect.campaign_report import write_campaign_report  # slow import: loads matplotlib

    path = write_campaign_report(workspace)
    files = {name: _sha256(folder / name) for name in _files(folder)}
    write_json_atomic(folder / RECORD_NAME, {"documents": documents, "files": files})
    return path


def _documents_sha256(workspace: Workspace) -> str:
    """Return the hash of what the report depends on: results, failures, specification, status and settings."""
    state = workspace.ledger.get("campaigns", workspace.campaign) or {}
    found: list[object] = [__version__, *(state.get(name) for name in ("spec", "result", "status", "settings"))]
    for kind in KINDS:
        if kind not in STATE_KINDS:
            documents = workspace.ledger.find(kind, properties=["key", "created_at", "last_at"])
            found += [kind, *(list(document.values()) for document in documents)]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != RECORD_NAME)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
