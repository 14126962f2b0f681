"""The job that ends an iteration."""

import pytest

import loop_documents as documents
from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.datasets.frames import extxyz_bytes
from interphase_flows.jobs.iterations import IterationMaker, fraction_above
from interphase_flows.schemas.label import LabelBatch

NO_LABELS = LabelBatch(accepted=[], rejected=[], origins={})
MAKER = IterationMaker(learning=LearningSpec(max_iterations=5))


def weigh(index, segments, history=(), explorer=None, dataset=None, batch=NO_LABELS):
    return IterationMaker.make.original(
        MAKER,
        index,
        dataset or documents.dataset(),
        documents.committee(),
        explorer,
        segments,
        batch,
        history,
    )


def test_the_first_committee_has_explored_nothing_and_goes_on(workspace):
    """No fraction, no fresh error, and the reason says so."""
    first = weigh(0, [])
    assert (first.fraction_above_select, first.fresh_audit_errors) == (None, None)
    assert first.decision == "continue"
    assert "no fresh dynamics" in first.reason
    assert not first.targets_met


def test_only_audit_walkers_are_counted_against_the_level_of_who_explored(workspace):
    """The explorer's threshold, not the next committee's; candidates of other walkers are biased."""
    dataset = documents.dataset(workspace.artifacts.put_bytes(extxyz_bytes([]), "datasets", ".extxyz"))
    explorer = documents.committee("explorer").model_copy(update={"select_force_std_eV_per_angstrom": 0.015})
    segments = [
        documents.segment("audit-1"),
        documents.segment("interface-0", uncertainty_eV_per_angstrom=[9.0, 9.0]),
    ]
    found = weigh(1, segments, [weigh(0, [])], explorer, dataset)
    assert found.fraction_above_select == pytest.approx(0.5)
    assert found.stop_reasons == {"audit-1": "finished", "interface-0": "finished"}
    assert found.explored_with == "explorer"


@pytest.fixture
def small_error(monkeypatch):
    """The explorer's error on fresh audit frames is below its target; no network is loaded to find out."""
    monkeypatch.setattr(IterationMaker, "_fresh_audit", lambda *_: documents.ERRORS)


def test_twice_in_a_row_is_converged(workspace, small_error):
    """Once is told as once."""
    explorer, segments = documents.committee("explorer"), [documents.segment("audit-1")]
    once = weigh(1, segments, [weigh(0, [])], explorer)
    assert (once.decision, once.targets_met) == ("continue", True)
    assert weigh(2, segments, [once], explorer).decision == "converged"


@pytest.mark.parametrize(
    "lost",
    [
        None,
        documents.segment("audit-2", stop_reason="uncertain"),
        documents.segment("audit-2", stop_reason="failed"),
    ],
)
def test_a_walker_that_is_missing_or_stopped_is_not_good_now_nor_as_the_time_before(
    workspace, small_error, lost
):
    """One of two audit walkers did not finish: the iteration counts for nothing, and the next is the first."""
    explorer, finished = documents.committee("explorer"), documents.segment("audit-1")
    lacking = weigh(1, [finished, lost], [weigh(0, [])], explorer)
    assert not lacking.targets_met
    after = weigh(2, [finished, documents.segment("audit-2")], [lacking], explorer)
    assert (after.decision, after.targets_met) == ("continue", True)


def test_weighing_again_gives_the_document_that_is_there(workspace):
    """Same key, same document."""
    assert weigh(0, []) == weigh(0, [])


def test_a_fraction_of_nothing_is_none():
    """Not zero: zero would count as converged."""
    assert fraction_above([], 0.1) is None
    assert fraction_above([documents.segment("audit-1", uncertainty_eV_per_angstrom=[])], 0.1) is None
    assert fraction_above([documents.segment("audit-1")], 0.02) == pytest.approx(0.5)
