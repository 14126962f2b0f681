"""What the login node and a probe job exchange: names, the result of the probe, and the reply to a nonce."""

from typing import TypedDict

from pydantic import BaseModel, ConfigDict

from interphase_flows.storage.ledger_backend import JsonDocument

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
    """Return what the node writes back: not the nonce itself, which a stale copy of the folder might contain."""
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

    ``results``, ``root`` and ``files`` are about the ledger, the folder that the login node shares, and an artifact that
    it stored. ``remaining_s`` is the time until the job would stop at a checkpoint, None if unlimited.
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
