"""The job that ends an iteration."""

import pytest

import loop_documents as documents
from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.datasets.frames import extxyz_bytes
from interphase_flows.jobs.iterations import IterationMaker, fraction_above
from interphase_flows.potentials.label_effects import LabelEffects
from interphase_flows.schemas.label import LabelBatch

NO_LABELS = LabelBatch(accepted=[], rejected=[], origins={})
MAKER = IterationMaker(learning=LearningSpec(max_iterations=5))


def evaluate(index, segments, history=(), explorer=None, dataset=None, batch=NO_LABELS):
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


def test_first_iteration_continues_without_exploration(workspace):
    first = evaluate(0, [])
    assert (first.fraction_above_select, first.fresh_audit_errors) == (None, None)
    assert first.decision == "continue"
    assert "no new trajectory" in first.reason
    assert not first.targets_met


def test_fraction_above_select_uses_audit_walkers_and_threshold_of_explorer(workspace):
    """Not the threshold of the next committee; frames of other walkers are biased."""
    dataset = documents.dataset(workspace.artifacts.put_bytes(extxyz_bytes([]), "datasets", ".extxyz"))
    explorer = documents.committee("explorer").model_copy(update={"select_force_std_eV_per_angstrom": 0.015})
    segments = [
        documents.segment("audit-1"),
        documents.segment("interface-0", uncertainty_eV_per_angstrom=[9.0, 9.0]),
    ]
    found = evaluate(1, segments, [evaluate(0, [])], explorer, dataset)
    assert found.fraction_above_select == pytest.approx(0.5)
    assert found.stop_reasons == {"audit-1": "finished", "interface-0": "finished"}
    assert found.explored_with == "explorer"


@pytest.fixture
def small_error(monkeypatch):
    """An error of the explorer below its target, without loading a network."""
    monkeypatch.setattr(IterationMaker, "_effects", lambda *_: LabelEffects(audit=documents.ERRORS))


def test_targets_met_twice_in_a_row_is_converged(workspace, small_error):
    explorer, segments = documents.committee("explorer"), [documents.segment("audit-1")]
    first = evaluate(1, segments, [evaluate(0, [])], explorer)
    assert (first.decision, first.targets_met) == ("continue", True)
    assert evaluate(2, segments, [first], explorer).decision == "converged"


@pytest.mark.parametrize(
    "lost",
    [
        None,
        documents.segment("audit-2", stop_reason="uncertain"),
        documents.segment("audit-2", stop_reason="failed"),
    ],
)
def test_missing_or_stopped_audit_walker_does_not_meet_targets(workspace, small_error, lost):
    """The next iteration counts as the first that meets the targets."""
    explorer, finished = documents.committee("explorer"), documents.segment("audit-1")
    incomplete = evaluate(1, [finished, lost], [evaluate(0, [])], explorer)
    assert not incomplete.targets_met
    after = evaluate(2, [finished, documents.segment("audit-2")], [incomplete], explorer)
    assert (after.decision, after.targets_met) == ("continue", True)


def test_repeated_job_returns_the_stored_iteration(workspace):
    assert evaluate(0, []) == evaluate(0, [])


def test_fraction_without_frames_is_none():
    """Zero would count as converged."""
    assert fraction_above([], 0.1) is None
    assert fraction_above([documents.segment("audit-1", uncertainty_eV_per_angstrom=[])], 0.1) is None
    assert fraction_above([documents.segment("audit-1")], 0.02) == pytest.approx(0.5)
