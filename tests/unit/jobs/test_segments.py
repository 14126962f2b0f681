"""Walkers from iteration to iteration, and runs that broke."""

import pytest

import loop_documents as documents
from interphase_flows.jobs.segments import BROKEN, SegmentMaker, advanced
from interphase_flows.jobs.structure_sets import store_set
from interphase_flows.schemas.segment import Walker

WALKER = Walker(run_id="interface-0", role="explore", seed=7, index=0)


def test_a_walker_goes_on_where_its_segment_ended():
    """Checkpoint, state and step are the segment's; its seed stays."""
    (after,) = advanced([WALKER], [documents.segment("interface-0")])
    assert (after.continue_state, after.last_step, after.seed) == ("end", 100, 7)
    assert after.continue_from == documents.NO_FILE


@pytest.mark.parametrize("reason", BROKEN)
def test_a_run_that_broke_goes_on_from_its_last_good_checkpoint(reason):
    """Steps before the break are not lost."""
    broken = documents.segment("interface-0", stop_reason=reason, continue_state="good", last_step=60)
    (after,) = advanced([WALKER], [broken])
    assert (after.continue_state, after.last_step, after.n_restarts) == ("good", 60, 0)


def test_a_run_that_broke_at_once_starts_over_with_another_seed():
    """The same checkpoint and seed would break again."""
    broken = documents.segment("interface-0", stop_reason="failed", continue_state=None, continue_from=None)
    (after,) = advanced([WALKER], [broken])
    assert (after.seed, after.n_restarts, after.continue_state) == (8, 1, None)


def test_one_walker_lost_leaves_the_others_alone():
    """A job that failed hands on nothing; its walker stays where it was."""
    other = WALKER.model_copy(update={"run_id": "interface-1"})
    after = advanced([WALKER, other], [None, documents.segment("interface-1")])
    assert after[0] == WALKER
    assert after[1].last_step == 100


def test_production_does_not_go_on_after_a_break(workspace, crystals):
    """The rest of the chain says which segment ended it, and costs nothing."""
    starts = store_set("starts", "starts", crystals[:1], ["interface/start-0"])
    broken = documents.segment(
        "replica-0", stop_reason="runaway_temperature", last_step=40, role="production"
    )
    walker = WALKER.model_copy(update={"run_id": "replica-0", "role": "production"})
    after = SegmentMaker.make.original(SegmentMaker(), walker, starts, documents.committee(), broken)
    assert after.stop_reason == "runaway_temperature"
    assert broken.key in after.explanation
    assert (after.first_step, after.last_step, after.trajectory) == (40, 40, None)
