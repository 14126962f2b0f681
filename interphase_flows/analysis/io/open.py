"""Open a trajectory of any supported format, recognised by its content."""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from interphase_flows.analysis.io.ase_traj import AseTraj
from interphase_flows.analysis.io.campaign_run import CampaignRun
from interphase_flows.analysis.io.extxyz import Extxyz
from interphase_flows.analysis.io.h5md import H5md
from interphase_flows.analysis.io.lammps_dump import LammpsDump
from interphase_flows.analysis.io.reader import READ_ERRORS, Reader, ReaderOptions
from interphase_flows.analysis.io.sources import head_of, local_copy, trajectory_files
from interphase_flows.analysis.io.trajectory_file import TrajectoryFile
from interphase_flows.analysis.io.vasprun import VasprunXml
from interphase_flows.analysis.io.xdatcar import Xdatcar
from interphase_flows.exceptions import AnalysisError

READERS: tuple[type[Reader], ...] = (CampaignRun, H5md, AseTraj, LammpsDump, VasprunXml, Xdatcar, Extxyz)
"""Readers in the order in which they are tried."""
ENTRY_POINT_GROUP = "interphase_flows.trajectory_readers"
"""Entry points of other distributions; their readers are tried after `READERS`."""
SUPPORTED = (
    "LAMMPS text dump, XDATCAR, vasprun.xml, extended XYZ (each also compressed as .gz, .zst, .xz or .bz2), ASE .traj, "
    "H5MD, .zarr.zip of this package"
)
COMMAND_LINE_OPTIONS = {"time_step_fs": "--time-step-fs", "frame_interval_fs": "--frame-interval-fs"}


def open_trajectory(
    path: Path | str | Sequence[Path | str],
    *,
    time_step_fs: float | None = None,
    frame_interval_fs: float | None = None,
    elements: Mapping[int, str] | None = None,
    wrapped: bool | None = None,
) -> TrajectoryFile:
    """Open a trajectory: atoms in one order, positions unwrapped in Å, times in fs.

    Parameters
    ----------
    path
        LAMMPS text dump, XDATCAR, vasprun.xml, extended XYZ, ASE .traj, H5MD, or a trajectory of this package, packed
        or as a folder. The format is recognised by the content. Files may be compressed by gzip, zstd, xz or bzip2. A
        folder, a pattern such as ``dump/conf_*.lammpstrj`` or several paths of LAMMPS dumps, XDATCARs or extended XYZ
        files are read as one trajectory in the order of the numbers in the names.
    time_step_fs
        Time step in fs, for formats that count steps: LAMMPS, extended XYZ with steps, H5MD without times.
    frame_interval_fs
        Time between two frames in fs, for formats without steps: XDATCAR (POTIM times NBLOCK), and extended XYZ or
        .traj without ``time_fs``.
    elements
        Chemical symbol of each atom type, for LAMMPS without a column ``element`` and H5MD with numbered species.
    wrapped
        Whether positions are wrapped into the cell, where the format does not state it. By default steps along periodic
        vectors are assumed to be shorter than half a cell, which is right for both; True assumes it for all vectors,
        False leaves longer steps unchanged.

    Raises
    ------
    AnalysisError
        The file does not exist, has an unknown format, is damaged beyond the repairs in `TrajectoryFile.repairs`, or
        requires an option that was not given.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(each) for each in path]
    if not paths:
        raise AnalysisError("no trajectory is given. Hint: give the path of a file.")
    path = paths[0]
    options = ReaderOptions(time_step_fs, frame_interval_fs, elements)
    try:
        files = trajectory_files(paths)
        reader_class, files, notes = _reader_of(path, files)
        _check_time_options(reader_class, options, path)
    except (OSError, ValueError) as error:
        raise AnalysisError(f"{path}: cannot be read ({error}). Hint: check the path and its permissions.") from error
    reader = reader_class(path, options)
    try:
        reader.repairs += notes
        if not path.is_dir() or len(files) > 1 or files[0] != path:
            reader.source = local_copy(files, reader.resources, reader.repairs)
        reader.open()
        reader.resolve_times()
        return TrajectoryFile(reader, wrapped=wrapped)
    except READ_ERRORS as error:
        reader.close()
        raise AnalysisError(
            f"{path}: cannot be read as {reader_class.__name__} ({type(error).__name__}: {error}): the file is damaged. "
            "Hint: copy or write it again."
        ) from error
    except AnalysisError:
        reader.close()
        raise


def _reader_of(path: Path, files: list[Path]) -> tuple[type[Reader], list[Path], list[str]]:
    """Return the reader of one or several files, the files that it reads, and notes."""
    if len(files) == 1:
        return _recognised(files[0]), files, []
    by_reader: dict[type[Reader], list[Path]] = {}
    others = []
    for file in files:
        try:
            by_reader.setdefault(_recognised(file), []).append(file)
        except AnalysisError:
            others.append(file)
    if len(by_reader) != 1:
        names = ", ".join(sorted(reader.__name__ for reader in by_reader)) or "none"
        raise AnalysisError(
            f"{path}: {len(files)} files of these trajectory formats: {names}. Hint: give one file, or a pattern such as "
            f"'{path if path.is_dir() else path.parent}/conf_*.lammpstrj' of the files of one trajectory."
        )
    reader, chosen = next(iter(by_reader.items()))
    if len(chosen) > 1 and not reader.joinable:
        raise AnalysisError(
            f"{path}: {len(chosen)} files that cannot be joined ({chosen[0].name}, ...); only LAMMPS dumps, XDATCARs and "
            "extended XYZ files can. Hint: give one file."
        )
    notes = [f"{len(others)} files of other formats were left out, such as {others[0].name}"] if others else []
    return reader, chosen, notes


def _recognised(path: Path) -> type[Reader]:
    """Return the reader of a file; raise AnalysisError if its format is unknown."""
    head = b"" if path.is_dir() else head_of(path)
    for reader in READERS:
        if reader.recognises(path, head):
            return reader
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            external: type[Reader] = entry_point.load()
        except (ImportError, AttributeError) as error:
            raise AnalysisError(
                f"entry point {entry_point.value} of {ENTRY_POINT_GROUP} cannot be loaded: {error}. "
                "Hint: update or uninstall its package."
            ) from error
        if external.recognises(path, head):
            return external
    raise AnalysisError(f"{path}: unknown format (first bytes {head[:20]!r}). Hint: convert it to one of: {SUPPORTED}.")


def _check_time_options(reader: type[Reader], options: ReaderOptions, path: Path) -> None:
    """Raise AnalysisError if an option of time was given that the format does not accept."""
    accepted = reader.time_option
    if accepted is None:
        return
    rejected = "frame_interval_fs" if accepted == "time_step_fs" else "time_step_fs"
    value = getattr(options, rejected)
    if value is not None:
        reason = "counts steps" if accepted == "time_step_fs" else "has no steps"
        raise AnalysisError(
            f"{path}: {rejected} = {value} does not apply: the format {reason}. "
            f"Hint: pass {accepted} ({COMMAND_LINE_OPTIONS[accepted]}) instead."
        )
