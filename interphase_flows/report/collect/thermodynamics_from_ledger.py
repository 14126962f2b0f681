"""What the report says of thermodynamics, from the campaign's documents; documents from before say less."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymatgen.core import Composition
from scipy.stats import t as students_t

from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.campaign.anion_chemistry import anion_chemistry
from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import AnalysisError, StructureError
from interphase_flows.report.collect.inputs import SeriesBand, StructureView
from interphase_flows.report.collect.thermodynamics_inputs import ReactionKink, Thermodynamics, Window
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.structures.crystals.library import load_crystal, load_phase, phase_names
from interphase_flows.thermodynamics.predicted_anions import predicted_environments
from interphase_flows.thermodynamics.predicted_phases import (
    MixingLine,
    PhaseComparison,
    compare_phases,
    predicted_element_shares,
)

ALKALI_PHASES_MISSING = ("Li3P7", "LiP7", "P4S10", "Li7PS6", "Li5PS", "Li7PS2", "Li8P2S", "Li11P3S")
"""Phases of Li-P-S that are reported and not in the package: the hull cannot know them."""
CELLS = {"fixed": "published cells", "relaxed": "relaxed cells"}


def thermodynamics(
    analysis: AnalysisDoc, spec: Campaign, before: StructureView | None, environments: SeriesBand | None
) -> Thermodynamics:
    """Return the section of a campaign's prediction, beside what was found at the end of its production runs."""
    values: Mapping[str, Any] = analysis.values
    geometries, energies = values.get("geometry_method", ()), values.get("energy_method", ())
    told = [CELLS[cell] for cell in values.get("cell", ())]
    errors = values.get("errors")
    by_reaction = {kink["reaction"]: kink for kink in errors["kinks"]} if errors else {}
    x_electrode = (
        None if before is None or before.from_electrode is None else float(before.from_electrode.mean())
    )
    return Thermodynamics(
        kinks=[_kink(kink, by_reaction.get(kink["reaction"])) for kink in values["kinks"]],
        electrolyte_above_hull_eV_per_atom=values["electrolyte_above_hull_eV_per_atom"],
        missing_phases=_missing(spec),
        geometries="" if geometries == energies else ", ".join([*geometries, *told]),
        window=_window(values["window"], errors) if values.get("window") else None,
        n_error_samples=errors["n_samples"] if errors else 0,
        above_hull_interval_eV_per_atom=_interval(errors["above_hull_eV_per_atom"]) if errors else None,
        share_on_hull=errors["share_on_hull"] if errors else None,
        other_reactions=errors["other_reactions"] if errors else {},
        x_electrode=x_electrode,
        comparison=_comparison(values, spec, x_electrode, environments),
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


def _kink(kink: Mapping[str, Any], error: Mapping[str, Any] | None) -> ReactionKink:
    return ReactionKink(
        **kink,
        interval_eV_per_atom=_interval(error["energy_eV_per_atom"]) if error else None,
        share_of_samples=error["share_of_samples"] if error else None,
    )


def _interval(values: Mapping[str, float] | None) -> Estimate | None:
    return Estimate(**values) if values else None


def _window(window: Mapping[str, Any], errors: Mapping[str, Any] | None) -> Window:
    return Window(
        element=window["element"],
        ion_charge=window["ion_charge"],
        is_on_hull=window["is_on_hull"],
        reduction_v=window["reduction_v"],
        oxidation_v=window["oxidation_v"],
        stages=[(s["lower_v"], s["upper_v"], s["taken_up"], s["reaction"]) for s in window["stages"]],
        reduction_interval_v=_interval(errors["reduction_v"]) if errors else None,
        oxidation_interval_v=_interval(errors["oxidation_v"]) if errors else None,
    )


def _comparison(
    values: Mapping[str, Any], spec: Campaign, x_electrode: float | None, environments: SeriesBand | None
) -> Sequence[PhaseComparison]:
    """Set environments predicted for the whole cell beside those of the last frames; empty if one of them is missing."""
    if x_electrode is None or environments is None or "mixing_line" not in values:
        return ()
    line: MixingLine = [(node["x_electrode"], node["atom_shares"]) for node in values["mixing_line"]]
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
            predicted_element_shares(line, x_electrode, centre), crystals, chemistry
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
