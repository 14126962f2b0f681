"""When a process has to end."""

import time

import pytest

from interphase_flows.exceptions import SettingsError, WalltimeReachedError
from interphase_flows.reference.vasp.run import DeadlineHandler
from interphase_flows.runtime import walltime as deadline_module
from interphase_flows.runtime.walltime import (
    MARGIN_S,
    SLURM_VARIABLE,
    Deadline,
    deadline,
    end_soon,
    process_start_unix_s,
)
from interphase_flows.settings import Settings


@pytest.fixture(autouse=True)
def _outside_slurm(monkeypatch):
    monkeypatch.delenv(SLURM_VARIABLE, raising=False)


def test_walltime_counts_from_the_start_of_the_process():
    """Not from the moment somebody asks: two labels of one process end together."""
    end = deadline(Settings(walltime_s=100.0))
    assert end.at_unix_s == process_start_unix_s() + 100.0
    assert process_start_unix_s() < time.time()


def test_slurm_is_left_some_time_before_it_would_kill(monkeypatch):
    """Its own variable, less what writing the density takes."""
    monkeypatch.setenv(SLURM_VARIABLE, "2000000000")
    assert deadline(Settings()).at_unix_s == 2_000_000_000 - MARGIN_S


def test_the_settings_win_over_slurm(monkeypatch):
    """Who sets a time wants it."""
    monkeypatch.setenv(SLURM_VARIABLE, "2000000000")
    assert "walltime_s" in deadline(Settings(walltime_s=5.0)).set_by


def test_a_variable_that_is_no_time_is_an_error_that_names_it(monkeypatch):
    """Rather than no deadline at all."""
    monkeypatch.setenv(SLURM_VARIABLE, "tomorrow")
    with pytest.raises(SettingsError, match=f"{SLURM_VARIABLE}=tomorrow"):
        deadline(Settings())


def test_without_a_limit_there_is_always_time():
    """On a laptop."""
    end = deadline(Settings())
    end.check("a label")
    assert end.remaining_s == float("inf")


def test_nothing_begins_after_the_deadline():
    """And the message says what did not."""
    with pytest.raises(WalltimeReachedError, match="before the label of Li2"):
        Deadline(time.time() - 1.0, "walltime_s: 1").check("the label of Li2")


def test_who_told_a_process_to_end_wins_over_its_deadline(monkeypatch):
    """What is left is nothing, or less where the deadline is over as well."""
    monkeypatch.setattr(deadline_module, "_told_to_end", [])
    never, soon, over = (
        Deadline(None),
        Deadline(time.time() + 1e6, "walltime_s: 1"),
        Deadline(time.time() - 9.0),
    )
    assert not soon.is_told
    assert soon.ended_by == "walltime_s: 1"
    end_soon("a signal")
    assert (never.remaining_s, soon.remaining_s, soon.ended_by) == (0.0, 0.0, "a signal")
    assert over.remaining_s < -8.0


def test_vasp_is_stopped_when_this_process_is_told_to_end(monkeypatch, tmp_path):
    """Where nobody told the walltime beforehand as well."""
    monkeypatch.setattr(deadline_module, "_told_to_end", [])
    handler = DeadlineHandler(Deadline(None), lambda: None)
    assert not handler.check(str(tmp_path))
    end_soon("a signal")
    assert handler.check(str(tmp_path))
    assert not handler.check(str(tmp_path))  # once is enough
