"""Measure what docs/dft_settings.md tells: `python docs/measure_dft_settings.py CAMPAIGN.yaml --root runs`.

Convergence study, lattice constants and the reaction's energy by a campaign's reference method, into
docs/data/gpaw_convergence.json.  Everything goes through labels, so it may be stopped and started again, and what
`interphase converge` has labelled is not labelled again.  Then `python docs/generate_dft_page.py` writes the page.
"""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

from jobflow import run_locally

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.yaml_file import load_yaml_model
from interphase_flows.commands.convergence import StudyOptions, run_convergence_study
from interphase_flows.flows.lattice_constants import LatticeConstantsFlowMaker
from interphase_flows.jobs.lattice_constants import ScaledCrystalsMaker
from interphase_flows.settings import load_settings
from interphase_flows.storage.workspace import open_workspace, use_workspace

DATA = Path(__file__).parent / "data" / "gpaw_convergence.json"


def numbers(text: str) -> list[float]:
    """Return the numbers of an option."""
    return [float(part) for part in text.split(",") if part]


def main() -> None:
    """Measure, and keep the numbers."""
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
    given = parser.parse_args()
    campaign = load_yaml_model(given.campaign, Campaign)
    settings = load_settings(root=given.root)
    options = StudyOptions(
        given.cutoffs,
        given.k_densities,
        given.gamma_check,
        max_label_cost_s=None if given.max_label_minutes is None else 60.0 * given.max_label_minutes,
    )
    study = run_convergence_study(campaign, options, settings)
    with open_workspace(settings, campaign.name) as workspace, use_workspace(workspace):
        maker = LatticeConstantsFlowMaker(
            reference=campaign.reference,
            gates=campaign.gates,
            scaled_crystals_maker=ScaledCrystalsMaker(n_volumes=given.n_volumes, max_strain=given.max_strain),
        )
        flow = maker.make([name for name in given.lattice_phases.split(",") if name])
        store = workspace.job_store()
        store.connect()
        try:
            responses = run_locally(
                flow, store=store, log=False, root_dir=workspace.root, ensure_success=True
            )
        finally:
            store.close()
        lattice = responses[flow.jobs[-1].uuid][1].output
        labels = workspace.ledger.find(
            "labels", {"campaign": campaign.name, "method_name": campaign.reference.method}
        )
    kept = {
        "software": {name: version(name) for name in ("gpaw", "gpaw-data", "ase")}
        | {"python": platform.python_version()},
        "options": {
            "cutoffs": given.cutoffs,
            "k_densities": given.k_densities,
            "gamma_check": given.gamma_check,
            "max_label_minutes": given.max_label_minutes,
            "lattice_phases": given.lattice_phases,
            "n_volumes": given.n_volumes,
            "max_strain": given.max_strain,
        },
        "convergence": {"values": study.values, "notes": study.notes},
        "lattice_constants": {"values": lattice.values, "notes": lattice.notes},
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
