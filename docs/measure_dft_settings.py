"""Measure the data of docs/dft_settings.md: `python docs/measure_dft_settings.py CAMPAIGN.yaml --root runs`.

Runs a convergence study and computes lattice constants and the reaction energy by the reference method of a campaign, and
writes docs/data/gpaw_convergence.json. All results are labels: the script can be stopped and restarted, and reuses the
labels of `interphase converge`. `python docs/generate_dft_page.py` then writes the page.
"""

import argparse
import json
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from jobflow import run_locally

from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.convergence import run_convergence_study
from interphase_flows.flows.convergence_study import ConvergenceStudyMaker
from interphase_flows.flows.lattice_constants import LatticeConstantsFlowMaker
from interphase_flows.jobs.lattice_constants import ScaledCrystalsMaker
from interphase_flows.settings import load_settings
from interphase_flows.storage.workspace import open_workspace, use_workspace

DATA = Path(__file__).parent / "data" / "gpaw_convergence.json"


def numbers(text: str) -> list[float]:
    """Parse a comma-separated list of numbers."""
    return [float(part) for part in text.split(",") if part]


def main() -> None:
    """Run the study and write its data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign", type=Path)
    parser.add_argument("--root", type=Path, default=Path("runs"))
    parser.add_argument("--cutoffs", type=numbers, default=[300.0, 350.0, 400.0, 500.0])
    parser.add_argument("--k-densities", type=numbers, default=[2.0, 3.0, 4.0])
    parser.add_argument("--gamma-check", type=float, default=None)
    parser.add_argument("--max-label-minutes", type=float, default=None)
    parser.add_argument("--lattice-phases", default="Li,Li2S,Li3P")
    parser.add_argument("--n-volumes", type=int, default=5)
    parser.add_argument("--max-strain", type=float, default=0.03)
    arguments = parser.parse_args()
    campaign = Campaign.from_file(arguments.campaign)
    settings = load_settings(root=arguments.root)
    study_maker = replace(
        ConvergenceStudyMaker.from_campaign(campaign),
        cutoffs_eV=arguments.cutoffs,
        k_densities=arguments.k_densities,
        gamma_check_density=arguments.gamma_check,
        max_label_cost_s=None if arguments.max_label_minutes is None else 60.0 * arguments.max_label_minutes,
    )
    study = run_convergence_study(campaign, study_maker, settings)
    with open_workspace(settings, campaign.name) as workspace, use_workspace(workspace):
        maker = LatticeConstantsFlowMaker(
            reference=campaign.reference,
            gates=campaign.gates,
            scaled_crystals_maker=ScaledCrystalsMaker(n_volumes=arguments.n_volumes, max_strain=arguments.max_strain),
        )
        flow = maker.make([name for name in arguments.lattice_phases.split(",") if name])
        store = workspace.job_store()
        store.connect()
        try:
            responses = run_locally(flow, store=store, log=False, root_dir=workspace.root, ensure_success=True)
        finally:
            store.close()
        lattice = responses[flow.jobs[-1].uuid][1].output
        labels = workspace.ledger.find("labels", {"campaign": campaign.name, "method_name": campaign.reference.method})
    kept = {
        "software": {name: version(name) for name in ("gpaw", "gpaw-data", "ase")}
        | {"python": platform.python_version()},
        "options": {
            "cutoffs": arguments.cutoffs,
            "k_densities": arguments.k_densities,
            "gamma_check": arguments.gamma_check,
            "max_label_minutes": arguments.max_label_minutes,
            "lattice_phases": arguments.lattice_phases,
            "n_volumes": arguments.n_volumes,
            "max_strain": arguments.max_strain,
        },
        "convergence": {
            "values": study.model_dump(mode="json", exclude={"key", "input_keys", "notes"}),
            "notes": study.notes,
        },
        "lattice_constants": {
            "values": lattice.model_dump(mode="json", exclude={"notes"}),
            "notes": lattice.notes,
        },
        "labels": {
            "n": len(labels),
            "n_rejected": sum(label["status"] == "rejected" for label in labels),
            "n_corrected": sum(bool(label["corrections"]) for label in labels),
            "scf_steps": [label["details"].get("n_scf_steps") for label in labels],
            "peak_memory_gb": max(label["details"].get("peak_memory_gb", 0.0) for label in labels),
        },
    }
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
