"""Check labels of other programs, and write the accepted ones, the rejected ones and a page about both."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from pydantic import ValidationError

from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.label_stores import read_store
from interphase_flows.datasets.frames import extxyz_bytes, labelled_atoms
from interphase_flows.datasets.label_conventions import LabelConventions
from interphase_flows.datasets.readers import STORE_SUFFIXES, ReadLabels, read_labels
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.import_labels import ImportedLabels, ImportLabelsMaker
from interphase_flows.reference.registry import method_spec, method_specs
from interphase_flows.report.sections.label_import import write_import_page
from interphase_flows.runtime.atomic_files import write_bytes_atomic

ACCEPTED, REJECTED = "accepted.extxyz", "rejected.jsonl"


def label_keys(**options: str | None) -> LabelConventions:
    """Return names and conventions of labels from the options of the command line.

    Raises
    ------
    InputError
        A unit or sign is unknown, or both a stress and a virial are named.
    """
    try:
        return LabelConventions.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        option = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise InputError(f"--{option or 'stress-key'}: {first['msg']}") from error


def import_maker(
    reference: str, keys: LabelConventions, elements: Collection[str] | None = None, needs_stress: bool = True
) -> ImportLabelsMaker:
    """Return the Maker that checks labels.

    Parameters
    ----------
    reference
        Name of a reference method, or path of a campaign file, whose method, gates and elements count.
    elements
        Elements that are allowed; by default those of the campaign file, else any.

    Raises
    ------
    InputError
        There is no such method, and no such file.
    """
    if reference in method_specs():
        return ImportLabelsMaker(
            reference=method_spec(reference), keys=keys, elements=elements, needs_stress=needs_stress
        )
    if not Path(reference).is_file():
        raise InputError(
            f"--reference: {reference!r} is no reference method ({', '.join(method_specs())}) and no campaign file. "
            "Hint: name the method that computed the labels, or the campaign that will use them"
        )
    maker = ImportLabelsMaker.from_campaign(Campaign.from_file(reference))
    maker.keys = keys
    maker.needs_stress &= needs_stress
    if elements is not None:
        maker.elements = elements
    return maker


def check_labels(maker: ImportLabelsMaker, sources: Sequence[Path]) -> ImportedLabels:
    """Return the checked labels of files, folders and job stores (``.yaml``).

    Raises
    ------
    InputError
        A source is missing or cannot be read, or there are no frames.
    """
    files = [source for source in sources if source.suffix not in STORE_SUFFIXES]
    stores = [source for source in sources if source.suffix in STORE_SUFFIXES]
    read = read_labels(files, maker.keys, maker.vasp_spec) if files else ReadLabels([])
    parts = [read, *(read_store(store, maker.vasp_spec) for store in stores)]
    return maker.checked(
        ReadLabels([label for part in parts for label in part.labels], [note for part in parts for note in part.notes])
    )


def write_import(imported: ImportedLabels, files: Sequence[str | Path], folder: Path) -> list[Path]:
    """Write the accepted labels (extxyz), the rejected ones (a JSON document per line) and the page, atomically.

    Raises
    ------
    InputError
        The folder contains the result of another import, or something that is not a folder is in its place.
    StorageError
        The folder cannot be written.
    """
    if any((folder / name).exists() for name in (ACCEPTED, REJECTED)):
        raise InputError(f"{folder}: contains imported labels already. Hint: give another folder, or remove it")
    accepted = [label for label in imported.labels if label.status == "accepted"]
    rejected = [label for label in imported.labels if label.status == "rejected"]
    page = write_import_page(imported, files, folder)
    lines = "".join(json.dumps(label.model_dump(mode="json")) + "\n" for label in rejected)
    write_bytes_atomic(folder / REJECTED, lines.encode())
    write_bytes_atomic(folder / ACCEPTED, extxyz_bytes([labelled_atoms(label) for label in accepted]))
    return [folder / ACCEPTED, folder / REJECTED, page]
