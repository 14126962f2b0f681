"""Small campaigns of other electrode-electrolyte pairs, from file to report; figures are drawn for one of them."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from campaign_documents import documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.report.collect.campaign_report import collect_inputs
from interphase_flows.report.html import rendered_page
from interphase_flows.settings import load_settings
from interphase_flows.storage.workspace import open_workspace
from tiny_campaign import TINY, interphase, run_without_report

pytestmark = pytest.mark.slow

WORKFLOWS = Path(__file__).parents[2] / "workflows"
DRAWN = "na_na3ps4"
FULL_REACTIONS = {
    "na_na3ps4": "8 Na + Na3PS4 → 4 Na2S + Na3P",
    "li_li3ps4": "8 Li + Li3PS4 → 4 Li2S + Li3P",
    "li_li6ps5cl": "8 Li + Li6PS5Cl → LiCl + Li3P + 5 Li2S",
}


def species(side: str) -> set[str]:
    return set(side.strip().split(" + "))


def tiny(name: str, folder: Path) -> Path:
    """Write a campaign with the pair and phases of a workflow at the size of the tests."""
    spec = yaml.safe_load((WORKFLOWS / f"{name}.yaml").read_text())
    small = yaml.safe_load(TINY)
    of_the_pair = ("name", "electrode", "electrolyte", "phases", "hull_phases", "structure_files")
    kept = {key: spec[key] for key in of_the_pair if key in spec}
    # three phases are simulated and labelled, the others only on the hull, to save minutes
    ends = [kept["electrode"], kept["electrolyte"]]
    first, *others = [phase for phase in kept["phases"] if phase not in ends]
    kept |= {"phases": [*ends, first], "hull_phases": [*others, *kept["hull_phases"]]}
    kept["structure_files"] = {phase: str(WORKFLOWS / path) for phase, path in kept.get("structure_files", {}).items()}
    small["structures"]["amorphous"] |= {
        key: spec["structures"]["amorphous"][key] for key in ("n_atoms", "electrode_fractions")
    }
    small["structures"]["interfaces"]["max_atoms"] = 90
    small["production"] |= {"n_replicas": 1, "n_segments": 1}
    small["exploration"] |= {"n_melt_quench_walkers": 0}
    small["learning"] |= {"max_iterations": 1}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(small | kept))
    return path


def page_without_figures(name: str, root: Path) -> str:
    with open_workspace(load_settings(root=root), name, read_only=True) as workspace:
        return rendered_page(replace(collect_inputs(workspace), before=None, after=None), {})


@pytest.mark.parametrize("name", FULL_REACTIONS)
def test_campaign_of_another_pair_finishes_with_its_phases_and_anions(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    file = tiny(name, tmp_path)
    if name == DRAWN:
        interphase("run", str(file), "--root", str(root))
    else:
        run_without_report(file, root)
    assert documents(root, "campaigns", name)[name]["status"] == "finished"
    [phases] = documents(root, "phases", name).values()
    [thermodynamics] = documents(root, "thermodynamics", name).values()
    assert phases["replicas"]
    for run in phases["replicas"].values():
        assert {"PS4", "isolated P", "isolated S"} <= set(run["anions"]["labels"])
        assert run["anions"]["centre_share_start"]["PS4"] == 1.0, "all anions are intact at the start"
    before, _, after = FULL_REACTIONS[name].partition(" → ")
    reactions = [kink["reaction"].split(" → ") for kink in thermodynamics["prediction"]["kinks"]]
    assert any(species(a) == species(before) and species(b) == species(after) for a, b in reactions), reactions
    written = root / name / "report" / "report.html"
    page = written.read_text() if name == DRAWN else page_without_figures(name, root)
    electrolyte = name.partition("_")[2]
    assert electrolyte in page.lower()
    if name.startswith("na"):
        assert "lithium" not in page.partition("<script")[0].lower()


@pytest.mark.parametrize("name", FULL_REACTIONS)
def test_campaign_file_passes_validation(name: str) -> None:
    check_campaign(Campaign.from_file(WORKFLOWS / f"{name}.yaml"))
