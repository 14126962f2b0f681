"""Traces and bonds from the frames of production runs, and the cells that they started from."""

from collections.abc import Sequence

import numpy as np
from ase.data import atomic_numbers

from interphase_flows.analysis.geometry.neighbours import pairs_within
from interphase_flows.analysis.phases.results import PhasesResult
from interphase_flows.analysis.statistics.replicas import mean_over_replicas
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.report.collect.campaign_documents import CampaignDocuments
from interphase_flows.report.inputs.interphase import InterfaceResults, ProductionRun
from interphase_flows.report.inputs.trajectories import BuiltCell, LigandCounts, RunTraces, TrajectoryInputs

MOST_FRAMES = 10
"""Frames of each tenth of a run in which ligands are counted."""


def trajectory_inputs(
    documents: CampaignDocuments, production: list[ProductionRun], analyses: InterfaceResults | None
) -> TrajectoryInputs:
    """Return traces of all runs, and the ligands of centres with the bond lengths of the analysis."""
    phases = {}
    if analyses is not None:
        found_phases = {run: analyses.runs[run].get("phases") for run in analyses.averaged_runs}
        phases = {run: each for run, each in found_phases.items() if isinstance(each, PhasesResult)}
    traces: list[RunTraces] = []
    counts: dict[tuple[str, str], list[tuple[float, np.ndarray]]] = {}
    for run in production:
        paths = [documents.workspace.artifacts.get(s.trajectory) for s in run.segments if s.trajectory is not None]
        if not paths:
            continue
        with RunFrames(paths) as frames:
            traces.append(_traces(run, frames))
            if (found := phases.get(run.name)) is not None:
                ligands, cutoff = found.roles.anion_formers, float(found.bonds_angstrom.former_ligand)
                fractions = ligand_fractions(frames, found.roles.network_formers, ligands, cutoff)
                for centre, of_centre in fractions.items():
                    counts.setdefault((centre, "/".join(ligands)), []).append((cutoff, of_centre))
    return TrajectoryInputs(traces, [_over_replicas(*each) for each in counts.items()])


def built_cells(documents: CampaignDocuments) -> list[BuiltCell]:
    """Return the cells of production, none before the campaign has a result."""
    starts = documents.starts
    if starts is None:
        return []
    return [
        BuiltCell(str(each.origin), each.formula, each.n_atoms, starts.details.get(each.origin, {}))
        for each in starts.entries
    ]


def _traces(run: ProductionRun, frames: RunFrames) -> RunTraces:
    measured = [s for s in run.segments if s.normal_stress_mean_GPa is not None]
    to_ps = 1e-3 * run.segments[0].timestep_fs
    return RunTraces(
        run=run.name,
        time_ps=frames.time_fs / 1000.0,
        temperature_K=frames.temperature_K,
        potential_energy_eV_per_atom=frames.potential_energy_eV / frames.n_atoms,
        temperature_target_K=run.segments[-1].temperature_target_K,
        segment_ps=np.array([[s.first_step * to_ps, s.last_step * to_ps] for s in measured]).reshape(-1, 2),
        normal_stress_GPa=np.array([s.normal_stress_mean_GPa for s in measured], dtype=float),
        normal_stress_standard_error_GPa=np.array(
            [s.normal_stress_standard_error_GPa for s in measured],
            dtype=float,  # None becomes NaN
        ),
        pressure_target_GPa=run.pressure_target_GPa,
    )


def ligand_fractions(
    frames: RunFrames, centres: Sequence[str], ligands: Sequence[str], longest_bond_angstrom: float
) -> dict[str, np.ndarray]:
    """Return the fractions of each centre by number of ligands, in the first and in the last tenth of the frames.

    Parameters
    ----------
    frames
        Of one run; at most `MOST_FRAMES` of each tenth are read.
    centres, ligands
        Elements.
    longest_bond_angstrom
        Ligands within this distance are bonded.

    Returns
    -------
    fractions
        (2, n_counts) by centre; without the centres that do not occur.
    """
    is_ligand = np.isin(frames.numbers, [atomic_numbers[symbol] for symbol in ligands])
    tenth = max(1, frames.n_frames // 10)
    n_read = min(MOST_FRAMES, tenth)
    tenths = [np.linspace(first, first + tenth - 1, n_read, dtype=int) for first in (0, frames.n_frames - tenth)]
    fractions = {}
    for centre in centres if is_ligand.any() else ():
        is_centre = frames.numbers == atomic_numbers[centre]
        if not is_centre.any():
            continue
        numbers = [
            np.concatenate([_counts(frames, each, is_centre, is_ligand, longest_bond_angstrom) for each in part])
            for part in tenths
        ]
        n_counts = 1 + max(int(each.max()) for each in numbers)
        fractions[centre] = np.stack([np.bincount(each, minlength=n_counts) / len(each) for each in numbers])
    return fractions


def _counts(
    frames: RunFrames, frame: int, is_centre: np.ndarray, is_ligand: np.ndarray, cutoff_angstrom: float
) -> np.ndarray:
    """Return the number of ligands of each centre, (n_centres,)."""
    members = np.flatnonzero(is_centre | is_ligand)
    pairs = pairs_within(frames.positions(frame)[members], frames.cell(frame), cutoff_angstrom)
    bonded = is_centre[members][pairs.first] & is_ligand[members][pairs.second]
    return np.bincount(pairs.first[bonded], minlength=len(members))[is_centre[members]]


def _over_replicas(pair: tuple[str, str], found: list[tuple[float, np.ndarray]]) -> LigandCounts:
    n_counts = max(fractions.shape[1] for _, fractions in found)
    return LigandCounts(
        centre=pair[0],
        ligand=pair[1],
        longest_bond_angstrom=float(np.mean([cutoff for cutoff, _ in found])),
        fractions=mean_over_replicas([np.pad(x, ((0, 0), (0, n_counts - x.shape[1]))) for _, x in found]),
        n_replicas=len(found),
    )
