"""The job that measures transport in an amorphous cell at one temperature."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jobflow import Maker, job

from interphase_flows.analysis.plain import plain
from interphase_flows.analysis.transport.composition_grid.local_composition import CompositionLine
from interphase_flows.analysis.transport.onsager import onsager_matrix
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError, InputError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.segments import BROKEN
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.amorphous.mixtures import composition_on_line, reduced_formula
from interphase_flows.structures.crystals.library import composition_of_phase, load_crystal

KIND = "analyses"
CELL = "cell_transport"
MISSING = "a job of this run failed: see interphase query failures"


@dataclass
class CellTransportMaker(Maker):
    """Measure Onsager coefficients of a cell at one temperature, relative to the electrolyte's most frequent anion.

    In the barycentric frame the masses alone would make correlations, and no L_ii of a framework would have an
    activation energy of its own: it recoils from the mobile ions.

    Parameters
    ----------
    electrode, electrolyte
        Names of the phases at the ends of the line.
    structure_files
        Files of phases that the package does not have.
    """

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    structure_files: dict[str, str] = field(default_factory=dict)
    name: str = CELL

    @job(output_schema=AnalysisDoc)
    def make(
        self,
        run_id: str,
        x_electrode: float,
        n_atoms: int,
        temperature_K: float,
        before: Sequence[SegmentDoc | None],
        segments: Sequence[SegmentDoc | None],
        committee: CommitteeDoc | None,
    ) -> AnalysisDoc:
        """Return L_ij with its interval, or why there is none, and how far the committee was from its data.

        Parameters
        ----------
        run_id
            Name of the run.
        x_electrode, n_atoms
            The cell that was asked for.
        temperature_K
            Of the run.
        before
            Melt, quench, equilibration: their frames are not measured, but what broke there broke the run.
        segments
            Those that are measured, in order.
        committee
            That ran them.

        Raises
        ------
        InputError
            There is no committee, so nothing was run.
        """
        if committee is None:
            raise InputError(f"{run_id} was not run without a committee: the loop did not come to its end")
        line, at_rest = self._line()
        species = [symbol for symbol in line.elements if symbol != at_rest]
        done = [s for s in segments if s is not None]
        chain = [*(s for s in before if s is not None), *done]
        key = content_key(
            KIND,
            name=CELL,
            run_id=run_id,
            x_electrode=x_electrode,
            n_atoms=n_atoms,
            temperature_K=temperature_K,
            at_rest=at_rest,
            chain=[s.key for s in chain],
            measured=[s.key for s in done],
            is_whole=len(chain) == len(before) + len(segments),
        )

        def compute() -> AnalysisDoc:
            ends = [
                reduced_formula(load_crystal(n, self.structure_files))
                for n in (self.electrode, self.electrolyte)
            ]
            atoms = composition_on_line(x_electrode, n_atoms, *ends)
            amounts = np.array([float(atoms.get(symbol, 0)) for symbol in line.elements])
            x_reached, _, _ = line.nearest(amounts, np.zeros(len(amounts)))
            values: dict[str, Any] = {
                "run_id": run_id,
                "composition": atoms,
                "x_electrode": x_reached,
                "temperature_K": temperature_K,
                "species": species,
                "at_rest": at_rest,
                "onsager_per_eV_angstrom_ps": None,
                "refusal": _broken(chain) or ("" if len(chain) == len(before) + len(segments) else MISSING),
                **_trust(chain, committee),
            }
            if not values["refusal"]:
                values |= self._measured(done, species, at_rest, temperature_K)
            notes = [note for s in chain for note in s.notes]
            return AnalysisDoc(
                key=key, name=CELL, rests_on=[s.key for s in chain], values=plain(values), notes=notes
            )

        return cached(KIND, key, AnalysisDoc, compute)

    def _measured(
        self, segments: Sequence[SegmentDoc], species: Sequence[str], at_rest: str, temperature_K: float
    ) -> dict[str, Any]:
        artifacts = current_workspace().artifacts
        paths = [artifacts.get(s.trajectory) for s in segments if s.trajectory is not None]
        with RunFrames(paths) as frames:
            try:
                found = onsager_matrix(
                    frames,
                    temperature_K=temperature_K,
                    species=species,
                    frame="hittorf",
                    at_rest=[at_rest],
                )
            except AnalysisError as error:
                return {"refusal": str(error)}
        return {
            "onsager_per_eV_angstrom_ps": found.onsager,
            "refusal": "" if found.stationary else _not_stationary(found),
            "length_ps": found.end_ps - found.start_ps,
            "step_ps": found.step_ps,
            "n_independent": found.n_independent,
            "volume_angstrom3": found.volume_angstrom3,
        }

    def _line(self) -> tuple[CompositionLine, str]:
        return line_and_rest(self.electrode, self.electrolyte, self.structure_files)


def line_and_rest(
    electrode: str, electrolyte: str, structure_files: dict[str, str]
) -> tuple[CompositionLine, str]:
    """Return the line of compositions, and the species that coefficients are relative to.

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


def _broken(chain: Sequence[SegmentDoc]) -> str:
    """Return why a run broke, empty if it did not."""
    first = next((s for s in chain if s.stop_reason in BROKEN), None)
    if first is None:
        return ""
    return f"the run broke at {first.temperature_target_K:g} K ({first.stop_reason}): {first.explanation}".rstrip(
        ": "
    )


def _not_stationary(found: OnsagerResult) -> str:
    z = ", ".join(
        f"{symbol} {each:.1f}" for symbol, each in zip(found.species, found.half_window_z, strict=True)
    )
    return (
        f"the halves of the run differ (standard errors: {z}): the cell is still changing; equilibrate longer"
    )


def _trust(chain: Sequence[SegmentDoc], committee: CommitteeDoc) -> dict[str, int]:
    """Count the committee's looks, and those in which it disagreed."""
    seen = np.array([u for s in chain for u in s.uncertainty_eV_per_angstrom])
    return {
        "n_looks": len(seen),
        "n_above_select": int((seen > committee.select_force_std_eV_per_angstrom).sum()),
        "n_above_stop": int((seen > committee.stop_force_std_eV_per_angstrom).sum()),
    }
