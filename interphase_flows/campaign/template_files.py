"""Templates of the files that `interphase init` writes."""

from importlib import resources
from pathlib import Path

from interphase_flows.exceptions import InputError
from interphase_flows.runtime.atomic_files import write_bytes_atomic

TEMPLATES = {"campaign.yaml": "campaign.yaml", "settings.yaml": "interphase.yaml"}


def write_templates(folder: Path, force: bool = False) -> list[Path]:
    """Write a commented campaign file and settings to a folder; return their paths.

    Raises
    ------
    InputError
        One of the files exists; none is written.
    StorageError
        A file cannot be written; an existing one is unchanged.
    """
    source = resources.files("interphase_flows.campaign") / "templates"
    targets = {name: folder / target for name, target in TEMPLATES.items()}
    existing = [str(path) for path in targets.values() if path.exists()]
    if existing and not force:
        raise InputError(f"{', '.join(existing)}: the file exists; nothing was written. Hint: replace it with --force")
    for name, path in targets.items():
        write_bytes_atomic(path, (source / name).read_bytes())
    return list(targets.values())
