"""Campaigns with compiled potentials: the graph reaches all jobs by data flow, and there is a note without one."""

import shutil
from pathlib import Path

import pytest
from jobflow import Flow
from ruamel.yaml import YAML

from compiled_graph import ELEMENTS, campaign
from interphase_flows import (
    ActiveLearningMaker,
    Campaign,
    CommitteeMaker,
    DatasetMaker,
    ExplorationMaker,
    IterationMaker,
    LabelMaker,
    LabelSetMaker,
    ProductionMaker,
    SelectMaker,
    TrainMaker,
)
from interphase_flows.potentials.compiled.compiler import cpp_compiler
from interphase_flows.potentials.spec import CommitteeSpec
from interphase_flows.reference.spec import CalculatorSpec
from interphase_flows.report.collect.campaign_report import collect_inputs
from interphase_flows.runners.local.campaign import run_campaign, run_jobs
from interphase_flows.runtime.checked_json import read_checked, write_checked
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace
from own_steps import LEARNING, SHORT
from tiny_campaign import TINY
from tiny_training import CUTOFF_ANGSTROM, SPEC, TRAINING, all_frames

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(cpp_compiler() is None, reason="no C++ compiler"),
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),
]


def root_with_graph(compiled_root: Path, folder: Path) -> Path:
    """Return a root whose campaigns find the graph."""
    shutil.copytree(compiled_root / ".compiled_graphs", folder / "runs" / ".compiled_graphs")
    return folder / "runs"


@pytest.fixture
def root(compiled_root: Path, tmp_path: Path) -> Path:
    return root_with_graph(compiled_root, tmp_path)


def flow() -> Flow:
    """Return a loop of one iteration after the first, and production, without slow labels."""
    label_maker = LabelMaker(reference=CalculatorSpec(name="tiny_training.Spheres"))
    learning = ActiveLearningMaker(
        exploration_maker=ExplorationMaker(segment_maker=SHORT),
        select_maker=SelectMaker(learning=LEARNING),
        label_set_maker=LabelSetMaker(label_maker=label_maker),
        dataset_maker=DatasetMaker(learning=LEARNING, cutoff_angstrom=CUTOFF_ANGSTROM),
        train_maker=TrainMaker(spec=CommitteeSpec(model=SPEC, training=TRAINING)),
        committee_maker=CommitteeMaker(learning=LEARNING),
        iteration_maker=IterationMaker(learning=LEARNING),
        n_members=2,
    ).make(all_frames(), all_frames()[:2], elements=ELEMENTS)
    production = ProductionMaker(segment_maker=SHORT, n_replicas=1, n_segments=1)
    return Flow([learning, production.make(all_frames()[0], learning.output["committee"])])


def documents(workspace: Workspace, kind: str, schema: type) -> list:
    found = [workspace.ledger.get_as(kind, each["key"], schema) for each in workspace.ledger.find(kind, {}, ["key"])]
    return sorted(found, key=lambda document: document.key)


def contents(workspace: Workspace) -> tuple[list[CommitteeDoc], list[SegmentDoc]]:
    """Return committees and segments without checkpoints, which contain wall times and paths."""
    committees = documents(workspace, "committees", CommitteeDoc)
    segments = documents(workspace, "segments", SegmentDoc)
    return (
        [each.model_copy(update={"models": [model.key for model in each.models]}) for each in committees],
        [each.model_copy(update={"wall_time_s": 0.0, "continue_from": None}) for each in segments],
    )


def run_flow(root: Path, name: str, n_workers: int) -> tuple[list[CommitteeDoc], list[SegmentDoc]]:
    with campaign(root, name) as workspace:
        run_jobs(workspace, flow, n_workers)
        return contents(workspace)


@pytest.fixture(scope="module")
def with_one_worker(compiled_root: Path, tmp_path_factory: pytest.TempPathFactory):
    return run_flow(root_with_graph(compiled_root, tmp_path_factory.mktemp("one")), "one", 1)


def test_all_segments_use_the_graph_with_any_number_of_workers(with_one_worker, root):
    assert run_flow(root, "two", 2) == with_one_worker
    committees, segments = with_one_worker
    graphs = {committee.compiled.artifact.sha256 for committee in committees}
    assert len(committees) == 2
    assert len(graphs) == 1
    assert {segment.evaluation for segment in segments} == {f"compiled {graphs.pop()[:16]}"}
    assert [note for document in (*committees, *segments) for note in document.notes] == []


def exchange_constants(root: Path) -> None:
    """Exchange energy shifts and force scales in the shared document of the graph."""
    (stored,) = (root / ".compiled_graphs").glob("*.json")
    document = read_checked(stored, CompiledPotentialDoc)
    shifts, scales = (
        next(constant for constant, name in document.constants.items() if name.endswith(end))
        for end in (".shifts", ".scales")
    )
    exchanged = {shifts: document.constants[scales], scales: document.constants[shifts]}
    write_checked(stored, document.model_copy(update={"constants": document.constants | exchanged}))


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        ("no_compiler", "potentials are evaluated eagerly: no C++ compiler. Hint: install g++"),
        ("disagrees_with_eager", "potentials are evaluated eagerly: compiled and eager predictions of "),
    ],
)
def test_without_usable_graph_potentials_are_eager_with_a_note(
    with_one_worker, compiled_root, tmp_path, monkeypatch, reason, note
):
    """Keys do not contain how potentials are evaluated."""
    if reason == "no_compiler":
        monkeypatch.setenv("CXX", "no-such-compiler")
        root = tmp_path
    else:
        root = root_with_graph(compiled_root, tmp_path)
        exchange_constants(root)
    committees, segments = run_flow(root, "eager", 1)
    assert {committee.compiled.reason for committee in committees} == {reason}
    for committee in committees:
        (found,) = committee.notes
        assert found.startswith(note)
    assert {segment.evaluation for segment in segments} == {"eager"}
    assert [note for segment in segments for note in segment.notes] == []
    assert {each.key for each in committees} & {each.key for each in with_one_worker[0]}


def test_campaign_evaluates_all_dynamics_by_the_graph(root):
    """Production, audit, references of phases and errors as well; the report has no note."""
    small = YAML(typ="safe").load(TINY)
    small["committee"] |= {"compiled": "auto", "model": SPEC.model_dump()}
    small["learning"] |= {"max_iterations": 1, "labels_per_iteration": 2, "audit_labels_per_iteration": 1}
    small["production"] |= {"n_replicas": 1, "n_segments": 1}
    small["structures"]["crystals"]["n_per_phase"] = 1
    settings = Settings(root=root, n_threads=1, compile_potentials="auto")
    result = run_campaign(Campaign.model_validate(small), settings, n_workers=2)
    with Workspace(settings, "tiny", read_only=True) as workspace:
        committee = workspace.ledger.get_as("committees", result.committee_key, CommitteeDoc)
        segments = documents(workspace, "segments", SegmentDoc)
        notes = collect_inputs(workspace).notes
    assert committee.compiled.artifact is not None
    assert {segment.evaluation for segment in segments} == {f"compiled {committee.compiled.artifact.sha256[:16]}"}
    assert not [note for note in notes if "eager" in note]
