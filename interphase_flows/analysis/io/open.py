"""Open a trajectory of any supported format, recognised by its content."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

from interphase_flows.analysis.io.ase_traj import AseTraj
from interphase_flows.analysis.io.campaign_run import CampaignRun
from interphase_flows.analysis.io.extxyz import Extxyz
from interphase_flows.analysis.io.h5md import H5md
from interphase_flows.analysis.io.lammps_dump import LammpsDump
from interphase_flows.analysis.io.reader import Reader, ReaderOptions
from interphase_flows.analysis.io.trajectory_file import TrajectoryFile
from interphase_flows.analysis.io.xdatcar import Xdatcar
from interphase_flows.exceptions import AnalysisError

READERS: tuple[type[Reader], ...] = (CampaignRun, H5md, AseTraj, LammpsDump, Xdatcar, Extxyz)
"""Readers in the order in which they are tried."""
ENTRY_POINT_GROUP = "interphase_flows.trajectory_readers"
"""Entry points of other distributions; their readers are tried after `READERS`."""
SUPPORTED = "LAMMPS text dump, XDATCAR, extended XYZ, ASE .traj, H5MD, .zarr.zip of this package"
HEAD_BYTES = 1 << 16
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
COMMAND_LINE_OPTIONS = {"time_step_fs": "--time-step-fs", "frame_interval_fs": "--frame-interval-fs"}


def open_trajectory(
    path: Path | str,
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
        LAMMPS text dump, XDATCAR, extended XYZ, ASE .traj, H5MD, or a trajectory of this package, packed or as a
        folder. The format is recognised by the content.
    time_step_fs
        Time step in fs, for formats that count steps: LAMMPS, H5MD without times.
    frame_interval_fs
        Time between two frames in fs, for formats without steps: XDATCAR (POTIM times NBLOCK), and extended XYZ or
        .traj without ``time_fs``.
    elements
        Chemical symbol of each atom type, for LAMMPS without a column ``element`` and H5MD with numbered species.
    wrapped
        Whether positions are wrapped into the cell, where the format does not state it. By default steps are assumed
        to be shorter than half a cell, which is right for both; False leaves longer steps unchanged.

    Raises
    ------
    AnalysisError
        The file does not exist, has an unknown format, is damaged beyond the repairs in `TrajectoryFile.repairs`, or
        requires an option that was not given.
    """
    path = Path(path)
    if not path.exists():
        raise AnalysisError(f"{path}: no such trajectory. Hint: check the path.")
    options = ReaderOptions(time_step_fs, frame_interval_fs, elements)
    reader_class = _reader_of(path)
    _check_time_options(reader_class, options, path)
    reader = reader_class(path, options)
    try:
        reader.open()
        return TrajectoryFile(reader, wrapped=wrapped)
    except AnalysisError:
        reader.close()
        raise


def _reader_of(path: Path) -> type[Reader]:
    head = b""
    if not path.is_dir():
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if not head:
            raise AnalysisError(f"{path} is empty. Hint: check the log of the run, or copy the file again.")
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
    hint = "decompress it" if head.startswith(COMPRESSED) else f"convert it to one of: {SUPPORTED}"
    raise AnalysisError(f"{path}: unknown format (first bytes {head[:20]!r}). Hint: {hint}.")


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
