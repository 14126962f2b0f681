"""Deadlines of a process from settings, Slurm and stop requests."""

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
    process_start_unix_s,
    request_stop,
)
from interphase_flows.settings import Settings


@pytest.fixture(autouse=True)
def _outside_slurm(monkeypatch):
    monkeypatch.delenv(SLURM_VARIABLE, raising=False)


def test_walltime_counts_from_the_start_of_the_process():
    """Not from the first use: all labels of a process have one deadline."""
    end = deadline(Settings(walltime_s=100.0))
    assert end.at_unix_s == process_start_unix_s() + 100.0
    assert process_start_unix_s() < time.time()


def test_the_deadline_is_a_margin_before_the_end_of_the_slurm_job(monkeypatch):
    monkeypatch.setenv(SLURM_VARIABLE, "2000000000")
    assert deadline(Settings()).at_unix_s == 2_000_000_000 - MARGIN_S


def test_settings_take_precedence_over_slurm(monkeypatch):
    monkeypatch.setenv(SLURM_VARIABLE, "2000000000")
    assert "walltime_s" in deadline(Settings(walltime_s=5.0)).set_by


def test_an_invalid_slurm_end_time_raises_with_its_name(monkeypatch):
    monkeypatch.setenv(SLURM_VARIABLE, "tomorrow")
    with pytest.raises(SettingsError, match=f"{SLURM_VARIABLE}=tomorrow"):
        deadline(Settings())


def test_without_a_limit_the_remaining_time_is_infinite():
    end = deadline(Settings())
    end.check("a label")
    assert end.remaining_s == float("inf")


def test_check_raises_after_the_deadline_and_names_the_work():
    with pytest.raises(WalltimeReachedError, match="before the label of Li2"):
        Deadline(time.time() - 1.0, "walltime_s: 1").check("the label of Li2")


def test_a_stop_request_takes_precedence_over_the_deadline(monkeypatch):
    monkeypatch.setattr(deadline_module, "_stop_requests", [])
    never, soon, over = (
        Deadline(None),
        Deadline(time.time() + 1e6, "walltime_s: 1"),
        Deadline(time.time() - 9.0),
    )
    assert not soon.stop_requested
    assert soon.ended_by == "walltime_s: 1"
    request_stop("a signal")
    assert (never.remaining_s, soon.remaining_s, soon.ended_by) == (0.0, 0.0, "a signal")
    assert over.remaining_s < -8.0


def test_vasp_is_stopped_after_a_stop_request(monkeypatch, tmp_path):
    """Also without a deadline."""
    monkeypatch.setattr(deadline_module, "_stop_requests", [])
    handler = DeadlineHandler(Deadline(None), lambda: None)
    assert not handler.check(str(tmp_path))
    request_stop("a signal")
    assert handler.check(str(tmp_path))
    assert not handler.check(str(tmp_path))  # it stops VASP once
