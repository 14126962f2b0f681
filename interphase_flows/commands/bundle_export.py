"""Bundle a campaign: one folder or archive from which it can be read, cited and continued on another machine.

A bundle has no path, host or user of the machine that wrote it, and no executable code of it: compiled graphs are left
out, and so are the inputs and logs of labels, which contain paths, and pseudopotentials that must not be shared.
"""

import gzip
import json
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from pydantic import BaseModel, ValidationError

from interphase_flows import __version__
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.stored import stored_specification
from interphase_flows.campaign.yaml_file import yaml_of_model
from interphase_flows.commands.export import export_dataset, export_models
from interphase_flows.datasets.colabfit import Publication
from interphase_flows.datasets.readers import label_files
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.caching import artifact_refs
from interphase_flows.report.collect.report_update import update_campaign_report
from interphase_flows.results import CampaignResults
from interphase_flows.runners.campaign_records import RUNNING, SUBMITTED, now, status_of_result
from interphase_flows.runtime.file_names import MAX_LENGTH, is_file_name
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.bundle import (
    ARTIFACTS,
    CAMPAIGN_FILE,
    DOCUMENTS,
    DOCUMENTS_SUFFIX,
    FORMAT_VERSION,
    INPUTS,
    RECORD,
    BundleRecord,
)
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.kinds import document_kinds, document_schema
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.archive import MAX_UNPACKED_BYTES
from interphase_flows.storage.artifacts import LABEL_FILES, relative_path
from interphase_flows.storage.bundle_files import BundleWriter, new_bundle
from interphase_flows.storage.ledger import LEDGER_FIELDS
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.ledger_entry import invalid_document
from interphase_flows.storage.workspace import Workspace, open_workspace
from interphase_flows.structures.crystals.ordering.settings import ORDERED_SUFFIX

MACHINE_KINDS = ("compiled_potentials",)
"""Kinds of documents that are of use on one type of machine only."""
BUNDLED_KINDS = tuple(kind for kind in document_kinds() if kind not in MACHINE_KINDS)
TEMPLATES = {"README.md": "README.md", "CITATION.cff": "CITATION.txt", "LICENSE.txt": "LICENSE.txt"}
REPORT_TEXTS = frozenset({".html", ".yaml", ".csv", ".json", ".svg"})
_ABSOLUTE_PATH = re.compile(r"(?:file://|(?<![\w.~/)\]}<-]))(?:/[^\s/'\",;:()<>|]+){2,}/?")
_LEFT_OUT = "not in the bundle, because it is code for one type of machine"


def export_bundle(results: CampaignResults, target: Path, about: Publication | None = None) -> list[Path]:
    """Write everything that a campaign has computed to a new bundle, with checksums, and return its path.

    Parameters
    ----------
    target
        Archive ``*.tar``, or a folder.
    about
        Authors, title and license, for ``CITATION.cff`` and ``LICENSE.txt``; those files say what is missing.

    Raises
    ------
    InputError
        The target exists.
    CorruptArtifactError
        A file to which a document refers is missing or damaged.
    """
    about = about or Publication()
    with (
        new_bundle(target) as bundle,
        open_workspace(results.settings, results.campaign, read_only=True) as workspace,
        tempfile.TemporaryDirectory(prefix="interphase-bundle-") as folder,
    ):
        # read first: all results of an ended campaign are in the ledger before its record names them
        state = workspace.ledger.get("campaigns", results.campaign) or {}
        campaign = stored_specification(state)
        missing = _add_results(bundle, results, Path(folder), about)
        relative, names, absent = _with_bundled_inputs(bundle, campaign)
        _add_report(bundle, workspace, names)
        bundle.add(CAMPAIGN_FILE, yaml_of_model(relative).encode())
        state |= {"spec": relative.model_dump(mode="json"), "status": _status(state)}
        # of a campaign that is running, the bundle then has what its later documents were computed from
        counts = {kind: _add_documents(bundle, workspace, kind) for kind in reversed(BUNDLED_KINDS)}
        counts["failures"] = _add_failures(bundle, workspace)
        counts["campaigns"] = _add_lines(bundle, "campaigns", [state], workspace)
        record = BundleRecord(
            format_version=FORMAT_VERSION, campaign=campaign.name, interphase_flows=__version__, documents=counts
        )
        bundle.add(RECORD, record.model_dump_json(indent=1).encode())
        for name, template in TEMPLATES.items():
            text = _template(template).render(
                name=campaign.name,
                campaign=campaign,
                about=about,
                counts={kind: counts[kind] for kind in (*BUNDLED_KINDS, "failures", "campaigns") if counts[kind]},
                missing=missing,
                absent=absent,
                version=__version__,
                date=now()[:10],
                quoted=json.dumps,
            )
            bundle.add(name, text.encode())
    return [target]


def _status(state: JsonDocument) -> str:
    """Return the status without FireWorks, whose jobs are not in the bundle."""
    if state["status"] != SUBMITTED:
        return str(state["status"])
    return RUNNING if state.get("result") is None else status_of_result(state)


def without_paths(value: object) -> object:
    """Return the content of a document with names of files in place of their absolute paths."""
    if isinstance(value, dict):
        is_reference = value.keys() >= {"kind", "sha256", "size_bytes"}
        return {name: without_paths(inner) for name, inner in value.items() if not (is_reference and name == "path")}
    if isinstance(value, list):
        return [without_paths(inner) for inner in value]
    return _ABSOLUTE_PATH.sub(lambda found: _last_name(Path(found[0])), value) if isinstance(value, str) else value


def _last_name(path: Path) -> str:
    return "~" if path.name == Path.home().name else path.name  # the name of a home folder is that of its user


def _without_hosts(text: str, settings: Settings) -> str:
    """Return a text without the names of this machine and of the database server."""
    store = settings.store
    hosts = {socket.gethostname(), *([store.host] if isinstance(store, MongodbSettings) else ())} - {"", "localhost"}
    names = "|".join(re.escape(host) for host in sorted(hosts, key=len, reverse=True))
    return re.sub(rf"(?<![\w.-])(?:{names})(?![\w-])", "HOST", text) if names else text


def _add_results(bundle: BundleWriter, results: CampaignResults, folder: Path, about: Publication) -> list[str]:
    """Add labels and potentials as separate files; return what the campaign does not have yet."""
    if not results.count("iterations"):
        return ["labels.extxyz and models: the campaign has finished no iteration"]
    paths = export_dataset(results, folder / "labels.extxyz", about=about)
    for path in (*paths, *export_models(results, folder / "models")):
        bundle.add(path.relative_to(folder).as_posix(), path)
    return []


def _add_report(bundle: BundleWriter, workspace: Workspace, names: Mapping[str, str]) -> None:
    """Add the report, with the names of files in the bundle and without folders of this machine."""
    folders = (workspace.root.absolute(), workspace.root.resolve(), workspace.settings.root.absolute(), Path.home())
    replaced = {**names, **{str(folder): _last_name(folder) for folder in folders if len(folder.parts) > 1}}
    report = update_campaign_report(workspace).parent
    for path in sorted(report.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(report).parts)  # a file of a killed writer
        if is_hidden or not path.is_file():
            continue
        content = path.read_bytes()
        if path.suffix in REPORT_TEXTS:
            for found, name in replaced.items():
                content = content.replace(found.encode(), name.encode())
        bundle.add(f"report/{path.relative_to(report).as_posix()}", content)


def _with_bundled_inputs(bundle: BundleWriter, campaign: Campaign) -> tuple[Campaign, dict[str, str], list[str]]:
    """Add the files that a campaign names; return it with their names in the bundle, these by path, and missing ones."""
    names: dict[str, str] = {}
    absent: list[str] = []

    def bundled(path: str) -> str:
        if path in names:
            return names[path]
        source = Path(path)
        name = names[path] = f"{INPUTS}/{len(names) + 1}/{_bundled_name(source.name)}"
        try:
            for number, (file, in_folder) in enumerate(label_files(source)):
                parts = [_bundled_name(part, f"{number}-") for part in file.relative_to(source).parts]
                bundle.add("/".join([name, *parts]) if in_folder else name, file)
        except InputError:
            absent.append(name)
        record = source.with_suffix(".json")  # of an ordered structure
        if source.suffix == ORDERED_SUFFIX and record.is_file():
            bundle.add(str(Path(name).with_suffix(".json")), record)
        return name

    return campaign.with_files(bundled), names, absent


def _bundled_name(name: str, prefix: str = "file-") -> str:
    """Return the name of a file that a bundle may contain: the same one, or else a similar one with a prefix."""
    return name if is_file_name(name) else prefix + re.sub(r"[^\w.+-]", "_", name)[-MAX_LENGTH // 4 :]


def _add_documents(bundle: BundleWriter, workspace: Workspace, kind: str) -> int:
    """Add the documents of a kind that the campaign uses, with their artifacts; return their number."""
    found = workspace.ledger.find(kind, workspace.own)
    for stored in found:
        document = checked_document(kind, stored)
        if isinstance(document, CommitteeDoc) and document.compiled is not None and document.compiled.artifact:
            left_out = {"artifact": None, "reason": "not_in_bundle", "explanation": _LEFT_OUT}
            stored["compiled"] |= left_out
            document = checked_document(kind, stored)
        for ref in _bundled_artifacts(document, workspace):
            bundle.add(f"{ARTIFACTS}/{relative_path(ref)}", workspace.artifacts.get(ref))
    return _add_lines(bundle, kind, found, workspace)


def _add_failures(bundle: BundleWriter, workspace: Workspace) -> int:
    """Add the failures of the campaign, whose messages may name machines; return their number."""
    found = workspace.ledger.find("failures", workspace.own)
    for failure in found:
        failure["details"] = json.loads(_without_hosts(json.dumps(failure["details"]), workspace.settings))
    return _add_lines(bundle, "failures", found, workspace)


def _bundled_artifacts(document: Document, workspace: Workspace) -> Iterator[ArtifactRef]:
    yield from artifact_refs(document)
    for ref in artifact_refs(document, for_the_record=True):
        if ref.kind != LABEL_FILES and workspace.artifacts.contains(ref):
            yield ref


def checked_document(kind: str, stored: JsonDocument) -> Document:
    """Return a stored document as its schema.

    Raises
    ------
    CorruptStoreError
        It does not have the fields of the schema.
    """
    schema: type[BaseModel] = document_schema(kind)
    own = {k: v for k, v in stored.items() if k not in LEDGER_FIELDS or k in schema.model_fields}
    try:
        return schema.model_validate(own)  # type: ignore[return-value]
    except ValidationError as error:
        raise invalid_document(kind, str(stored.get("key")), error) from error


def _add_lines(bundle: BundleWriter, kind: str, documents: list[JsonDocument], workspace: Workspace) -> int:
    """Add documents as JSON lines, as those of this campaign alone; return their number."""
    if documents:
        own = {"campaign": workspace.campaign, "used_by": [workspace.campaign]}
        lines = "\n".join(json.dumps(without_paths(document | own)) for document in documents).encode()
        if len(lines) > MAX_UNPACKED_BYTES:
            raise InputError(f"{len(documents)} {kind} are {len(lines) / 1e9:.1f} GB, over the limit of a bundle")
        bundle.add(f"{DOCUMENTS}/{kind}{DOCUMENTS_SUFFIX}", gzip.compress(lines, mtime=0))
    return len(documents)


def _template(name: str) -> Template:
    text = (resources.files("interphase_flows.commands") / "bundle_templates" / name).read_text(encoding="utf-8")
    return Environment(
        undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True, autoescape=False
    ).from_string(text)
