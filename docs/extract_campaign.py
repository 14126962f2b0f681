"""Extract the numbers and figures of a finished campaign for its page: `python docs/extract_campaign.py PAGE CAMPAIGN`.

Reads the ledger of the campaign and writes docs/data/PAGE.json and docs/images/PAGE_*.png. PAGE is ``gpaw_campaign`` or
``reference_study``; `python docs/generate_PAGE_page.py` then writes docs/PAGE.md.
"""

import argparse
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from interphase_flows.analysis.growth.results import GrowthResult
from interphase_flows.analysis.passivation.results import VerdictResult
from interphase_flows.analysis.phases.results import PhasesAverage, PhasesResult
from interphase_flows.analysis.transport.composition_grid.results import TransportGridResult
from interphase_flows.analysis.transport.summary import TransportAverage
from interphase_flows.campaign.schema import Campaign
from interphase_flows.report.collect.campaign_documents import CampaignDocuments
from interphase_flows.report.collect.campaign_report import collect_inputs, write_campaign_report
from interphase_flows.report.collect.labelling import LabelRecord
from interphase_flows.report.inputs.campaign import ReportInputs
from interphase_flows.report.inputs.interphase import InterfaceResults, ProductionRun, SeriesBand
from interphase_flows.report.json_file import write_json
from interphase_flows.report.sections.headline import headline_rows
from interphase_flows.settings import load_settings
from interphase_flows.storage.workspace import Workspace, open_workspace

HERE = Path(__file__).parent
FIGURES = {
    "gpaw_campaign": {"learning_curve": "learning", "anions": "anions"},
    "reference_study": {
        "answer": "answer",
        "learning_curve": "learning",
        "composition_map": "composition",
        "uncertainty": "uncertainty",
        "replica-0_phase_map": "phase_map",
        "replica-0_reactions": "reactions",
    },
}
"""Figures of each page: name in the report, and after the name of the page."""
TIMES_PS = (10.0, 100.0, 300.0)
"""Times at which thicknesses are compared with published ones."""
LEAST_FOUND = 0.5
"""Fraction of the slab widths that find both boundaries in a frame in which they count as followed."""


def main() -> None:
    """Write the data and figures of a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", choices=FIGURES)
    parser.add_argument("campaign")
    parser.add_argument("--root", type=Path, default=Path("runs"))
    options = parser.parse_args()
    with open_workspace(load_settings(root=options.root), options.campaign) as workspace:
        inputs = collect_inputs(workspace)
        write_campaign_report(workspace)
        state = workspace.ledger.get("campaigns", workspace.campaign)
        documents = CampaignDocuments(workspace, state)
        kept = general(inputs, documents)
        if options.page == "reference_study":
            kept |= measured(inputs) | cost(documents, workspace)
        write_json(HERE / "data" / f"{options.page}.json", kept, indent=1)
        for figure, name in FIGURES[options.page].items():
            path = workspace.report_folder / "figures" / f"{figure}.png"
            if path.is_file():
                shutil.copyfile(path, HERE / "images" / f"{options.page}_{name}.png")


def general(inputs: ReportInputs, documents: CampaignDocuments) -> dict[str, Any]:
    """Return the labels, the iterations, the runs and the most important numbers of any campaign."""
    families: dict[str, list[LabelRecord]] = defaultdict(list)
    for label in documents.labels():
        families[label.origin.family].append(label)
    thermodynamics = inputs.thermodynamics
    return {
        "campaign": inputs.campaign,
        "interface": inputs.interface,
        "reference": inputs.reference.short,
        "is_surrogate": inputs.reference.is_surrogate,
        "settings": dict(inputs.reference.settings),
        "outcome": inputs.outcome,
        "outcome_reason": inputs.outcome_reason,
        "software": dict(inputs.software),
        "families": [
            {
                "family": family,
                "n_accepted": sum(each.status == "accepted" for each in members),
                "n_rejected": sum(each.status == "rejected" for each in members),
                "n_atoms_max": max(len(each.numbers) for each in members),
                "median_s": float(np.median([each.wall_time_s for each in members])),
                "total_s": float(sum(each.wall_time_s for each in members)),
            }
            for family, members in sorted(families.items())
        ],
        "labelling": inputs.labelling,
        "wall_time_s": dict(inputs.spending.wall_time_s) if inputs.spending else {},
        "iterations": [
            {
                "index": each.iteration.index,
                "n_train": each.iteration.n_train,
                "n_new_labels": each.iteration.n_labels_new,
                "n_test": each.errors.n_frames,
                "force_mae_meV_per_angstrom": each.errors.forces_mae_meV_per_angstrom,
                "energy_mae_meV_per_atom": each.errors.energy_mae_meV_per_atom,
                "decision": each.iteration.decision.replace("_", " "),
                "reason": each.iteration.reason,
            }
            for each in inputs.iterations
        ],
        "replicas": [
            {
                "name": each.name,
                "time_ps": each.time_ps,
                "temperature_mean_K": each.temperature_K[0],
                "is_complete": each.is_complete,
                "stop_reason": each.segments[-1].stop_reason,
            }
            for each in inputs.production
        ],
        "headline": [[row.name, row.value, row.meaning] for row in headline_rows(inputs)],
        "reaction": [
            {
                "x_electrode_exact": kink.x_electrode_exact,
                "reaction": kink.reaction,
                "energy_eV_per_atom": kink.energy_eV_per_atom,
            }
            for kink, _ in (thermodynamics.kinks if thermodynamics else ())
        ],
        "geometries": thermodynamics.geometries if thermodynamics else "",
        "notes": list(inputs.notes),
    }


def measured(inputs: ReportInputs) -> dict[str, Any]:
    """Return errors by element, thicknesses, laws, phases, transport and verdicts of a study of one interphase."""
    last, results = inputs.iterations[-1], inputs.analyses
    by_element = last.parity.force_mae_of_element_eV_per_angstrom if last.parity else {}
    return {
        "cells": list(inputs.cells),
        "n_members": len(last.training),
        "force_mae_of_element_eV_per_angstrom": dict(by_element),
        "errors_by_origin": {str(origin): each for origin, each in last.errors_by_origin.items()},
        "production_audit": inputs.production_audit,
        "uncertainty": [_uncertainty(run, inputs) for run in inputs.production],
        "thickness": {side: _at_times(band) for side, band in inputs.thickness.items()},
        "verdict": {"state": inputs.verdict, "reason": inputs.verdict_reason},
        "transport_grid": None if inputs.transport_grid is None else _grid(inputs.transport_grid.result),
        **({} if results is None else _analysed(results)),
    }


def _analysed(results: InterfaceResults) -> dict[str, Any]:
    phases, transport, verdict = (results.averages.get(part) for part in ("phases", "transport", "verdict"))
    return {
        "averaged_runs": results.averaged_runs,
        "temperatures_K": {run: each.temperature_K for run, each in results.trajectories.items()},
        "runs": {run: _run(results, run) for run in results.runs},
        "phases": phases.phases if isinstance(phases, PhasesAverage) else str(phases),
        "percolation": phases.percolation if isinstance(phases, PhasesAverage) else None,
        "domains": phases.domains if isinstance(phases, PhasesAverage) else None,
        "translational_order": phases.order if isinstance(phases, PhasesAverage) else None,
        "anions": phases.anions if isinstance(phases, PhasesAverage) else None,
        "transport": transport if isinstance(transport, TransportAverage) else str(transport),
        "verdict_of_side": verdict.sides if isinstance(verdict, VerdictResult) else str(verdict),
    }


def _run(results: InterfaceResults, run: str) -> dict[str, Any]:
    parts = results.runs[run]
    growth, phases = parts.get("growth"), parts.get("phases")
    followed = {
        side: float(np.mean(found >= LEAST_FOUND))
        for side in ("above", "below")
        if (found := results.arrays.get(f"{run}/{side}.found_share")) is not None
    }
    return {
        "time_ps": results.trajectories[run].length_ps,
        "followed_fraction": followed,
        "growth": growth.sides if isinstance(growth, GrowthResult) else str(growth),
        "phases": phases.phases if isinstance(phases, PhasesResult) else str(phases),
        "reactions": phases.reactions if isinstance(phases, PhasesResult) else {},
    }


def _at_times(band: SeriesBand) -> list[dict[str, Any]]:
    """Return the thickness averaged over a tenth of the time around each time, and over the last tenth.

    Times before the first frame with a boundary in all replicas have none.
    """
    rows = []
    end_ps = float(band.time_ps[-1])
    spans_ps = {time_ps: (0.95 * time_ps, 1.05 * time_ps) for time_ps in TIMES_PS if time_ps < end_ps}
    for time_ps, (first_ps, last_ps) in (spans_ps | {end_ps: (0.9 * end_ps, end_ps)}).items():
        near = (band.time_ps >= first_ps) & (band.time_ps <= last_ps)
        if not near.any():
            continue
        value, lower, upper = (
            np.asarray(each)[near, 0].mean() for each in (band.curves.value, band.curves.lower, band.curves.upper)
        )
        rows.append({"time_ps": time_ps, "value": value, "lower": lower, "upper": upper, "n": band.n_replicas})
    return rows


def _uncertainty(run: ProductionRun, inputs: ReportInputs) -> dict[str, Any]:
    found, committee = run.uncertainty_eV_per_angstrom, inputs.committee
    select, stop = (
        (committee.select_force_std_eV_per_angstrom, committee.stop_force_std_eV_per_angstrom)
        if committee is not None
        else (np.inf, np.inf)
    )
    return {
        "run": run.name,
        "n_frames": len(found),
        "median_eV_per_angstrom": float(np.median(found)) if len(found) else None,
        "above_select": float(np.mean(found > select)) if len(found) else None,
        "above_stop": float(np.mean(found > stop)) if len(found) else None,
    }


def _grid(result: TransportGridResult) -> dict[str, Any]:
    return {
        "temperature_K": result.temperature_K,
        "n_cells": len(result.cells),
        "rejected": [cell.rejection for cell in result.cells if cell.rejection],
        "compositions": list(result.compositions),
    }


def cost(documents: CampaignDocuments, workspace: Workspace) -> dict[str, Any]:
    """Return the number of atom steps per second of production and the size of the folder of results."""
    spec: Campaign = documents.spec
    production = documents.production
    seconds = sum(segment.wall_time_s for segment in production)
    atom_steps = sum((segment.last_step - segment.first_step) * segment.n_atoms for segment in production)
    return {
        "specification": spec.model_dump(mode="json", exclude_defaults=True),
        "production_atom_steps_per_s": atom_steps / seconds if seconds else None,
        "disk_bytes": sum(_sizes(workspace.root)),
    }


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path.stat().st_size


if __name__ == "__main__":
    main()
