"""Compare the speed of profiles, boundaries and fluxes with implementations in pandas.

Run: ``python benchmarks/profiles.py [--quick]``. The trajectory has 20,000 atoms of electrode, interphase and electrolyte
in a triclinic cell and 20 frames, in memory. The pandas code does what analysis scripts commonly do: a table of atoms per
frame, ``cut`` into slices, ``groupby`` to count. Boundaries use the same widths, offsets and tolerances as the package.
Fluxes count crossings of two moving planes, by motion of the atoms and of the planes.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.boundaries import (
    DEFAULT_WIDTHS_ANGSTROM,
    TwoSides,
    interphase_boundaries,
)
from interphase_flows.analysis.interfaces.plane_flux import crossings
from interphase_flows.analysis.profiles.composition import composition_profile
from interphase_flows.analysis.profiles.value_profiles import profile_of

CELL = np.array([[40.0, 0.0, 0.0], [10.0, 42.0, 0.0], [-15.0, 12.0, 180.0]])
HEIGHT_ANGSTROM = 180.0
SIDES = TwoSides({"Li"}, {"Li": 7, "P": 3, "S": 11})
BULK = {"Li": 7 / 21, "P": 3 / 21, "S": 11 / 21}
N_PHASES = 20
TARGETS = {"composition": 20.0, "boundaries": 20.0, "fluxes": 20.0}


def reacting_cell(n_atoms: int, n_frames: int) -> ArrayFrames:
    """Return a cell with a third of electrode, interphases of 20 Å on both sides, and electrolyte."""
    rng = np.random.default_rng(0)
    height = np.sort(rng.random(n_atoms)) * HEIGHT_ANGSTROM
    rank = np.arange(n_atoms)
    electrolyte = np.array([3, 16, 3, 16, 15, 16, 16, 3, 16, 3, 16, 15, 16, 3, 16, 16, 3, 15, 16, 3, 16])
    interphase = np.array([3, 3, 16, 3, 3, 3, 15, 3, 3, 16, 3])
    numbers = np.where(
        height < 60.0,
        3,
        np.where((height < 80.0) | (height > 160.0), interphase[rank % 11], electrolyte[rank % 21]),
    )
    fractions = rng.random((n_atoms, 3))
    fractions[:, 2] = height / HEIGHT_ANGSTROM
    # atoms of a simulation are not sorted by height
    order = rng.permutation(n_atoms)
    numbers, fractions = numbers[order], fractions[order]
    shake = rng.normal(0.0, 0.1, (n_frames, n_atoms, 3))
    return ArrayFrames(numbers, 1000.0 * np.arange(n_frames), fractions @ CELL + shake, CELL)


def heights_of(frames: ArrayFrames, frame: int) -> np.ndarray:
    """Return heights in the cell in Å, (n_atoms,)."""
    fractions = frames.positions(frame) @ np.linalg.inv(frames.cell(frame))
    return np.asarray(fractions[:, 2] % 1.0 * HEIGHT_ANGSTROM)


def table_of(frames: ArrayFrames, frame: int) -> pd.DataFrame:
    """Return a frame as a table of elements and heights."""
    elements = np.array(chemical_symbols)[frames.numbers]
    return pd.DataFrame({"element": elements, "height": heights_of(frames, frame)})


def pandas_profile(frames: ArrayFrames) -> np.ndarray:
    """Count elements in slices of 1 Å, (n_frames, n_elements, n_bins)."""
    edges = np.linspace(0.0, HEIGHT_ANGSTROM, round(HEIGHT_ANGSTROM) + 1)
    rows = []
    for frame in range(frames.n_frames):
        table = table_of(frames, frame)
        table["slice"] = pd.cut(table["height"], edges, labels=False, right=False)
        counts = table.groupby(["element", "slice"]).size().unstack(fill_value=0)
        rows.append(counts.reindex(columns=range(len(edges) - 1), fill_value=0).to_numpy())
    return np.array(rows)


def pandas_values(frames: ArrayFrames, values: np.ndarray) -> np.ndarray:
    """Average a number per atom in slices of 1 Å, (n_frames, n_bins)."""
    edges = np.linspace(0.0, HEIGHT_ANGSTROM, round(HEIGHT_ANGSTROM) + 1)
    rows = []
    for frame in range(frames.n_frames):
        table = pd.DataFrame({"value": values, "height": heights_of(frames, frame)})
        table["slice"] = pd.cut(table["height"], edges, labels=False, right=False)
        summary = table.groupby("slice")["value"].agg(["mean", "std", "count"])
        rows.append(summary["mean"].reindex(range(len(edges) - 1)).to_numpy())
    return np.array(rows)


def pandas_boundaries(frames: ArrayFrames, tolerances: np.ndarray) -> np.ndarray:
    """Return the mean thickness above and below the electrode, (n_frames, 2)."""
    rows = []
    for frame in range(frames.n_frames):
        table = table_of(frames, frame)
        anions = np.sort(table.loc[table["element"] != "Li", "height"].to_numpy())
        gaps = np.diff(anions, append=anions[0] + HEIGHT_ANGSTROM)
        low, width = anions[gaps.argmax()], gaps.max()
        inside = (table.loc[table["element"] == "Li", "height"] - low) % HEIGHT_ANGSTROM
        middle = low + inside[inside < width].mean()
        both = []
        for way in (1, -1):
            table["distance"] = (way * (table["height"] - middle)) % HEIGHT_ANGSTROM
            found = []
            for slab_width, tolerance in zip(DEFAULT_WIDTHS_ANGSTROM, tolerances, strict=True):
                for phase in range(N_PHASES):
                    shift = (phase + 0.5) / N_PHASES * slab_width - slab_width
                    edges = np.arange(shift, HEIGHT_ANGSTROM + slab_width, slab_width)
                    slab = pd.cut(table["distance"], edges, labels=False, right=False)
                    counts = table.groupby([slab, "element"]).size().unstack(fill_value=0)
                    shares = counts.div(counts.sum(axis=1), axis=0)
                    differs = (shares - pd.Series(BULK)).abs().max(axis=1)
                    first = counts.index[(counts["P"] + counts["S"]) > 0][0]
                    bulk = differs.index[(differs <= tolerance) & (differs.index >= first)]
                    if len(bulk):
                        found.append((max(bulk[0] - 1, first) - first) * slab_width)
            both.append(np.mean(found))
        rows.append(both)
    return np.array(rows)


def moving_planes(n_frames: int) -> dict[str, np.ndarray]:
    """Return heights of two boundaries in Å, (n_frames,) each."""
    return {"electrode side": 60.0 + 0.3 * np.arange(n_frames), "far side": 80.0 + 0.5 * np.arange(n_frames)}


def pandas_fluxes(frames: ArrayFrames) -> tuple[np.ndarray, np.ndarray]:
    """Count crossings of each plane by motion of atoms and of the plane, as defined in `crossings`.

    Both arrays are (n_frames - 1, n_planes, n_elements).
    """
    planes = moving_planes(frames.n_frames)
    elements = np.array(chemical_symbols)[frames.numbers]
    by_atoms, by_sweep = [], []
    before = pd.DataFrame()
    for frame in range(frames.n_frames):
        table = pd.DataFrame({"element": elements})
        table["now"] = (frames.positions(frame) @ np.linalg.inv(frames.cell(frame)))[:, 2]
        if frame:
            table["before"] = before["now"]
            for name, height in planes.items():
                earlier, now = height[frame - 1] / HEIGHT_ANGSTROM, height[frame] / HEIGHT_ANGSTROM
                first = np.floor(table["before"] - earlier)
                last = np.floor(table["now"] - now)
                atoms_first, plane_first = np.floor(table["now"] - earlier), np.floor(table["before"] - now)
                table[f"{name} atoms"] = 0.5 * ((atoms_first - first) + (last - plane_first))
                table[f"{name} sweep"] = 0.5 * ((plane_first - first) + (last - atoms_first))
            sums = table.groupby("element").sum()
            by_atoms.append(sums[[f"{name} atoms" for name in planes]].to_numpy().T)
            by_sweep.append(sums[[f"{name} sweep" for name in planes]].to_numpy().T)
        before = table[["now"]]
    return np.array(by_atoms), np.array(by_sweep)


def seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the shortest CPU time of one call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print milliseconds per frame, ratios and targets; fail if results differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="10 frames; boundaries by pandas of one")
    quick = parser.parse_args().quick
    frames = reacting_cell(20_000, 10 if quick else 20)
    few = reacting_cell(20_000, 1 if quick else 2)
    charges = np.select([frames.numbers == 3, frames.numbers == 15], [1.0, 5.0], -2.0)

    np.testing.assert_array_equal(composition_profile(frames).counts, pandas_profile(frames))
    np.testing.assert_allclose(
        profile_of(frames, lambda _: charges).mean,
        pandas_values(frames, charges),
        rtol=1e-9,
        atol=1e-12,
    )
    package = interphase_boundaries(few, SIDES, n_phases=N_PHASES)
    reference = pandas_boundaries(few, package.tolerances)
    # the package cuts in steps of 0.05 Å
    np.testing.assert_allclose(package.thickness_angstrom, reference, atol=0.2)

    fluxes = crossings(frames, moving_planes(frames.n_frames))
    for counted, reference in zip((fluxes.by_atoms, fluxes.by_sweep), pandas_fluxes(frames), strict=True):
        np.testing.assert_allclose(counted, reference, atol=1e-9)

    rows = {
        "composition": (lambda: composition_profile(frames), lambda: pandas_profile(frames), frames, frames),
        "mean of a value": (
            lambda: profile_of(frames, lambda _: charges),
            lambda: pandas_values(frames, charges),
            frames,
            frames,
        ),
        "boundaries": (
            lambda: interphase_boundaries(frames, SIDES, n_phases=N_PHASES),
            lambda: pandas_boundaries(few, package.tolerances),
            frames,
            few,
        ),
        "fluxes": (
            lambda: crossings(frames, moving_planes(frames.n_frames)),
            lambda: pandas_fluxes(frames),
            frames,
            frames,
        ),
    }
    print(f"{frames.n_atoms} atoms; ms of CPU time per frame")
    print(f"{'':18}{'package':>12}{'pandas':>12}{'ratio':>10}")
    slow = []
    for name, (package_call, pandas_call, package_frames, pandas_frames) in rows.items():
        package_s = seconds(package_call, 10) / package_frames.n_frames
        pandas_s = seconds(pandas_call, 1 if name == "boundaries" else 3) / pandas_frames.n_frames
        print(f"{name:18}{1e3 * package_s:12.2f}{1e3 * pandas_s:12.2f}{pandas_s / package_s:10.1f}")
        if pandas_s / package_s < TARGETS.get(name, 0.0):
            slow.append(name)
    wanted = ", ".join(f"{name} {ratio:g}" for name, ratio in TARGETS.items())
    print(f"targets: {wanted}; " + (f"missed by {', '.join(slow)}" if slow else "met"))


if __name__ == "__main__":
    main()
