"""The page on queries: its blocks run on a finished campaign, and its questions are answered."""

import json
import re
import shlex
from pathlib import Path

import bson
import pytest

from interphase_flows.settings import load_settings
from interphase_flows.storage.ledger import KINDS
from interphase_flows.storage.workspace import Workspace
from page_blocks import run_blocks
from tiny_campaign import interphase

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "query.md"


def test_the_blocks_of_the_page_run(finished_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents, frames, a committee, a trajectory, arrays."""
    monkeypatch.setenv("INTERPHASE_ROOT", str(finished_root))
    monkeypatch.setenv("INTERPHASE_CAMPAIGN", "tiny")
    assert run_blocks(PAGE) == 6


def test_the_answers_are_sorted_cut_and_counted(finished_root: Path) -> None:
    """As the examples of the page say."""

    def ask(*words: str) -> str:
        return interphase("query", *words, "--root", str(finished_root)).stdout

    (examples,) = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    answers = [ask(*shlex.split(line)[2:]) for line in examples.splitlines()]
    assert len(answers) == 5
    assert answers[0].strip() == "no labels match"
    lowest = json.loads(ask("labels", "formula=Li8S4", "--sort", "energy_eV", "--limit", "5", "-o", "json"))
    energies = [label["energy_eV"] for label in lowest]
    assert energies
    assert energies == sorted(energies)
    assert answers[2].splitlines()[0] == "run_id,stop_reason,temperature_mean_K"
    assert len(answers[2].splitlines()) == 5
    assert int(answers[3]) == len(json.loads(ask("labels", "origin~amorphous", "--limit", "0", "--json"))) > 0
    assert len(json.loads(answers[4])) == 3


def test_the_documents_of_a_small_campaign_are_as_small_as_the_page_says(finished_root: Path) -> None:
    """Those of the ledger, and the outputs of its jobs."""
    with Workspace(load_settings(root=finished_root), "tiny", read_only=True) as workspace:
        largest = max(len(bson.encode(d)) for kind in KINDS for d in workspace.ledger.find(kind))
        store = workspace.job_store().docs_store
        store.connect()
        outputs = [len(bson.encode(document)) for document in store.query()]
        store.close()
    assert 5_000 < largest < 20_000
    assert len(outputs) > 50
    assert max(outputs) < 30_000
