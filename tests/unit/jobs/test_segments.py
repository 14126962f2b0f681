"""Walkers between iterations, and broken runs."""

import pytest

import loop_documents as documents
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.jobs.dynamics.walkers import advance_walkers
from interphase_flows.schemas.segment import BROKEN, Walker

WALKER = Walker(run_id="interface-0", role="explore", seed=7, index=0)


def test_walker_continues_from_the_end_of_its_segment():
    (after,) = advance_walkers([WALKER], [documents.segment("interface-0")])
    assert (after.continue_state, after.last_step, after.seed) == ("end", 100, 7)
    assert after.continue_from == documents.NO_FILE


@pytest.mark.parametrize("reason", BROKEN)
def test_broken_run_continues_from_last_good_checkpoint(reason):
    broken = documents.segment("interface-0", stop_reason=reason, continue_state="good", last_step=60)
    (after,) = advance_walkers([WALKER], [broken])
    assert (after.continue_state, after.last_step, after.n_restarts) == ("good", 60, 0)


def test_run_that_breaks_before_its_first_checkpoint_restarts_with_another_seed():
    """The same start and seed would break again."""
    broken = documents.segment("interface-0", stop_reason="failed", continue_state=None, continue_from=None)
    (after,) = advance_walkers([WALKER], [broken])
    assert (after.seed, after.n_restarts, after.continue_state) == (8, 1, None)


def test_walker_of_a_failed_job_stays_unchanged():
    other = WALKER.model_copy(update={"run_id": "interface-1"})
    after = advance_walkers([WALKER, other], [None, documents.segment("interface-1")])
    assert after[0] == WALKER
    assert after[1].last_step == 100


def test_production_does_not_continue_after_a_break(workspace):
    """Later segments name the broken segment and run no dynamics."""
    broken = documents.segment("replica-0", stop_reason="runaway_temperature", last_step=40, role="production")
    walker = WALKER.model_copy(update={"run_id": "replica-0", "role": "production"})
    after = SegmentMaker.make.original(SegmentMaker(), broken, documents.committee(), walker)
    assert after.stop_reason == "runaway_temperature"
    assert broken.key in after.explanation
    assert (after.first_step, after.last_step, after.trajectory) == (40, 40, None)
