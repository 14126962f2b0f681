"""A campaign at another production temperature beside a finished one, which was started by an earlier version."""

import json
import os
import re
import shutil
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from campaign_documents import documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.shared_stages import campaign_with_its_loop
from interphase_flows.schemas.origin import PRODUCTION, Origin
from interphase_flows.settings import load_settings
from interphase_flows.storage.ledger import KINDS, Ledger
from tiny_campaign import TINY, interphase, run_without_report

pytestmark = pytest.mark.slow

NAME = "tiny_400K"
TWIN = TINY.replace("name: tiny\n", f"name: {NAME}\n").replace(
    "production:\n  dynamics: {ensemble: nvt}\n", "production:\n  dynamics: {ensemble: nvt, temperature_K: 400}\n"
)
LATER_FIELDS = ("used_by", "excluded")
"""Fields that documents of earlier versions lack."""


@pytest.fixture(scope="module")
def root(finished_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of both campaigns after the twin has run."""
    root = tmp_path_factory.mktemp("twins") / "runs"
    shutil.copytree(finished_root / "tiny", root / "tiny")
    with closing(Ledger.embedded(root / "tiny" / "ledger.sqlite", "tiny")) as ledger:
        for kind in KINDS:
            for found in ledger.find(kind, {"used_by": {"$exists": True}}):
                earlier = {name: value for name, value in found.items() if name not in LATER_FIELDS}
                ledger.backend.modify(kind, found["key"], lambda _, earlier=earlier: earlier)
    file = root.parent / "twin.yaml"
    assert TWIN.count("400") == 3  # name, snapshots of the interface, production
    file.write_text(TWIN)
    run_without_report(file, root)
    return root


def test_twin_computes_only_labels_of_its_production(root: Path) -> None:
    """Everything before production is shared: structures, labels, potentials, exploration, iterations."""
    labels = documents(root, "labels", NAME).values()
    computed = [Origin(label["origin"]).family for label in labels if label["campaign"] == NAME]
    assert set(computed) <= {PRODUCTION}
    assert sum(label["campaign"] == "tiny" for label in labels) > 20
    for kind in ("datasets", "models", "committees", "iterations"):
        found = documents(root, kind, NAME)
        assert found == {
            key: document | {"used_by": ["tiny", NAME]} for key, document in documents(root, kind).items()
        }, kind
    roles = {s["role"] for s in documents(root, "segments", NAME).values() if s["campaign"] == NAME}
    assert roles == {"production"}


def test_dry_run_counts_what_is_shared_as_done(root: Path) -> None:
    """Only production differs from that of a finished campaign; another seed shares nothing."""

    def plan(text: str) -> str:
        file = root.parent / "planned.yaml"
        file.write_text(text.replace(f"name: {NAME}", "name: planned"))
        return interphase("run", str(file), "--dry-run", "--no-measure", "--root", str(root)).stdout

    shared = plan(TWIN.replace("temperature_K: 400", "temperature_K: 500"))
    other = plan(TWIN.replace("seed: 1", "seed: 7"))
    done = {line.split(":")[0] for line in shared.splitlines() if "; finished in tiny" in line}
    assert {"initial labels", "training", "exploration", "labels of the loop"} <= done
    assert "production" not in done
    assert "finished in" not in other
    total, total_of_other = (re.search(r"total, at most +(\d+)", text) for text in (shared, other))
    assert total
    assert total_of_other
    assert 0 < int(total[1]) < int(total_of_other[1]) - 20


def test_changed_files_and_methods_share_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(root / "tiny", tmp_path / "runs" / "tiny")
    crystal = tmp_path / "Li2S.cif"
    crystal.touch()
    os.utime(crystal, (0, 0))
    campaign = Campaign.model_validate(yaml.safe_load(TINY) | {"name": "planned"})
    campaign = campaign.model_copy(update={"structure_files": {"Li2S": str(crystal)}})
    with closing(Ledger.embedded(tmp_path / "runs" / "tiny" / "ledger.sqlite", "tiny")) as ledger:
        state = ledger.get("campaigns", "tiny")
        state["spec"]["structure_files"] = {"Li2S": str(crystal)}
        ledger.set_state("campaigns", "tiny", state)
    settings = load_settings(root=tmp_path / "runs")
    assert campaign_with_its_loop(campaign, settings) == "tiny"
    os.utime(crystal)  # written again after the other campaign had started
    assert campaign_with_its_loop(campaign, settings) is None
    os.utime(crystal, (0, 0))
    with monkeypatch.context() as patch:
        patch.setattr("interphase_flows.reference.chgnet.version", lambda _: "0.0.1")
        assert campaign_with_its_loop(campaign, settings) is None
    crystal.unlink()
    assert campaign_with_its_loop(campaign, settings) is None


def test_counts_of_each_campaign_are_its_own(root: Path) -> None:
    def count(name: str, *arguments: str) -> int:
        return int(interphase("query", "labels", *arguments, "-c", name, "--count", "--root", str(root)).stdout)

    n_computed = count(NAME, f"campaign={NAME}")
    n_production = count("tiny", f"origin~^{PRODUCTION}/")
    assert count(NAME) == count("tiny") - n_production + n_computed
    found = json.loads(interphase("status", NAME, "--json", "--root", str(root)).stdout)
    assert (found["status"], found["documents"]["labels"]) == ("finished", count(NAME))


def test_campaign_of_an_earlier_version_resumes_without_work(root: Path) -> None:
    before = {kind: documents(root, kind) for kind in KINDS if kind not in ("campaigns", "progress", "leases")}
    interphase("resume", "tiny", "--root", str(root))
    for kind, found in before.items():
        assert documents(root, kind).keys() == found.keys(), kind
        assert all(document["campaign"] == "tiny" for document in documents(root, kind).values()), kind


def test_twin_stays_complete_without_the_other_campaign(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / NAME, tmp_path / NAME)
    n_labels = len(documents(root, "labels", NAME))
    interphase("resume", NAME, "--root", str(tmp_path))
    assert len(documents(tmp_path, "labels", NAME)) == n_labels
    interphase("export", "dataset", str(tmp_path / "dataset.extxyz"), "-c", NAME, "--root", str(tmp_path))
