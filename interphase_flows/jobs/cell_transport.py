"""Job that measures transport in an amorphous cell at one temperature."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jobflow import job

from interphase_flows.analysis.transport.composition_grid.local_composition import CompositionLine
from interphase_flows.analysis.transport.composition_grid.results import (
    CellCoefficients,
    CellTransportResult,
    CommitteeTrust,
)
from interphase_flows.analysis.transport.onsager import onsager_matrix
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError, InputError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import BROKEN, SegmentDoc
from interphase_flows.schemas.transport import CellTransportDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.amorphous.mixtures import composition_on_line, reduced_formula
from interphase_flows.structures.crystals.library import composition_of_phase, load_crystal

KIND = "cell_transport"
METHOD_VERSION = 3
"""Version of the method in the content key: a larger number recomputes results of older versions."""
MISSING = "a job of this run failed: see interphase query failures"


@dataclass
class CellTransportMaker(JobMaker):
    """Measure Onsager coefficients of a cell at one temperature, relative to the electrolyte's most frequent anion.

    In the barycentric frame, masses alone cause correlations, and L_ii of a framework has no activation energy of its
    own, because it recoils from the mobile ions.
    """

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    structure_files: dict[str, str] = field(default_factory=dict)
    name: str = KIND

    @job(output_schema=CellTransportDoc)
    def make(
        self,
        run_id: str,
        cell: str,
        x_electrode: float,
        n_atoms: int,
        temperature_K: float,
        before: Sequence[SegmentDoc | None],
        segments: Sequence[SegmentDoc | None],
        committee: CommitteeDoc | None,
    ) -> CellTransportDoc:
        """Return L_ij with intervals, or why it is rejected, and how often the committee disagreed.

        Parameters
        ----------
        cell
            Name of the cell, which its runs at all temperatures share.
        x_electrode, n_atoms
            Requested composition and size of the cell.
        before, segments
            Melt, quench and equilibration, which are not measured but reject the run if one of them broke, and the
            measured segments, in order.

        Raises
        ------
        InputError
            There is no committee, so nothing was run.
        """
        if committee is None:
            raise InputError(f"{run_id}: the cell was not run, because active learning released no committee")
        measured = [s for s in segments if s is not None]
        chain = [*(s for s in before if s is not None), *measured]
        is_complete = len(chain) == len(before) + len(segments)
        line, at_rest = line_and_rest(self.electrode, self.electrolyte, self.structure_files)
        key = content_key(
            KIND,
            version=METHOD_VERSION,
            run_id=run_id,
            cell=cell,
            x_electrode=x_electrode,
            n_atoms=n_atoms,
            temperature_K=temperature_K,
            at_rest=at_rest,
            chain=[s.key for s in chain],
            measured=[s.key for s in measured],
            is_complete=is_complete,
        )

        def compute() -> CellTransportDoc:
            ends = [reduced_formula(load_crystal(n, self.structure_files)) for n in (self.electrode, self.electrolyte)]
            atoms = composition_on_line(x_electrode, n_atoms, *ends)
            amounts = np.array([float(atoms.get(symbol, 0)) for symbol in line.elements])
            x_actual, _, _ = line.nearest(amounts, np.zeros(len(amounts)))
            species = tuple(symbol for symbol in line.elements if symbol != at_rest)
            coefficients, rejection = None, _broken(chain) or ("" if is_complete else MISSING)
            if not rejection:
                coefficients, rejection = _measure(measured, species, at_rest, temperature_K)
            return CellTransportDoc(
                key=key,
                input_keys=[s.key for s in chain],
                result=CellTransportResult(
                    run_id=run_id,
                    cell=cell,
                    composition=atoms,
                    x_electrode=x_actual,
                    temperature_K=temperature_K,
                    species=species,
                    at_rest=at_rest,
                    coefficients=coefficients,
                    rejection=rejection,
                    trust=_trust(chain, committee),
                ),
                notes=[note for s in chain for note in s.notes],
            )

        return cached(KIND, key, CellTransportDoc, compute)


def line_and_rest(electrode: str, electrolyte: str, structure_files: dict[str, str]) -> tuple[CompositionLine, str]:
    """Return the composition line, and the species that coefficients are relative to.

    Raises
    ------
    AnalysisError
        The electrolyte has no element that the electrode lacks.
    """
    ends = [composition_of_phase(name, structure_files) for name in (electrode, electrolyte)]
    own = {symbol: count for symbol, count in ends[1].items() if symbol not in ends[0]}
    if not own:
        raise AnalysisError(f"{electrolyte} has no element that {electrode} lacks: no species can be at rest")
    return CompositionLine(*ends), max(sorted(own), key=lambda symbol: own[symbol])


def _measure(
    segments: Sequence[SegmentDoc], species: Sequence[str], at_rest: str, temperature_K: float
) -> tuple[CellCoefficients | None, str]:
    """Return the coefficients of a run, and why they are missing or rejected."""
    artifacts = current_workspace().artifacts
    paths = [artifacts.get(s.trajectory) for s in segments if s.trajectory is not None]
    with RunFrames(paths) as frames:
        try:
            onsager = onsager_matrix(
                frames, temperature_K=temperature_K, species=species, frame="hittorf", at_rest=[at_rest]
            )
        except AnalysisError as error:
            return None, str(error)
    coefficients = CellCoefficients(
        onsager_per_eV_angstrom_ps=onsager.onsager,
        length_ps=onsager.end_ps - onsager.start_ps,
        step_ps=onsager.step_ps,
        n_independent=onsager.n_independent,
        volume_angstrom3=onsager.volume_angstrom3,
    )
    return coefficients, "" if onsager.stationary else _not_stationary(onsager)


def _broken(chain: Sequence[SegmentDoc]) -> str:
    """Return why a run broke, empty if it did not."""
    first = next((s for s in chain if s.stop_reason in BROKEN), None)
    if first is None:
        return ""
    return f"the run broke at {first.temperature_target_K:g} K ({first.stop_reason}): {first.explanation}".rstrip(": ")


def _not_stationary(onsager: OnsagerResult) -> str:
    z = ", ".join(f"{symbol} {each:.1f}" for symbol, each in zip(onsager.species, onsager.half_window_z, strict=True))
    return f"the halves of the run differ (standard errors: {z}): the cell is still changing; equilibrate longer"


def _trust(chain: Sequence[SegmentDoc], committee: CommitteeDoc) -> CommitteeTrust:
    """Count the committee's evaluations, and those in which its members disagreed."""
    uncertainty = np.array([u for s in chain for u in s.uncertainty_eV_per_angstrom])
    return CommitteeTrust(
        n_evaluations=len(uncertainty),
        n_above_select=int((uncertainty > committee.select_force_std_eV_per_angstrom).sum()),
        n_above_stop=int((uncertainty > committee.stop_force_std_eV_per_angstrom).sum()),
    )
