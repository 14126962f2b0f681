"""The page on queries: its blocks run on a finished campaign, and its questions are answered."""

import json
import re
import shlex
from pathlib import Path

import pytest

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
    lowest = json.loads(ask("labels", "formula=Li8S4", "--sort", "energy_ev", "--limit", "5", "-o", "json"))
    energies = [label["energy_ev"] for label in lowest]
    assert energies
    assert energies == sorted(energies)
    assert answers[2].splitlines()[0] == "run_id,stop_reason,temperature_mean_k"
    assert len(answers[2].splitlines()) == 5
    assert int(answers[3]) == len(json.loads(ask("labels", "origin~amorphous", "--limit", "0", "--json"))) > 0
    assert len(json.loads(answers[4])) == 3
