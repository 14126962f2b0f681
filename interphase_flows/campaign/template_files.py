"""Templates of the files that `interphase init` writes."""

from importlib import resources
from io import StringIO
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML

from interphase_flows.exceptions import InputError
from interphase_flows.runtime.atomic_files import write_bytes_atomic

TEMPLATES = {"campaign.yaml": "campaign.yaml", "settings.yaml": "interphase.yaml"}


CAMPAIGN_NAME = "li_li7p3s11_quickstart"
COMMAND = f"interphase run workflows/{CAMPAIGN_NAME}.yaml"


def write_templates(folder: Path, force: bool = False, name: str | None = None) -> list[Path]:
    """Write a commented campaign file and settings to a folder; return their paths.

    The campaign has the name of the quickstart by default.

    Raises
    ------
    InputError
        The name is not valid for a campaign, or one of the files exists; none is written.
    StorageError
        A file cannot be written; an existing one is unchanged.
    """
    source = resources.files("interphase_flows.campaign") / "templates"
    targets = {template: folder / target for template, target in TEMPLATES.items()}
    if name is not None:
        _check_name(name)
    existing = [str(path) for path in targets.values() if path.exists()]
    if existing and not force:
        raise InputError(f"{', '.join(existing)}: the file exists; nothing was written. Hint: replace it with --force")
    for template, path in targets.items():
        text = (source / template).read_text(encoding="utf-8")
        if name is not None and template == "campaign.yaml":
            text = text.replace(COMMAND, f"interphase run {path.name}").replace(
                f"name: {CAMPAIGN_NAME}\n", _name_line(name), 1
            )
        write_bytes_atomic(path, text.encode())
    return list(targets.values())


def _name_line(name: str) -> str:
    line = StringIO()
    YAML().dump({"name": name}, line)  # with quotes where YAML would read a number, a date or true
    return line.getvalue()


def _check_name(name: str) -> None:
    from interphase_flows.campaign.schema import Campaign

    try:
        Campaign(name=name)
    except ValidationError:
        raise InputError(
            f"{name!r} is not a valid name of a campaign. Hint: use letters, digits, `_`, `-` and `.`, or write to the "
            "current folder by interphase init"
        ) from None
