"""Extract numbers and figures of a finished campaign for docs/gpaw_campaign.md: `python docs/extract_gpaw_campaign.py`.

Reads the ledger of the campaign and writes docs/data/gpaw_campaign.json and the figures. `python
docs/generate_gpaw_campaign_page.py` then writes the page.
"""

import argparse
import json
import shutil
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import numpy as np

from interphase_flows.report.collect.campaign_documents import CampaignDocuments
from interphase_flows.report.collect.campaign_report import collect_inputs, write_campaign_report
from interphase_flows.report.sections.headline import headline_rows
from interphase_flows.settings import load_settings
from interphase_flows.storage.workspace import open_workspace

HERE = Path(__file__).parent
DATA = HERE / "data" / "gpaw_campaign.json"
FIGURES = {"learning_curve": "gpaw_campaign_learning.png", "anions": "gpaw_campaign_anions.png"}


def main() -> None:
    """Write the data and figures of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign", nargs="?", default="li_li7p3s11_gpaw")
    parser.add_argument("--root", type=Path, default=Path("runs"))
    options = parser.parse_args()
    with open_workspace(load_settings(root=options.root), options.campaign) as workspace:
        inputs = collect_inputs(workspace)
        write_campaign_report(workspace)
        state = workspace.ledger.get("campaigns", workspace.campaign)
        documents = CampaignDocuments(workspace, state)
        fields = ["status", "origin", "formula", "numbers", "wall_time_s", "details", "is_surrogate"]
        labels = workspace.ledger.find("labels", documents.own, properties=fields)
        families: dict[str, list[dict]] = defaultdict(list)
        for label in labels:
            families[label["origin"].split("/")[0]].append(label)
        kept = {
            "campaign": inputs.campaign,
            "interface": asdict(inputs.interface),
            "reference": inputs.reference.short,
            "is_surrogate": inputs.reference.is_surrogate,
            "settings": dict(inputs.reference.settings),
            "outcome": inputs.outcome,
            "outcome_reason": inputs.outcome_reason,
            "software": dict(inputs.software),
            "families": [
                {
                    "family": family,
                    "n_accepted": sum(each["status"] == "accepted" for each in members),
                    "n_rejected": sum(each["status"] == "rejected" for each in members),
                    "n_atoms_max": max(len(each["numbers"]) for each in members),
                    "median_s": float(np.median([each["wall_time_s"] for each in members])),
                    "total_s": float(sum(each["wall_time_s"] for each in members)),
                }
                for family, members in sorted(families.items())
            ],
            "labelling": asdict(inputs.labelling) if inputs.labelling else None,
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
                for kink, _ in inputs.thermodynamics.kinks
            ]
            if inputs.thermodynamics
            else [],
            "geometries": inputs.thermodynamics.geometries if inputs.thermodynamics else "",
            "notes": list(inputs.notes),
        }
        DATA.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        for figure, name in FIGURES.items():
            path = workspace.report_folder / "figures" / f"{figure}.png"
            if path.is_file():
                shutil.copyfile(path, HERE / "images" / name)


if __name__ == "__main__":
    main()
