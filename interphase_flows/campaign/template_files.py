"""The files that ``interphase init`` writes."""

from importlib import resources
from pathlib import Path

from interphase_flows.exceptions import InputError

TEMPLATES = {"campaign.yaml": "campaign.yaml", "settings.yaml": "interphase.yaml"}


def write_templates(folder: Path, force: bool = False) -> list[Path]:
    """Write a commented campaign file and settings into a folder.

    Raises
    ------
    InputError
        A file is there already; none is written then.
    """
    source = resources.files("interphase_flows.campaign") / "templates"
    targets = {name: folder / target for name, target in TEMPLATES.items()}
    there = [str(path) for path in targets.values() if path.exists()]
    if there and not force:
        raise InputError(f"{', '.join(there)}: already there; nothing was written. Replace by --force")
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in targets.items():
        path.write_text((source / name).read_text(encoding="utf-8"), encoding="utf-8")
    return list(targets.values())
