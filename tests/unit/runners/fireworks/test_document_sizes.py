"""Sizes of documents: jobs, outputs and added jobs stay below the limit, however long a campaign is."""

import bson
import pytest
from ase import Atoms
from fireworks import Workflow
from jobflow import Flow, JobStore, job
from jobflow.managers.fireworks import flow_to_workflow
from maggma.stores import MemoryStore

import loop_documents as documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.values import MAX_EVALUATIONS
from interphase_flows.exceptions import DocumentTooLargeError
from interphase_flows.flows.active_learning import ActiveLearningMaker, continue_or_end
from interphase_flows.jobs.labels import MOST_JOBS, LabelMaker, LabelSetMaker
from interphase_flows.jobs.structures.structure_sets import load_set, store_set
from interphase_flows.runners.fireworks.firetask import route
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.segment import Walker
from interphase_flows.schemas.structures import StructureEntry, StructureSetDoc
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.ledger import MAX_DOCUMENT_BYTES
from interphase_flows.storage.ledger_entry import make_entry
from interphase_flows.storage.mongodb_store import MongodbStore
from interphase_flows.storage.workspace import Workspace, use_workspace
from spheres import Spheres, SpheresSpec

N_ITERATIONS = 50
N_WALKERS = 12
LIMIT_OF_MONGODB_BYTES = 16_000_000


def size(document: dict) -> int:
    return len(bson.encode(document))


def routed(flow: Flow) -> Workflow:
    return route(flow_to_workflow(flow, JobStore(MemoryStore())), "large")


def iteration(index: int) -> IterationDoc:
    committee = documents.committee()
    sides = ("train", "validation", "test", "interface")
    return IterationDoc(
        key=f"{index:032d}",
        index=index,
        dataset_key="d" * 32,
        committee_key="c" * 32,
        first_checkpoint=documents.NO_FILE,
        explored_with="c" * 32,
        n_labels_new=30,
        n_labels_rejected=0,
        n_labels_total=30 * index,
        n_train=20 * index,
        errors=dict.fromkeys(sides, documents.ERRORS),
        fresh_audit_errors=documents.ERRORS,
        calibration=committee.calibration,
        select_force_std_eV_per_angstrom=0.1,
        stop_force_std_eV_per_angstrom=0.3,
        fraction_above_select=0.5,
        targets_met=False,
        stop_reasons={f"interface-{i}": "uncertain" for i in range(N_WALKERS)},
        decision="budget_exhausted" if index == N_ITERATIONS else "continue",
        reason="in new trajectories, 100% of the frames are above the selection level (target 5%); force error 853",
    )


STARTS = StructureSetDoc(
    key="starts",
    name="starts",
    artifact=documents.NO_FILE,
    entries=[
        StructureEntry(key="0" * 32, origin=f"interface/{i}", formula="Li38P6S22", n_atoms=66) for i in range(N_WALKERS)
    ],
)
WALKERS = [Walker(run_id=f"interface-{i}", role="explore", seed=1, index=i) for i in range(N_WALKERS)]


def test_jobs_and_output_of_fifty_iterations_stay_small() -> None:
    history = [iteration(index) for index in range(N_ITERATIONS)]
    explored = [f"{i:032d}" for i in range(N_ITERATIONS * N_WALKERS)]
    maker = ActiveLearningMaker.from_campaign(Campaign(name="large"))
    committee = documents.committee()
    flow = maker.next_iteration(documents.dataset(), committee, WALKERS, STARTS, history, explored)
    workflow = routed(flow)
    assert max(size(firework.to_dict()) for firework in workflow.fws) < MAX_DOCUMENT_BYTES / 5
    assert size(workflow.to_dict()) < MAX_DOCUMENT_BYTES / 2
    steps = list(range(25_000))
    last = [
        documents.segment(f"interface-{i}", uncertainty_steps=steps, uncertainty_eV_per_angstrom=[0.1] * 25_000)
        for i in range(N_WALKERS)
    ]
    ended = continue_or_end.original(
        maker,
        iteration(N_ITERATIONS),
        documents.dataset(),
        committee,
        WALKERS,
        STARTS,
        history,
        last,
        explored,
    )
    assert ended.output["exploration"][-N_WALKERS:] == [segment.key for segment in last]
    output = {
        "iterations": [each.model_dump(mode="json") for each in ended.output["iterations"]],
        "exploration": ended.output["exploration"],
    }
    assert size(output) < MAX_DOCUMENT_BYTES / 5


def test_segment_with_most_uncertainty_evaluations_fits_into_a_document() -> None:
    document = documents.segment(
        "replica-0",
        uncertainty_steps=list(range(10**9, 10**9 + MAX_EVALUATIONS + 1)),
        uncertainty_eV_per_angstrom=[0.1] * (MAX_EVALUATIONS + 1),
    )
    assert size(make_entry("segments", document.key, "large", document)) < MAX_DOCUMENT_BYTES


def lithium(n: int) -> list[Atoms]:
    frames = []
    for index in range(n):
        frame = Atoms("Li2S", cell=[5.2, 5.2, 5.2], pbc=True)
        frame.set_scaled_positions([[0.25, 0.25, 0.25], [0.75, 0.75, 0.75], [0, 0, 0]])
        frame.rattle(0.05, seed=index)
        frames.append(frame)
    return frames


@pytest.fixture
def workspace(tmp_path):
    with Workspace(Settings(root=tmp_path / "runs", n_threads=1), "large") as opened, use_workspace(opened):
        yield opened


def test_size_of_a_label_job_does_not_depend_on_the_size_of_its_set(workspace, monkeypatch) -> None:
    """The largest number of jobs that a set may have fits into the record of the job that adds them."""
    monkeypatch.setattr(SpheresSpec, "shared", Spheres(), raising=False)
    maker = LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec()), labels_per_job=1)
    largest, workflows = [], []
    for n in (10, 40):
        frames = lithium(n)
        structures = store_set("set", "set", frames, [f"crystal/{i}" for i in range(n)])
        flow = LabelSetMaker.make.original(maker, structures).replace
        labels = [each for each in flow.jobs if each.name == "label structures"]
        assert len(labels) == n
        parts = [each.function_args[0] for each in labels]
        assert sorted(part.entries[0].key for part in parts) == sorted(e.key for e in structures.entries)
        for part, each in zip(parts, labels, strict=True):
            assert each.function_args[1] == [0]
            (found,) = load_set(part)
            (index,) = (i for i, entry in enumerate(structures.entries) if entry == part.entries[0])
            assert (found.positions == frames[index].positions).all()
        workflow = routed(flow)
        workflows.append(workflow)
        largest.append(max(size(f.to_dict()) for f in workflow.fws if f.name == "label structures"))
    assert largest[1] < 1.05 * largest[0]
    per_job = size(workflows[1].to_dict()) / 40
    # a set of jobs is one entry in FireWorks' record of the job that made them; packing may double their number
    assert 2 * MOST_JOBS * per_job < LIMIT_OF_MONGODB_BYTES / 4


@job
def take(numbers: list[float]) -> int:
    """Return the number of numbers."""
    return len(numbers)


def test_too_large_job_raises_with_its_name_before_submission() -> None:
    with pytest.raises(DocumentTooLargeError, match=r"job 'take' of campaign large: .* MB is over 1 MB"):
        routed(Flow([take([0.5] * 100_000)]))


def test_an_output_that_is_too_large_is_rejected() -> None:
    """The store of jobs checks all outputs before it connects to write any."""
    store = MongodbStore("jobs", "uuid", MongodbSettings(type="mongodb"))
    small, large = ({"uuid": name, "name": name, "output": [0.5] * n} for name, n in (("a", 1), ("b", 100_000)))
    with pytest.raises(DocumentTooLargeError, match=r"jobs: b: .* MB is over 1 MB; largest fields: output"):
        store.update([small, large])
