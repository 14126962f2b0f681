"""Read labelled frames of other programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interphase_flows.datasets.label_conventions import LabelConventions
from interphase_flows.datasets.readers.extxyz import read_with_ase
from interphase_flows.datasets.readers.file_formats import COMPRESSED, OUTCAR, VASPRUN, file_format
from interphase_flows.datasets.readers.records import ForeignLabel
from interphase_flows.datasets.readers.trajectories import with_origins
from interphase_flows.exceptions import InputError
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.runtime.progress import emit

STORE_SUFFIXES = (".yaml", ".yml")
"""Of files that describe job stores of atomate2."""


@dataclass(frozen=True)
class ReadLabels:
    """Labels of some files, all with their origin, and notes on what was left out."""

    labels: list[ForeignLabel]
    notes: list[str] = field(default_factory=list)


def read_labels(
    sources: Sequence[str | Path], keys: LabelConventions = LabelConventions(), spec: VaspSpec | None = None
) -> ReadLabels:
    """Return the labelled frames of files, and of all VASP runs in folders.

    Frames whose file does not say which of them belong together are grouped by `group_frames`, across all files. With
    ``spec``, the level of theory of VASP runs is compared with it.

    Raises
    ------
    InputError
        A file is missing or cannot be read, or there are no frames.
    """
    labels: list[ForeignLabel] = []
    names: list[str] = []
    notes: list[str] = []
    files = [file for source in sources for file in label_files(Path(source))]
    for number, (path, in_folder) in enumerate(files):
        emit("read labels", number, len(files), str(path))
        try:
            found = list(read_file(path, keys, spec))
        except InputError as error:
            if not in_folder:
                raise
            notes.append(str(error))  # one broken run among many
            continue
        labels += found
        names += [path.stem] * len(found)
    emit("read labels", len(files), len(files))
    if not labels:
        reason = f": {notes[0]}" if notes else ""
        raise InputError(f"there are no labelled frames{reason}. Hint: give extxyz files or folders of VASP runs")
    return ReadLabels(with_origins(labels, names), notes)


def label_files(source: Path) -> list[tuple[Path, bool]]:
    """Return the files of labels at a path, each with whether it was found in a folder.

    A folder is searched for vasprun.xml, and for OUTCAR beside which there is none.

    Raises
    ------
    InputError
        There is nothing at the path, or no VASP run in the folder.
    """
    if source.is_file():
        return [(source, False)]
    if not source.is_dir():
        raise InputError(f"{source.absolute()}: no such file. Hint: give the path of labelled frames (extxyz)")
    runs: dict[Path, Path] = {}
    for stem in (VASPRUN, OUTCAR):
        for suffix in COMPRESSED:
            for path in sorted(source.rglob(stem + suffix)):
                runs.setdefault(path.parent, path)
    if not runs:
        raise InputError(f"{source}: contains no vasprun.xml and no OUTCAR. Hint: give the folder of VASP runs")
    return [(path, True) for _, path in sorted(runs.items())]


def read_file(path: Path, keys: LabelConventions, spec: VaspSpec | None = None) -> Iterator[ForeignLabel]:
    """Return an iterator over the labelled frames of a file.

    Raises
    ------
    InputError
        On iteration: the file cannot be read, or the names of its labels are not clear.
    """
    if path.suffix in STORE_SUFFIXES:
        raise InputError(
            f"{path}: a job store is read by `interphase import` only. Hint: give the accepted.extxyz that it writes"
        )
    known = file_format(path)
    if known == "vasprun":
        from interphase_flows.datasets.readers.vasp import read_vasprun  # slow import

        return read_vasprun(path, spec)
    if known == "outcar":
        from interphase_flows.datasets.readers.vasp import read_outcar  # slow import

        return read_outcar(path)
    return read_with_ase(path, keys)
