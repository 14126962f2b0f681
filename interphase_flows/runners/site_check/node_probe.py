"""Probe job of a check: test the database, folders, GPUs, DFT codes and the time limit from inside an allocation."""

import math
import os
import platform
import shlex
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypedDict

from fireworks import FiretaskBase, FWAction, explicit_serialize
from pydantic import BaseModel, ConfigDict

from interphase_flows import __version__
from interphase_flows.exceptions import InterphaseError, SettingsError
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.settings import Settings, load_settings
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import Workspace

PROGRAM_TIMEOUT_S = 120.0
CAMPAIGN = "interphase-check"
VIEW = "view"
"""Key of the probe's result in the data of a launch."""

FROM_LOGIN = "from-login"
"""File below the root that the login node writes and the node must read."""

FAILED_LINES = "INTERPHASE_CHECK_FAILED_LINES"
"""Environment variable with the lines of ``before`` that failed in an allocation."""


def from_node(kind: str) -> str:
    """Return the name of the file that the job of a kind writes and the login node must read."""
    return f"from-{kind}"


def reply_to(nonce: str) -> str:
    """Return the reply that the node writes: derived from the nonce, which a stale copy of the folder might contain."""
    return nonce[::-1]


class DftParameters(TypedDict, total=False):
    """Parameters of probe jobs of kind ``dft``: the VASP settings and the elements of a campaign."""

    vasp: JsonDocument
    elements: list[str]


class Finding(BaseModel):
    """Whether a resource is available on the node, and a message."""

    model_config = ConfigDict(frozen=True)

    is_available: bool
    message: str


class NodeView(BaseModel):
    """Result of a probe job inside an allocation; None for what was not probed.

    ``results``, ``root`` and ``files`` are about the ledger, the folder that the login node shares, and an artifact
    that it stored. ``remaining_s`` is the time until the job would stop at a checkpoint, None if unlimited.
    """

    model_config = ConfigDict(frozen=True)

    node: str
    python: str
    package_version: str
    results: Finding
    root: Finding
    files: Finding
    remaining_s: float | None
    limit_source: str
    n_cores: int
    failed_lines: str
    device: str
    torch_version: str | None = None
    gpus: tuple[str, ...] | None = None
    nvidia_smi: str = ""
    vasp: Finding | None = None
    gpaw: Finding | None = None


@explicit_serialize
class ProbeFiretask(FiretaskBase):
    """Probe a node.

    Parameters are ``kind`` (of job), ``folder`` (below the login node's root, with a file in it), ``nonce`` (the text
    of that file), ``artifact``, and ``vasp`` with ``elements`` for a campaign that needs VASP.
    """

    required_params = ("kind", "folder", "nonce", "artifact")
    optional_params = ("vasp", "elements")

    def run_task(self, fw_spec: JsonDocument) -> FWAction:
        """Return the result of the probe as data of the launch."""
        return FWAction(stored_data={VIEW: probe_node(load_settings(), self).model_dump(mode="json")})


def probe_node(settings: Settings, parameters: JsonDocument) -> NodeView:
    """Probe the node that this process runs on; ``parameters`` are those of `ProbeFiretask`."""
    end = deadline(settings)
    kind = parameters["kind"]
    with closing(Workspace(settings, CAMPAIGN)) as workspace:
        results = _try(lambda: f"{len(workspace.ledger.find('campaigns', properties=['key']))} campaigns")
        has_artifact = workspace.artifacts.contains(ArtifactRef.model_validate(parameters["artifact"]))
        files = Finding(is_available=has_artifact, message=str(workspace.artifacts.root_url))
    optional: dict[str, Any] = {}
    if kind in ("train", "md") or settings.device == "cuda":
        optional |= _gpus()
    if kind == "dft":
        from interphase_flows.reference.gpaw.launch import check_command

        spec = VaspSpec.model_validate(parameters.get("vasp") or {})
        optional["vasp"] = _try(lambda: _vasp(settings, spec, parameters.get("elements", ())))
        optional["gpaw"] = _try(lambda: check_command(settings.gpaw_command))
    return NodeView(
        node=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        python=platform.python_version(),
        package_version=__version__,
        results=results,
        root=_try(lambda: _root(settings, Path(parameters["folder"]), parameters["nonce"], kind)),
        files=files,
        remaining_s=end.remaining_s if math.isfinite(end.remaining_s) else None,
        limit_source=end.set_by,
        n_cores=len(os.sched_getaffinity(0)),
        failed_lines=os.environ.get(FAILED_LINES, ""),
        device=settings.device,
        **optional,
    )


def _try(probe: Callable[[], str]) -> Finding:
    try:
        return Finding(is_available=True, message=probe())
    except (InterphaseError, OSError) as error:
        return Finding(is_available=False, message=str(error))


def _root(settings: Settings, folder: Path, nonce: str, kind: str) -> str:
    """Read the login node's file, and write the reply beside it."""
    if settings.root != folder.parent:
        raise SettingsError(f"root is {settings.root} on the node, {folder.parent} on the login node")
    try:
        if (folder / FROM_LOGIN).read_text(encoding="utf-8") != nonce:
            raise SettingsError(f"{folder / FROM_LOGIN} is a different file on the node")
        (folder / from_node(kind)).write_text(reply_to(nonce), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{error.filename}: {error.strerror}") from error
    return str(settings.root)


def _gpus() -> dict[str, Any]:
    """Add two numbers on every GPU that torch lists: only a computation detects a driver that is too old for torch."""
    import torch

    names = []
    for index in range(torch.cuda.device_count()):
        try:
            torch.ones(1, device=f"cuda:{index}").add(1).item()
        except RuntimeError:
            continue
        names.append(torch.cuda.get_device_name(index))
    return {"torch_version": str(torch.__version__), "gpus": tuple(names), "nvidia_smi": _nvidia_smi()}


def _nvidia_smi() -> str:
    try:
        done = _run(["nvidia-smi", "-L"])
    except FileNotFoundError:
        return "nvidia-smi is not installed"
    except subprocess.TimeoutExpired:
        return "nvidia-smi does not respond"
    return " ".join((done.stdout or done.stderr).split())


def _vasp(settings: Settings, spec: VaspSpec, elements: Sequence[str]) -> str:
    from interphase_flows.reference.vasp.method import VASPMethod

    method = VASPMethod(spec, settings)
    command = shlex.join(method.command())
    if elements:
        method.check_potentials(elements)
    return f"`{command}`{' and its potentials' if elements else ''}; it was not run"


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PROGRAM_TIMEOUT_S)
