"""Import labelled frames of other programs: read, check, split."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from interphase_flows.content_keys import content_key
from interphase_flows.datasets.readers.extxyz import frames_of_file
from interphase_flows.datasets.readers.xyz_frames import UnreadableFrame
from interphase_flows.datasets.splits import split_origins
from interphase_flows.exceptions import InputError
from interphase_flows.schemas.dataset import SPLITS, Split
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.schemas.origin import IMPORTED, Origin
from interphase_flows.structures.structure_keys import structure_key


def read_frames(sources: Sequence[str | Path | Atoms]) -> list[tuple[str, Atoms]]:
    """Return the frames of files that ASE reads, and given frames, each with its place for messages.

    Raises
    ------
    InputError
        A file is missing or cannot be read, or there is no frame.
    """
    found: list[tuple[str, Atoms]] = []
    for number, source in enumerate(sources):
        if isinstance(source, Atoms):
            found.append((f"frame {number}", source))
            continue
        path = Path(source)
        if not path.is_file():
            raise InputError(f"{path.absolute()}: no such file. Hint: give the path of labelled frames (extxyz)")
        try:
            frames = list(frames_of_file(path))
        except Exception as error:  # ASE's parsers raise any exception
            raise InputError(f"{path}: cannot be read ({error}). Hint: write it with ase.io.write as extxyz") from error
        for index, frame in enumerate(frames):
            if isinstance(frame, UnreadableFrame):
                raise InputError(f"{path}, frame {index}: cannot be read ({frame.reason}). Hint: remove it")
            found.append((f"{path}, frame {index}", frame))
    if not found:
        raise InputError("there are no labelled frames. Hint: give an extxyz file, or a list of ase.Atoms")
    return found


def labelled_frames(sources: Sequence[str | Path | Atoms], method: MethodIdentity) -> tuple[list[Atoms], list[str]]:
    """Return frames with energy, forces and, unless none has it, stress, without repeated structures, and notes.

    ``info`` keeps ``origin`` and ``split``.

    Raises
    ------
    InputError
        As `read_frames`; or a frame has no energy, no forces of all atoms, no stress although others have one, or numbers
        that are not finite.
    """
    given = read_frames(sources)
    has_stress = any("stress" in _results(frame) for _, frame in given)
    names = ("energy", "forces", "stress") if has_stress else ("energy", "forces")
    frames: dict[str, Atoms] = {}
    for where, frame in given:
        labels = {name: np.asarray(_label(frame, name, where)) for name in names}
        if not all(np.isfinite(values).all() for values in (frame.positions, *labels.values())):
            raise InputError(f"{where}: positions, energy, forces or stress are not finite. Hint: remove the frame")
        if labels["forces"].shape != (len(frame), 3):
            raise InputError(
                f"{where}: forces have the shape {labels['forces'].shape} for {len(frame)} atoms. Hint: remove the frame"
            )
        atoms = Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
        atoms.calc = SinglePointCalculator(atoms, **(labels | {"energy": float(labels["energy"])}))
        key = content_key("labels", structure=structure_key(atoms), method=method.key, **labels)
        atoms.info = {name: str(frame.info[name]) for name in ("origin", "split") if name in frame.info}
        atoms.info |= {"label_key": key, "method": method.name, "where": where}
        frames.setdefault(structure_key(atoms), atoms)
    notes = [] if has_stress else ["the frames have no stress"]
    if n_repeated := len(given) - len(frames):
        notes.append(f"{n_repeated} of {len(given)} frames repeat an earlier structure and are left out")
    return list(frames.values()), notes


def split_frames(
    frames: Sequence[Atoms], seed: int, validation_fraction: float, test_fraction: float
) -> dict[Origin, Split]:
    """Set ``origin`` and ``split`` of every frame, in place, and return the split of every origin.

    A given ``split`` of all frames is kept. Else frames are split by their ``origin``, like labels of a campaign;
    without origins they are split at random, and errors on held-out frames are too small where frames of one trajectory
    are on both sides.

    Raises
    ------
    InputError
        Some frames only have a split, or an origin; a split is unknown or has no frames, an origin is on two sides, or
        an element occurs in no training frame.
    """
    if _have_all(frames, "split"):
        for frame in frames:
            frame.info["origin"] = _origin(frame.info.get("origin", frame.info["split"]))
    elif _have_all(frames, "origin"):
        for frame in frames:
            frame.info["origin"] = _origin(frame.info["origin"])
        origins = {frame.info["origin"] for frame in frames}
        splits = split_origins(origins, {}, seed, validation_fraction, test_fraction)
        for frame in frames:
            frame.info["split"] = splits[frame.info["origin"]]
    else:
        n_test, n_validation = (max(1, round(part * len(frames))) for part in (test_fraction, validation_fraction))
        for place, index in enumerate(np.random.default_rng(seed).permutation(len(frames))):
            side = "test" if place < n_test else "validation" if place < n_test + n_validation else "train"
            frames[index].info |= {"split": side, "origin": _origin(side)}
    return _checked_splits(frames)


def _have_all(frames: Sequence[Atoms], name: str) -> bool:
    """Return whether all frames have an entry of ``info``; if some have, held-out frames could train unnoticed."""
    missing = [frame.info["where"] for frame in frames if name not in frame.info]
    if missing and len(missing) < len(frames):
        raise InputError(
            f"{missing[0]}: has no info[{name!r}], which other frames have. Hint: set it for all frames, or for none"
        )
    return not missing


def _checked_splits(frames: Sequence[Atoms]) -> dict[Origin, Split]:
    result: dict[Origin, Split] = {}
    for frame in frames:
        split, origin, where = frame.info["split"], frame.info["origin"], frame.info.pop("where")
        if split not in SPLITS:
            raise InputError(f"{where}: split={split!r} is not one of {', '.join(SPLITS)}. Hint: rename it")
        if result.setdefault(origin, split) != split:
            raise InputError(
                f"{where}: origin {origin!r} is in two splits. Hint: split by origin, or remove the origins"
            )
    counts = Counter(frame.info["split"] for frame in frames)
    if counts["train"] < 2 or not counts["validation"] or not counts["test"]:
        shown = ", ".join(f"{counts[side]} {side}" for side in SPLITS)
        raise InputError(
            f"{len(frames)} frames give {shown}. Hint: give more frames, at least three origins of one family, or "
            "info['split'] of every frame"
        )
    trained, all_elements = (
        {symbol for frame in frames if frame.info["split"] in sides for symbol in frame.symbols}
        for sides in (("train",), SPLITS)
    )
    if missing := sorted(all_elements - trained):
        raise InputError(f"no training frame has {', '.join(missing)}. Hint: set info['split'] of every frame")
    return result


def _origin(text: str) -> Origin:
    return Origin(text) if "/" in text else Origin.of(IMPORTED, text)


def _results(frame: Atoms) -> dict[str, object]:
    return {} if frame.calc is None else frame.calc.results


def _label(frame: Atoms, name: str, where: str) -> object:
    results = _results(frame)
    if name in results:
        return results[name]
    similar = [key for key in (*frame.info, *frame.arrays) if name.rstrip("s") in str(key).lower()]
    found = f" It has {', '.join(similar)}." if similar else ""
    raise InputError(
        f"{where}: has no {name}.{found} Hint: name labels `energy`, `forces` and `stress` (eV, eV/Å, eV/Å³), as "
        "ase.io.write does for atoms with a calculator"
    )
