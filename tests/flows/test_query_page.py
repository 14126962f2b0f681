"""The page on queries: its code blocks and examples, run on a finished campaign."""

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


def test_code_blocks_of_the_page_run(finished_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERPHASE_ROOT", str(finished_root))
    monkeypatch.setenv("INTERPHASE_CAMPAIGN", "tiny")
    assert run_blocks(PAGE) == 6


def test_examples_of_the_page_are_sorted_limited_and_counted(finished_root: Path) -> None:

    def query(*arguments: str) -> str:
        return interphase("query", *arguments, "--root", str(finished_root)).stdout

    examples, *_ = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    outputs = [query(*shlex.split(line)[2:]) for line in examples.splitlines()]
    assert len(outputs) == 5
    assert outputs[0].strip() == "no labels match"
    lowest = json.loads(query("labels", "formula=Li8S4", "--sort", "energy_eV", "--limit", "5", "-o", "json"))
    energies = [label["energy_eV"] for label in lowest]
    assert energies
    assert energies == sorted(energies)
    assert outputs[2].splitlines()[0] == "run_id,stop_reason,temperature_mean_K"
    assert len(outputs[2].splitlines()) == 5
    assert int(outputs[3]) == len(json.loads(query("labels", "origin~amorphous", "--limit", "0", "--json"))) > 0
    assert len(json.loads(outputs[4])) == 3


def test_documents_have_the_sizes_stated_on_the_page(finished_root: Path) -> None:
    with Workspace(load_settings(root=finished_root), "tiny", read_only=True) as workspace:
        largest = max(len(bson.encode(d)) for kind in KINDS for d in workspace.ledger.find(kind))
    assert 5_000 < largest < 20_000
