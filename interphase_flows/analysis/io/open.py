"""One way to open a trajectory of any known format, told by its content and not by its name."""

from collections.abc import Mapping
from pathlib import Path

from interphase_flows.analysis.io.ase_traj import AseTraj
from interphase_flows.analysis.io.campaign_run import CampaignRun
from interphase_flows.analysis.io.extxyz import Extxyz
from interphase_flows.analysis.io.h5md import H5md
from interphase_flows.analysis.io.lammps_dump import LammpsDump
from interphase_flows.analysis.io.trajectory_file import RawFrames, TrajectoryFile
from interphase_flows.analysis.io.xdatcar import TITLE, Xdatcar
from interphase_flows.exceptions import AnalysisError

KNOWN = "LAMMPS text dump, XDATCAR, extended XYZ, ASE .traj, H5MD, and this package's own .zarr.zip"
HEAD_BYTES = 1 << 16
COUNTS_STEPS = "time_step_fs"
LISTS_FRAMES = "frame_interval_fs"


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
        The file. Its content tells the format: LAMMPS text dump, XDATCAR, extended XYZ, ASE .traj, H5MD, or a
        trajectory of this package, packed or as a folder.
    time_step_fs
        Time of one step in fs, for formats that count steps: LAMMPS, H5MD without times.
    frame_interval_fs
        Time between two frames in fs, for formats that only list frames: XDATCAR (POTIM times NBLOCK), and
        extended XYZ or .traj without ``time_fs``.
    elements
        Chemical symbol of each type of atom, for LAMMPS without a column ``element`` and H5MD with numbered species.
    wrapped
        Whether atoms are put back into the cell, where the format does not say. By default steps are taken to be
        shorter than half a cell, which is right for both; False leaves longer steps alone.

    Raises
    ------
    AnalysisError
        There is no such file, its format is not known, something it needs was not given, or it is damaged beyond
        the repairs that `TrajectoryFile.repairs` tells of.
    """
    path = Path(path)
    raw = _open(path, time_step_fs, frame_interval_fs, elements)
    try:
        return TrajectoryFile(raw, wrapped=wrapped)
    except AnalysisError:
        raw.close()
        raise


def _open(
    path: Path,
    time_step_fs: float | None,
    frame_interval_fs: float | None,
    elements: Mapping[int, str] | None,
) -> RawFrames:
    if not path.exists():
        raise AnalysisError(f"there is no trajectory {path}; check the path")
    if path.is_dir():
        return CampaignRun(path, time_step_fs=time_step_fs, frame_interval_fs=frame_interval_fs)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise AnalysisError(f"{path} is empty: the run wrote nothing, or it was not copied; look at its log")
    if head.startswith(b"PK\x03\x04"):
        return CampaignRun(path, time_step_fs=time_step_fs, frame_interval_fs=frame_interval_fs)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return H5md(path, time_step_fs=time_step_fs, frame_interval_fs=frame_interval_fs, elements=elements)
    if head.startswith(b"- of Ulm"):
        _refuse(COUNTS_STEPS, time_step_fs, LISTS_FRAMES, path)
        return AseTraj(path, frame_interval_fs=frame_interval_fs)
    lines = head.decode("utf-8", "replace").splitlines()
    if lines[0].startswith("ITEM: "):
        _refuse(LISTS_FRAMES, frame_interval_fs, COUNTS_STEPS, path)
        return LammpsDump(path, time_step_fs=time_step_fs, elements=elements)
    if path.name.upper().startswith("XDATCAR") or any(line.lower().startswith(TITLE) for line in lines[:12]):
        _refuse(COUNTS_STEPS, time_step_fs, LISTS_FRAMES, path)
        return Xdatcar(path, frame_interval_fs=frame_interval_fs)
    if lines[0].strip().isdigit() and len(lines) > 1:
        _refuse(COUNTS_STEPS, time_step_fs, LISTS_FRAMES, path)
        return Extxyz(path, frame_interval_fs=frame_interval_fs)
    packed = head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))
    mend = "unpack it first" if packed else f"convert it to one of: {KNOWN}"
    raise AnalysisError(f"{path} is of no known format (it begins with {head[:20]!r}); {mend}")


def _refuse(name: str, value: float | None, wanted: str, path: Path) -> None:
    if value is not None:
        what = "counts steps" if wanted == COUNTS_STEPS else "lists frames without their steps"
        raise AnalysisError(f"{path} {what}, so {name} = {value} says nothing of it; pass {wanted} instead")
