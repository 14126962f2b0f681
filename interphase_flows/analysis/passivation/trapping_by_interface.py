"""Kinetic trapping of network formers in each interphase of a trajectory.

The labels are those of atoms without ligands: bonded chains such as P_n in Li_xP, and isolated atoms. Lifetimes are
compared with the escape from a layer as thick as the interphase by L_PP alone. L_PP is measured along the normal for
the atoms of the interphase in the second half of the trajectory, without cross terms and with the momentum constraint
removed.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.geometry.drift import CommonDrift
from interphase_flows.analysis.geometry.frame_slice import FrameSlice
from interphase_flows.analysis.geometry.frames import chosen_frames, mask_of
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.geometry.parallel import by_frame
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.geometry.slices import heights
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.settings import InterfaceSettings
from interphase_flows.analysis.passivation.results import LabelSurvival, LabelTrapping, TrappingResult
from interphase_flows.analysis.passivation.trapping import ExpectedEscape, Trapping, kinetic_trapping
from interphase_flows.analysis.results import Unavailable, or_unavailable
from interphase_flows.analysis.speciation.anion_species import AnionChemistry, classify_environments
from interphase_flows.analysis.speciation.element_roles import measured_chemistry, roles_of
from interphase_flows.analysis.speciation.reaction_counter import ReactionCounter
from interphase_flows.analysis.speciation.reaction_graph import debounced
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.survival import lifetimes
from interphase_flows.analysis.transport.interface_slabs import common_frames, slabs_between
from interphase_flows.analysis.transport.onsager import OnsagerRequest
from interphase_flows.analysis.transport.regions import RegionTransport, onsager_regions
from interphase_flows.exceptions import AnalysisError

MOST_LABELLED_FRAMES = 400
MOST_BOND_FRAMES = 20
LEAST_SETTLED_FRAMES = 3
"""Consecutive frames that a label must hold, because bond lengths fluctuate around a cutoff."""
LEAST_ESCAPE = 10.0
"""Minimum ratio of the escape time to the minimum age of a label, because shorter lives are not observed."""
CURVE_POINTS = 60


def analyse_trapping(
    frames: ProgressFrames,
    settings: InterfaceSettings,
    interfaces: Sequence[Interface],
    anions: AnionChemistry | None = None,
) -> TrappingResult:
    """Compare the lifetimes of labels of every network former with diffusion, for each interface.

    Raises
    ------
    AnalysisError
        The two sides do not determine the network formers, or the trajectory has too few frames.
    """
    roles = roles_of(settings.electrode, settings.electrolyte)
    if not roles.network_formers:
        raise AnalysisError("the electrolyte has no network former, such as P, that could be trapped")
    chemistry = anions or measured_chemistry(frames, roles, every=max(1, frames.n_frames // MOST_BOND_FRAMES))
    centres = np.flatnonzero(mask_of(frames.numbers, roles.network_formers))
    time_ps, codes, together = _labelled(frames, chemistry, centres)
    settled = debounced(codes, LEAST_SETTLED_FRAMES)
    layers = _interphases(frames, settings, interfaces)
    sides: dict[str, dict[str, LabelTrapping | Unavailable]] = {}
    for each in interfaces:
        found: dict[str, LabelTrapping | Unavailable]
        found = sides[each.name] = {}
        here = _side_of(frames, interfaces, each.name)
        for former in sorted(roles.network_formers):
            atoms = (here & mask_of(frames.numbers, {former}))[centres]
            for label in chemistry.labels_without_ligands:
                name = label if len(roles.network_formers) == 1 else f"{former} in {label}"
                labelled = settled[:, atoms] == chemistry.labels.index(label)
                judged = partial(_judged, time_ps, labelled, together.atoms_together(label), former, layers[each.name])
                found[name] = or_unavailable(frames, judged)
    return TrappingResult(
        bonds_angstrom={
            "centre-ligand": chemistry.centre_ligand_angstrom,
            "centre-centre": chemistry.centre_centre_angstrom,
        },
        frames_labelled=len(time_ps),
        sides=sides,
    )


def _labelled(
    frames: ProgressFrames, chemistry: AnionChemistry, centres: IntArray
) -> tuple[FloatArray, NDArray[np.int8], ReactionCounter]:
    """Label the network formers; return times in ps (n,), codes (n, n_centres), and the counter of their reactions."""
    chosen = chosen_frames(frames, -(-frames.n_frames // MOST_LABELLED_FRAMES))
    time_ps = np.asarray(frames.time_fs, dtype=float)[chosen] / 1000.0
    codes = np.empty((len(chosen), len(centres)), dtype=np.int8)
    counter = ReactionCounter(chemistry.labels, len(centres), LEAST_SETTLED_FRAMES)
    found = by_frame(
        frames,
        chosen,
        lambda positions, cell: classify_environments(positions, cell, frames.numbers, chemistry),
    )
    for row, each in enumerate(found):
        codes[row] = each.atom_codes[centres]
        counter.add(float(time_ps[row]), codes[row], each.atom_units[centres])
    return time_ps, codes, counter


def _interphases(
    frames: ProgressFrames, settings: InterfaceSettings, interfaces: Sequence[Interface]
) -> dict[str, RegionTransport]:
    """Measure each interphase as one layer in the second half of the frames."""
    first, end = common_frames(interfaces)
    middle = (first + end) // 2
    half = FrameSlice(frames, middle, end - middle)
    cut = slabs_between(frames, interfaces, [1] * len(interfaces))
    begin_ps, end_ps = (float(half.time_fs[i]) / 1000.0 for i in (0, -1))
    window = (0, half.n_frames, begin_ps, end_ps)
    request = OnsagerRequest(settings.temperature_K)
    found = onsager_regions(half, lambda index: cut(middle + index), [window], request)
    by_name = {each.name: each for each in found}
    return {each.name: by_name[f"interphase {each.name}"] for each in interfaces}


def _side_of(frames: ProgressFrames, interfaces: Sequence[Interface], name: str) -> BoolArray:
    """Return which atoms are initially nearer to this interface than to the other one, (n_atoms,)."""
    if len(interfaces) == 1:
        return np.ones(frames.n_atoms, dtype=bool)
    first, _ = common_frames(interfaces)
    cell = frames.cell(first)
    period = float(face_distances(cell)[2])
    drift = CommonDrift(frames.numbers, frames.positions(0), frames.cell(0))
    along = heights(frames.positions(first), cell)
    height = (along - drift.of(along)) * period
    begins = {each.name: float(each.electrode_side_angstrom[first - each.first_frame]) for each in interfaces}
    middle = begins["below"] + 0.5 * ((begins["above"] - begins["below"]) % period)
    above = np.asarray((height - middle) % period < 0.5 * period)
    return above if name == "above" else ~above


def _judged(
    time_ps: FloatArray, labelled: BoolArray, atoms_together: float, former: str, layer: RegionTransport
) -> LabelTrapping:
    lives = lifetimes(time_ps, labelled)
    result = layer.normal
    if isinstance(result, Unavailable) or former not in result.species:
        why = str(result) if isinstance(result, Unavailable) else f"no {former} was in the interphase"
        raise AnalysisError(
            f"L of {former} in the interphase along the normal, {layer.start_ps:g} to {layer.end_ps:g} ps: {why}"
        )
    row = result.species.index(former)
    free = result.constraint_free[row]
    value, lower, upper, error = (float(x) for x in (free.value, free.lower, free.upper, free.standard_error))
    onsager = Estimate(value, lower, upper, standard_error=error)
    if not onsager.value > 0 or not onsager.is_known:
        raise AnalysisError(
            f"L of {former} in the interphase along the normal is {onsager} 1/(eV Å ps) with the momentum constraint "
            "removed; a positive value with an interval is needed. Hint: run longer"
        )
    width = layer.upper_angstrom - layer.lower_angstrom
    density = float(result.n_atoms[row]) / result.volume_angstrom3
    expected = ExpectedEscape(onsager, density, width, result.temperature_K)
    settled_ps = LEAST_SETTLED_FRAMES * float(np.median(np.diff(time_ps)))
    leaves_ps = float(expected.restricted_mean_ps(np.inf, np.array([expected.diffusion_angstrom2_per_ps.value]))[0])
    if leaves_ps < LEAST_ESCAPE * settled_ps:
        raise AnalysisError(
            f"{former} is expected to leave by diffusion in {leaves_ps:.3g} ps, and a label must hold for "
            f"{settled_ps:.3g} ps (three of {len(time_ps)} labelled frames), so shorter lives are not observed. "
            "Hint: analyse a shorter part of the run with the same frame interval"
        )
    expected = replace(expected, least_age_ps=settled_ps)
    found = kinetic_trapping(lives, expected, atoms_together=atoms_together)
    return LabelTrapping(
        state=found.state,
        reason=found.reason,
        observed_ps=found.observed_ps,
        expected_ps=found.expected_ps,
        ratio=found.ratio,
        horizon_ps=found.horizon_ps,
        median_ps=found.curve.median_ps,
        n_stretches=found.curve.n_stretches,
        n_ended=found.curve.n_ended,
        onsager_per_eV_angstrom_ps=onsager,
        width_angstrom=width,
        survival=_survival(found, expected),
    )


def _survival(found: Trapping, expected: ExpectedEscape) -> LabelSurvival:
    """Return the surviving and the expected share at `CURVE_POINTS` ages up to the horizon."""
    age = np.linspace(0.0, found.horizon_ps, CURVE_POINTS)
    at = np.searchsorted(found.curve.age_ps, age, side="right") - 1
    survival = found.curve.surviving_fraction
    return LabelSurvival(
        age_ps=age,
        surviving_fraction=Estimate(survival.value[at], survival.lower[at], survival.upper[at], survival.confidence),
        expected_fraction=expected.surviving_fraction(age),
    )
