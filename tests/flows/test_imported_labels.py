"""A campaign that starts from imported labels alone, and one that adds them to its own."""

from contextlib import closing

import pytest
from ase.io import write

from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.campaign import CampaignMaker
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.reference.spec import ChgnetSpec
from interphase_flows.settings import Settings
from interphase_flows.storage.ledger import Ledger
from interphase_flows.structures.crystals.library import load_crystal
from tiny_campaign import TINY, interphase

pytestmark = pytest.mark.slow

FROM_LABELS = TINY.replace("name: tiny", "name: from_labels").replace("max_iterations: 2", "max_iterations: 1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Labels of rattled crystals by CHGNet under names of another program, and a campaign file beside them."""
    calculator = CHGNetMethod(ChgnetSpec(), Settings()).calculator()
    frames = []
    for name in ("Li", "Li2S", "Li7P3S11"):
        for seed in range(4):
            atoms = load_crystal(name, {})
            atoms.rattle(0.05, seed=seed)
            results = {key: calculator.get_property(key, atoms) for key in ("energy", "forces", "stress")}
            atoms.info = {
                "DFT_energy": float(results["energy"]),
                "DFT_stress": results["stress"],
                "group": f"{name} {seed}",
            }
            atoms.arrays["DFT_forces"] = results["forces"]
            frames.append(atoms)
    frames[3].info["DFT_energy"] += 50.0
    path = tmp_path_factory.mktemp("labels")
    write(path / "labels.extxyz", frames)
    block = "initial_labels:\n  files: [labels.extxyz]\n  keys: {origin: group}\n"
    (path / "from_labels.yaml").write_text(FROM_LABELS + block + "  label_generated_structures: false\n")
    (path / "with_labels.yaml").write_text(FROM_LABELS + block)
    return path


def test_campaign_from_imported_labels_runs_to_its_report(folder):
    plan = interphase("run", "from_labels.yaml", "--dry-run", "--no-measure", cwd=folder).stdout
    assert "labels.extxyz" in plan
    interphase("run", "from_labels.yaml", "--root", "runs", cwd=folder)
    root = folder / "runs" / "from_labels"
    with closing(Ledger.embedded(root / "ledger.sqlite", read_only=True)) as ledger:
        labels = ledger.find("labels", {})
        result = ledger.get("campaigns", "from_labels")["result"]
    imported = [label for label in labels if label["origin"].startswith("imported/")]
    assert len(imported) == 12
    assert [label["reason"] for label in imported if label["status"] == "rejected"] == ["energy_outlier"]
    assert "imported/Li7P3S11 2" in {label["origin"] for label in imported}
    # no generated structure was labelled, and the loop has added labels
    others = {label["origin"].partition("/")[0] for label in labels} - {"imported"}
    assert "explore" in others
    assert others <= {"explore", "audit", "production", "thermodynamics"}
    assert {"interface_analysis", "production_audit", "thermodynamics"} <= set(result["analysis_keys"])
    status = interphase("status", "from_labels", "--root", "runs", cwd=folder).stdout
    assert "missing" not in status
    assert "from the median of" in (root / "report" / "report.html").read_text()


def test_imported_labels_join_generated_ones(folder):
    """The flow labels generated structures too, and its first dataset depends on both."""
    maker = CampaignMaker.from_campaign(Campaign.from_file(folder / "with_labels.yaml"))
    flow = maker.initial_data_maker.make("Li", "Li7P3S11", ("Li", "Li2S", "Li7P3S11"))
    names = [job.name for job in flow.jobs]
    assert {"label set, iteration 0", "import labels", "join labels"} <= set(names)
    joined = flow.jobs[names.index("join labels")]
    needed = {flow.jobs[names.index(name)].uuid for name in ("label set, iteration 0", "import labels")}
    assert set(joined.input_uuids) == needed
    assert flow.output["batch"].uuid == joined.uuid
