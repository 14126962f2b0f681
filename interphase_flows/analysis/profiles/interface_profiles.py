"""Profiles of composition, density and coordination along the interface normal, averaged over time blocks.

Heights are those of the phase map: they move with the anions, whose centre stays in the centre of the profile. Every
frame is counted; neighbours are counted in an evenly spaced subset. Boundaries are optional; where they are known, the
position of each interphase on the height axis is returned as well. In a changing cell a slice is a fixed fraction of the
cell, and the mean height of the cell is returned for each block.
"""

from collections.abc import Sequence

import numpy as np
from ase.data import atomic_masses

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.drift import CommonDrift
from interphase_flows.analysis.geometry.frames import elements_of, mask_of, numbers_of
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.geometry.rdf_cutoffs import PairCutoffs
from interphase_flows.analysis.geometry.slices import heights, wrapped_index
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.layers import Heights, layer_of
from interphase_flows.analysis.interfaces.settings import InterfaceSettings
from interphase_flows.analysis.profiles.composition import G_PER_CM3_PER_U_PER_ANGSTROM3
from interphase_flows.analysis.profiles.coordination import Shell, count_shells, measured_shells
from interphase_flows.analysis.profiles.results import (
    CoordinationSummary,
    ProfileBlock,
    ProfilesResult,
    ShellCoordination,
)
from interphase_flows.analysis.results import Unavailable, or_unavailable
from interphase_flows.analysis.speciation.element_roles import roles_of
from interphase_flows.analysis.statistics.block_means import TimeBlocks, block_means
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError

SLICE_ANGSTROM = 1.5
MOST_SLICES = 100
MOST_COORDINATED, FEWEST_COORDINATED, COORDINATED_ATOMS = 100, 30, 1_000_000
"""Frames in which neighbours are counted: maximum, minimum, and how many atoms all of them may have in between."""
NM3_PER_ANGSTROM3 = 1e-3


def analyse_profiles(
    frames: ProgressFrames,
    settings: InterfaceSettings,
    interfaces: Sequence[Interface],
    cutoffs: PairCutoffs,
) -> tuple[ProfilesResult, dict[str, FloatArray]]:
    """Average composition, density and coordination in slices along the interface normal.

    There may be no interfaces whose boundaries can be followed; `cutoffs` are the radii of first shells. Returns cell
    averages with the definition of slices and blocks, and the profiles by name, (n_blocks, ..., n_slices). Raises
    AnalysisError if the trajectory has one frame.
    """
    if frames.n_frames < 2:
        raise AnalysisError(
            "one frame: profiles against time need two frames, and intervals four. Hint: write frames more often, or use "
            "analysis.profiles.composition.composition_profile for a single frame"
        )
    shells = or_unavailable(
        frames, lambda: measured_shells(frames, roles_of(settings.electrode, settings.electrolyte), cutoffs)
    )
    numbers = np.asarray(frames.numbers)
    elements = elements_of(frames)
    first, cell = np.asarray(frames.positions(0)), np.asarray(frames.cell(0))
    anions = [symbol for symbol in settings.sides.anions if symbol in elements]
    place = Heights(mask_of(numbers, anions), first, cell)
    common = CommonDrift(numbers, first, cell)
    period = place.period_angstrom
    n_slices = int(np.clip(round(period / SLICE_ANGSTROM), 4, MOST_SLICES))
    edges = np.linspace(0.0, period, n_slices + 1)
    blocks = TimeBlocks(frames.n_frames)
    n_chosen = min(
        frames.n_frames,
        int(np.clip(COORDINATED_ATOMS // frames.n_atoms, FEWEST_COORDINATED, MOST_COORDINATED)),
    )
    chosen = np.linspace(0, frames.n_frames - 1, n_chosen).round().astype(int)
    row_of = {int(frame): row for row, frame in enumerate(chosen)}

    sample_of = blocks.sample_of(np.arange(frames.n_frames))
    first_slice = n_slices * np.searchsorted(numbers_of(elements), numbers)
    density = np.zeros((blocks.n_samples, len(elements), n_slices))  # per Å³, summed over the sample's frames
    volumes = np.zeros(blocks.n_samples)
    periods = np.empty(frames.n_frames)
    n_shells = 0 if isinstance(shells, Unavailable) else len(shells)
    neighbours = np.zeros((2, len(chosen), n_shells, n_slices))
    ends = {each.name: np.full((frames.n_frames, 2), np.nan) for each in interfaces}
    for frame in range(frames.n_frames):
        positions, cell = np.asarray(frames.positions(frame)), np.asarray(frames.cell(frame))
        zero = place.zero(positions, cell)
        along = heights(positions, cell)
        slice_of = wrapped_index(along - zero, n_slices)
        volume = abs(float(np.linalg.det(cell)))
        sample = sample_of[frame]
        counts = np.bincount(first_slice + slice_of, minlength=len(elements) * n_slices)
        density[sample] += counts.reshape(len(elements), n_slices) * (n_slices / volume)
        volumes[sample] += volume
        periods[frame] = face_distances(cell)[2]
        if not isinstance(shells, Unavailable) and frame in row_of:
            neighbours[:, row_of[frame]] = count_shells(shells, numbers, positions, cell, slice_of, n_slices)
        for each in interfaces:
            layer = layer_of(each, frame, float(periods[frame]), common.of(along))
            if layer is not None:
                begin = (layer[0] - zero) % 1.0
                ends[each.name][frame] = begin, begin + layer[1] - layer[0]

    n_frames = np.bincount(sample_of).astype(float)
    masses = atomic_masses[numbers_of(elements)] * G_PER_CM3_PER_U_PER_ANGSTROM3
    means = {
        "atoms_per_nm3": block_means(density / NM3_PER_ANGSTROM3, n_frames[:, None, None], blocks.sample_edges).clipped(
            0.0, np.inf
        ),
        "g_per_cm3": block_means(
            np.einsum("e,fes->fs", masses, density), n_frames[:, None], blocks.sample_edges
        ).clipped(0.0, np.inf),
        "mole_fraction": block_means(density, density.sum(axis=1, keepdims=True), blocks.sample_edges).clipped(
            0.0, 1.0
        ),
    }
    time_ps = (np.asarray(frames.time_fs, dtype=float) - float(frames.time_fs[0])) / 1000.0
    block_ps = np.stack([time_ps[blocks.frame_edges[:-1]], time_ps[blocks.frame_edges[1:] - 1]], axis=1)
    counted = np.diff(blocks.frame_edges)
    stretch = np.add.reduceat(periods / period, blocks.frame_edges[:-1]) / counted
    arrays: dict[str, FloatArray] = {
        "profiles.edges_angstrom": edges,
        "profiles.block_ps": block_ps,
        "profiles.block_period_angstrom": period * stretch,
    }
    coordination: CoordinationSummary | Unavailable
    if isinstance(shells, Unavailable):
        coordination = shells
    else:
        rows = np.searchsorted(chosen, blocks.frame_edges)
        means["coordination"] = block_means(neighbours[0], neighbours[1], rows).clipped(0.0, np.inf)
        cell_sums = neighbours.sum(axis=3)
        cell_means = block_means(cell_sums[0], cell_sums[1], rows).clipped(0.0, np.inf)
        coordination = _coordination(len(chosen), shells, cell_means)
        centres = np.add.reduceat(neighbours[1], rows[:-1], axis=0) / np.diff(rows)[:, None, None]
        arrays["profiles.coordination_atoms"] = centres
    for name, found in means.items():
        arrays |= {
            f"profiles.{name}": found.value,
            f"profiles.{name}_lower": found.lower,
            f"profiles.{name}_upper": found.upper,
        }
    for name, series in ends.items():
        arrays[f"profiles.interphase_{name}_angstrom"] = period * stretch[:, None] * _mean_ends(series, blocks)
    atom_masses = masses * np.bincount(first_slice // n_slices)
    result = ProfilesResult(
        elements=elements,
        n_frames=frames.n_frames,
        slice_angstrom=float(edges[1]),
        n_slices=n_slices,
        blocks=tuple(
            ProfileBlock(from_ps=float(begin), to_ps=float(end), n_frames=int(n))
            for (begin, end), n in zip(block_ps, counted, strict=True)
        ),
        reference=(
            f"the centre of {', '.join(anions)} stays in the centre; a slice is a fixed fraction of the cell, and its "
            "width in Å is that in the first frame"
        ),
        mass_density_g_per_cm3=float(atom_masses.sum() * n_frames.sum()) / float(volumes.sum()),
        coordination=coordination,
    )
    return result, arrays


def _coordination(n_frames: int, shells: Sequence[Shell], means: Estimate) -> CoordinationSummary:
    return CoordinationSummary(
        n_frames=n_frames,
        shells=tuple(
            ShellCoordination(
                name=each.name,
                centre=each.centre,
                cutoffs_angstrom=dict(each.cutoffs_angstrom),
                start=means[0, row],
                end=means[-1, row],
            )
            for row, each in enumerate(shells)
        ),
    )


def _mean_ends(ends: FloatArray, blocks: TimeBlocks) -> FloatArray:
    """Return where an interphase lies in each block as fractions, (n_blocks, 2); NaN where it is not followed."""
    found = np.full((len(blocks), 2), np.nan)
    for row, (begin, end) in enumerate(zip(blocks.frame_edges[:-1], blocks.frame_edges[1:], strict=True)):
        known = ends[begin:end]
        known = known[np.isfinite(known).all(axis=1)]
        if len(known):
            # a boundary at the border of the cell may appear at either end of it
            turns = np.round(known[:, 0] - known[0, 0])
            found[row] = (known - turns[:, None]).mean(axis=0)
    return found
