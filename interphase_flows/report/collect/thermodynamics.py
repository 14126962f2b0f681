"""Predicted reactions beside the environments at the end of the production runs."""

from collections.abc import Sequence

from pymatgen.core import Composition

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.campaign.anion_chemistry import anion_chemistry
from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import AnalysisError, StructureError
from interphase_flows.report.inputs.interphase import SeriesBand, StructureView, Thermodynamics
from interphase_flows.schemas.thermodynamics import ThermodynamicsDoc
from interphase_flows.structures.crystals.library import load_crystal, load_phase, phase_names
from interphase_flows.thermodynamics.predicted_phases import (
    PhaseComparison,
    compare_phases,
    predicted_element_shares,
    predicted_environments,
)
from interphase_flows.thermodynamics.results import ThermodynamicsResult

UNAVAILABLE_PHASES = ("Li3P7", "LiP7", "P4S10", "Li7PS6", "Li5PS", "Li7PS2", "Li8P2S", "Li11P3S")
"""Published phases of Li-P-S whose structures are not in the package."""


def thermodynamics(
    document: ThermodynamicsDoc,
    spec: Campaign,
    before: StructureView | None,
    environments: SeriesBand | None,
) -> Thermodynamics:
    """Compare the prediction of a campaign with the end of its production runs."""
    x_electrode = None if before is None or before.from_electrode is None else float(before.from_electrode.mean())
    return Thermodynamics(
        document,
        missing_phases=_missing(spec),
        x_electrode=x_electrode,
        comparison=_comparison(document.prediction, spec, x_electrode, environments),
    )


def _missing(spec: Campaign) -> Sequence[str]:
    """Return known phases for which the campaign has no energy."""
    if {spec.electrode, spec.electrolyte} != {"Li", "Li7P3S11"}:
        return ()
    included = {*spec.phases, *spec.hull_phases}
    formulas = {_formula(name) for name in phase_names() if name in included}
    missing = [name for name in phase_names() if name not in included and _formula(name) not in formulas]
    return (*missing, *(name for name in UNAVAILABLE_PHASES if name not in included))


def _formula(name: str) -> str:
    return Composition(str(load_phase(name).symbols)).reduced_formula


def _comparison(
    result: ThermodynamicsResult, spec: Campaign, x_electrode: float | None, environments: SeriesBand | None
) -> Sequence[PhaseComparison]:
    """Compare the environments predicted for the entire cell with those of the last frames; empty if one is missing."""
    if x_electrode is None or environments is None:
        return ()
    try:
        crystals = {
            Composition(str(atoms.symbols)).reduced_formula: atoms
            for atoms in (load_crystal(name, spec.structure_files) for name in (*spec.hull_phases, *spec.phases))
        }
        crystals |= {
            atoms.get_chemical_symbols()[0]: atoms
            for atoms in crystals.values()
            if len(set(atoms.get_chemical_symbols())) == 1
        }
        chemistry = anion_chemistry(spec.analysis, load_crystal(spec.electrolyte, spec.structure_files))
        if len(chemistry.anion_centres) != 1:
            return ()
        (centre,) = chemistry.anion_centres
        predicted = predicted_environments(
            predicted_element_shares(result.mixing_line, x_electrode, centre), crystals, chemistry
        )
    except (AnalysisError, StructureError):
        return ()  # the report may be written on another machine, without the files of structures
    last = environments.curves[-1].clipped(0.0, 1.0)
    found: dict[str, Estimate] = {name: last[column] for column, name in enumerate(environments.names)}
    return [row for row in compare_phases(predicted, found) if row.agreement != "neither"]
