"""Write docs/campaign_file.md from the schema of a campaign file: `python docs/generate_campaign_reference.py`.

Types, ranges and defaults come from the pydantic models, units from the names of the keys, and descriptions from
docs/data/meanings_of_keys.yaml. A key without a description, or a description without a key, is an error.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from ruamel.yaml import YAML

from interphase_flows.campaign.schema import Campaign
from interphase_flows.reference.registry import BUILT_IN_SPECS
from interphase_flows.reference.spec import MethodSpec

PAGE = Path(__file__).parent / "campaign_file.md"
DRY_RUNS = Path(__file__).parent / "data" / "dry_run.json"
"""Times by benchmarks/dry_run.py."""

INTRODUCTION = """\
# Campaign file

<!-- Written by docs/generate_campaign_reference.py. Do not edit: change the schema, or data/meanings_of_keys.yaml. -->

This page lists all keys of the YAML file that defines a campaign. `interphase init` writes a commented example. Only
`name` is required; all other keys have defaults. Unknown keys, wrong types and values out of range are reported
together, with their line numbers, before any job starts. Units are part of the names of keys.

`interphase check campaign.yaml` checks that this machine has what the campaign needs.

## Estimated cost

`interphase run campaign.yaml --dry-run` prints the stages of the campaign: labels, time on one core (or GPU) and with
all workers, memory and disk; and the interfaces with their faces, atoms, strain and size, which are built for it. It
measures this machine first: dynamics of the campaign's architecture with random weights in its labelled cell and in its
largest production cell, training, and labels of the surrogate, in as many processes at the same time as there are
workers (up to eight). This takes about half a minute. Where the campaign would compile its potentials, they are
compiled first, and the campaign uses the graph. Speeds are stored in `.machine_speed` below the root, by architecture
and type of machine, and used again unless cells are more than three times as large. `--no-measure` plans with stored
speeds or built-in figures; it is the default where results go to a database, because the workers are other machines.
Cells of more than 10,000 atoms are measured narrower. The loop is planned at its largest number of iterations. If a
campaign under the same root, or in the same database, has finished its loop with the same keys but for `production`,
`transport_grid` and `analysis`, all stages before production are planned without cost, because they are shared.

DRY_RUN

`interphase status` prints the time that an unfinished campaign has left at most, with the same speeds.

## Keys

In the tables, ≥, >, ≤ and < are bounds of a number, or of every item of a list. Blocks that a file omits have their
defaults, except `initial_labels`, `transport_grid`, `production.interface` and `committee.pretraining`: labels are
imported, the grid is simulated, a separate production cell is built, and a committee is pre-trained only if the file
contains the block. Without a production cell, production runs in the small labelled cell.
"""

UNIT_OF_SUFFIX = {
    "_meV_per_angstrom": "meV/Å",
    "_eV_per_angstrom": "eV/Å",
    "_meV_per_atom": "meV/atom",
    "_eV_per_atom": "eV/atom",
    "_eV_per_electron": "eV/electron",
    "_eV": "eV",
    "_angstrom": "Å",
    "_per_ps": "1/ps",
    "temperature_K": "K",
    "temperatures_K": "K",
    "_fs": "fs",
    "_steps": "steps",
    "_GPa": "GPa",
}
UNIT_OF_KEY = {"steps_per_iteration": "steps", "steps_per_segment": "steps"}

MEANINGS: dict[str, str] = YAML(typ="safe").load(Path(__file__).parent / "data" / "meanings_of_keys.yaml")


def leaves(
    model: type[BaseModel], path: str = "", defaults: BaseModel | None = None
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield path, default and JSON schema of every key that is not itself a block, in the schema's order."""
    schema = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        default = getattr(defaults, name) if defaults is not None else field.get_default(call_default_factory=True)
        block = next((each for each in (field.annotation, *get_args(field.annotation)) if is_block(each)), None)
        if block is MethodSpec and path:
            # settings are those of the top-level block
            yield f"{path}{name}", default.method, {"type": "string"}
        elif block is MethodSpec:
            for tag, spec in BUILT_IN_SPECS.items():
                yield from leaves(spec, f"{path}{name} ({tag}).", spec())
        elif block is not None and get_origin(field.annotation) is dict:
            yield from leaves(block, f"{path}{name}.NAME.", block())
        elif block is not None and not field.discriminator:
            # an optional block has the defaults of a block that is present
            yield from leaves(block, f"{path}{name}.", default)
        elif field.discriminator:
            # one of several blocks, selected by a discriminator
            for choice in get_args(field.annotation):
                tag = choice.model_fields[field.discriminator].default
                yield from leaves(choice, f"{path}{name} ({tag}).", choice())
        else:
            yield f"{path}{name}", "required" if field.is_required() else default, without_none(schema[name])


def is_block(annotation: Any) -> bool:
    """Whether a type is a block of keys."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def without_none(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the value of a key that is not null."""
    choices = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    return choices[0] if len(choices) == 1 else schema


def type_text(schema: dict[str, Any]) -> str:
    """Return the type of a key as text."""
    names = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}
    if "anyOf" in schema:
        return " or ".join(type_text(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        return f"list of {names[schema['items']['type']]}"
    if schema["type"] == "object":
        return f"mapping of {names[schema['additionalProperties']['type']]}"
    return names[schema["type"]]


def range_text(schema: dict[str, Any]) -> str:
    """Return the bounds of a key, or an empty string."""
    numeric = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    parts = [
        f"{sign} {item[bound]:g}"
        for item in (schema, schema.get("items", {}))
        for bound, sign in numeric.items()
        if bound in item
    ]
    if "minItems" in schema:
        parts.append(f"at least {schema['minItems']} item{'s' if schema['minItems'] > 1 else ''}")
    if "maxLength" in schema:
        parts.append(f"at most {schema['maxLength']} characters")
    if "pattern" in schema:
        is_version = schema["pattern"].startswith(r"^\d")
        parts.append(
            "numbers and dots" if is_version else "letters, digits, `_`, `.`, `-`; starts with a letter or digit"
        )
    return ", ".join(parts)


def unit(path: str) -> str:
    """Return the unit from the suffix of a key, or an empty string."""
    key = path.rsplit(".", 1)[-1]
    if key in UNIT_OF_KEY:
        return UNIT_OF_KEY[key]
    return next((symbol for suffix, symbol in UNIT_OF_SUFFIX.items() if key.endswith(suffix)), "")


def default_text(default: Any) -> str:
    """Return a default in YAML notation."""
    if default == "required":
        return "required"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        return f"`[{', '.join(f'{item:g}' if isinstance(item, float) else str(item) for item in default)}]`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`" if default not in ("", {}, None) else "empty"


def dry_run_text() -> str:
    """Return how long the campaigns of benchmarks/dry_run.py took, relative to their plans."""
    runs = json.loads(DRY_RUNS.read_text(encoding="utf-8"))
    found = {
        name: (each["measured_s"]["command"] / each["planned_s"]["command"], each["n_atoms_of_production"])
        for name, each in runs.items()
    }
    ratio, n_atoms = found.pop("quickstart")
    others = " and ".join(f"{ratio:.1f} times with {n_atoms:,} atoms" for ratio, n_atoms in found.values())
    return (
        f"On two cores, the quickstart ({n_atoms} atoms in production) took {ratio:.1f} times the planned time.\n"
        f"Campaigns with another architecture took {others} (`benchmarks/dry_run.py`)."
    )


def page() -> str:
    """Return the page as Markdown."""
    rows: dict[str, list[str]] = {}
    found = list(leaves(Campaign))
    paths = {path for path, _, _ in found}
    if paths != MEANINGS.keys():
        raise SystemExit(
            f"keys without a description: {sorted(paths - MEANINGS.keys())}; "
            f"descriptions without a key: {sorted(MEANINGS.keys() - paths)}"
        )
    for path, default, schema in found:
        block, _, key = path.rpartition(".")
        cells = [
            f"`{key}`",
            type_text(schema),
            unit(path),
            default_text(default),
            range_text(schema),
            MEANINGS[path],
        ]
        rows.setdefault(block, []).append(f"| {' | '.join(cells)} |")
    parts = [INTRODUCTION.replace("DRY_RUN", dry_run_text())]
    for block, lines in rows.items():
        title = f"## `{block}`" if block else "## Top level"
        head = "| key | type | unit | default | range | meaning |\n| --- | --- | --- | --- | --- | --- |"
        parts.append("\n".join([title, "", head, *lines, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
