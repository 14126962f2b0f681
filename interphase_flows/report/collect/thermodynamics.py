"""What the report says of thermodynamics, from the campaign's documents; documents from before say less."""

from collections.abc import Sequence

import numpy as np
from pymatgen.core import Composition
from scipy.stats import t as students_t

from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.campaign.anion_chemistry import anion_chemistry
from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import AnalysisError, StructureError
from interphase_flows.report.collect.thermodynamics_inputs import ReactionKink, Thermodynamics, Window
from interphase_flows.report.inputs import SeriesBand, StructureView
from interphase_flows.schemas.thermodynamics import ThermodynamicsDoc
from interphase_flows.structures.crystals.library import load_crystal, load_phase, phase_names
from interphase_flows.thermodynamics.predicted_anions import predicted_environments
from interphase_flows.thermodynamics.predicted_phases import (
    PhaseComparison,
    compare_phases,
    predicted_element_shares,
)
from interphase_flows.thermodynamics.results import (
    ElectrochemicalWindow,
    Kink,
    KinkUncertainty,
    PredictionUncertainty,
    ThermodynamicsResult,
)

ALKALI_PHASES_MISSING = ("Li3P7", "LiP7", "P4S10", "Li7PS6", "Li5PS", "Li7PS2", "Li8P2S", "Li11P3S")
"""Phases of Li-P-S that are reported and not in the package: the hull cannot know them."""
CELLS = {"fixed": "published cells", "relaxed": "relaxed cells"}


def thermodynamics(
    analysis: ThermodynamicsDoc, spec: Campaign, before: StructureView | None, environments: SeriesBand | None
) -> Thermodynamics:
    """Return the section of a campaign's prediction, beside what was found at the end of its production runs."""
    result = analysis.prediction
    geometries, energies = analysis.geometry_methods, analysis.energy_methods
    cells = [CELLS[cell] for cell in analysis.cells]
    errors = result.errors
    by_reaction = {kink.reaction: kink for kink in errors.kinks} if errors else {}
    x_electrode = (
        None if before is None or before.from_electrode is None else float(before.from_electrode.mean())
    )
    return Thermodynamics(
        kinks=[_kink(kink, by_reaction.get(kink.reaction)) for kink in result.kinks],
        electrolyte_above_hull_eV_per_atom=result.electrolyte_above_hull_eV_per_atom,
        missing_phases=_missing(spec),
        geometries="" if geometries == energies else ", ".join([*geometries, *cells]),
        window=_window(result.window, errors) if result.window else None,
        n_error_samples=errors.n_samples if errors else 0,
        above_hull_interval_eV_per_atom=errors.above_hull_eV_per_atom if errors else None,
        share_on_hull=errors.share_on_hull if errors else None,
        other_reactions=errors.other_reactions if errors else {},
        x_electrode=x_electrode,
        comparison=_comparison(result, spec, x_electrode, environments),
    )


def _missing(spec: Campaign) -> Sequence[str]:
    """Return the phases that are known and that the campaign has no energy of."""
    if {spec.electrode, spec.electrolyte} != {"Li", "Li7P3S11"}:
        return ()
    asked = {*spec.phases, *spec.hull_phases}
    formulas = {_formula(name) for name in phase_names() if name in asked}
    left_out = [name for name in phase_names() if name not in asked and _formula(name) not in formulas]
    return (*left_out, *(name for name in ALKALI_PHASES_MISSING if name not in asked))


def _formula(name: str) -> str:
    return Composition(str(load_phase(name).symbols)).reduced_formula


def _kink(kink: Kink, error: KinkUncertainty | None) -> ReactionKink:
    return ReactionKink(
        x_electrode=float(kink.x_electrode),
        x_electrode_exact=kink.x_electrode_exact,
        reaction=kink.reaction,
        energy_eV_per_atom=kink.energy_eV_per_atom,
        energy_eV_per_formula_unit=kink.energy_eV_per_formula_unit,
        volume_change=kink.volume_change,
        interval_eV_per_atom=error.energy_eV_per_atom if error else None,
        share_of_samples=error.share_of_samples if error else None,
    )


def _window(window: ElectrochemicalWindow, errors: PredictionUncertainty | None) -> Window:
    return Window(
        element=window.element,
        ion_charge=window.ion_charge,
        is_on_hull=window.is_on_hull,
        reduction_V=window.reduction_V,
        oxidation_V=window.oxidation_V,
        stages=[(s.lower_V, s.upper_V, float(s.taken_up), s.reaction) for s in window.stages],
        reduction_interval_V=errors.reduction_V if errors else None,
        oxidation_interval_V=errors.oxidation_V if errors else None,
    )


def _comparison(
    result: ThermodynamicsResult, spec: Campaign, x_electrode: float | None, environments: SeriesBand | None
) -> Sequence[PhaseComparison]:
    """Set environments predicted for the whole cell beside those of the last frames; empty if one of them is missing."""
    if x_electrode is None or environments is None:
        return ()
    try:
        crystals = {
            Composition(str(atoms.symbols)).reduced_formula: atoms
            for atoms in (
                load_crystal(name, spec.structure_files) for name in (*spec.hull_phases, *spec.phases)
            )
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
        return ()  # a report is written elsewhere, too, where files of structures are not at hand
    found = {name: _found(environments, column) for column, name in enumerate(environments.names)}
    return [row for row in compare_phases(predicted, found) if row.agreement != "neither"]


def _found(band: SeriesBand, column: int) -> Estimate:
    """Return the last value with its interval over replicas, by Student's t."""
    value, error = float(band.mean[-1, column]), band.error_of(-1, column)
    if error is None or band.n_replicas < 2:
        return Estimate(value, np.nan, np.nan)
    half = float(students_t.ppf(0.5 + CONFIDENCE / 2, band.n_replicas - 1)) * error
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))
