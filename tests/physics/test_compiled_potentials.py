"""Compiled potentials: agreement with eager ones, exact restarts, sharing, damaged files. Compiles once (a minute)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from nequip.integrations.ase import NequIPCalculator
from nequip.integrations.utils import basic_transforms
from nequip.model import NequIPGNNModel

from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.exceptions import CompilationError, WalltimeReachedError
from interphase_flows.jobs import segments as segments_job
from interphase_flows.jobs.compile import CompileMaker, stored_graph
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.jobs.segments import SegmentMaker
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.segment import run_segment
from interphase_flows.md.uncertainty_monitor import UncertaintyMonitor
from interphase_flows.potentials.committee import NequIPCommittee, load_calculator
from interphase_flows.potentials.compiled import compiler
from interphase_flows.potentials.compiled.agreement import (
    FORCE_TOLERANCE_EV_PER_ANGSTROM,
    STRESS_TOLERANCE_EV_PER_ANGSTROM3,
    check_agreement,
)
from interphase_flows.potentials.compiled.calculator import CompiledNequIPCalculator, load_graph
from interphase_flows.potentials.compiled.check_frames import check_frames
from interphase_flows.potentials.compiled.committee import CompiledNequIPCommittee, load_compiled_calculator
from interphase_flows.potentials.compiled.compiler import GraphFile, cpp_compiler
from interphase_flows.potentials.compiled.verification import random_calculator
from interphase_flows.potentials.config import model_config
from interphase_flows.runtime.walltime import Deadline
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.dataset import Baseline
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import strained_and_rattled
from tiny_training import CUTOFF_ANGSTROM, SPEC, TRAINING, all_frames, train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(cpp_compiler() is None, reason="no C++ compiler"),
]

ELEMENTS = ["Li", "P", "S"]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("compiled") / "runs"


@contextmanager
def campaign(root: Path, name: str) -> Iterator[Workspace]:
    settings = Settings(root=root, n_threads=1, compile_potentials="auto")
    with Workspace(settings, name) as workspace, use_workspace(workspace):
        yield workspace


def make(elements=ELEMENTS, frames=None) -> CompiledPotentialDoc:
    return CompileMaker.make.original(CompileMaker(spec=SPEC), elements, frames)


@pytest.fixture(scope="module")
def document(root) -> CompiledPotentialDoc:
    """The graph, compiled by the first campaign."""
    with campaign(root, "first"):
        document = make(frames=all_frames()[:2])
    assert document.artifact is not None, document.explanation
    return document


@pytest.fixture(scope="module")
def graph(root, document) -> GraphFile:
    with campaign(root, "first") as workspace:
        return GraphFile(workspace.artifacts.get(document.artifact), document.constants)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> list[Path]:
    """Three members, and the first one of the next iteration."""
    folder = tmp_path_factory.mktemp("members")
    short = TRAINING.model_copy(update={"max_epochs": 2})
    members = [train(folder / f"member-{seed}", seed, training=short).checkpoint for seed in (1, 2, 3)]
    return [*members, train(folder / "next", 1, parent=members[0], training=short).checkpoint]


def committee_of(checkpoints: list[Path], graph: GraphFile) -> CompiledNequIPCommittee:
    return CompiledNequIPCommittee(checkpoints, graph.path, graph.constants)


def test_document_records_architecture_machine_and_errors(document):
    assert document.elements == ELEMENTS
    assert document.artifact.kind == "compiled_graphs"
    assert document.errors.n_frames == 4
    assert document.errors.force_eV_per_angstrom < FORCE_TOLERANCE_EV_PER_ANGSTROM
    assert document.wall_time_s > 0
    assert document.reason is None


def test_members_of_several_iterations_agree_with_eager_predictions(checkpoints, graph, capsys):
    committee, eager = committee_of(checkpoints, graph), NequIPCommittee(checkpoints)
    frames = [*all_frames(), *check_frames(ELEMENTS, CUTOFF_ANGSTROM), bulk("Li") * (2, 2, 2)]
    differences = []
    for frame in frames:
        found, expected = committee.predict_all(frame), eager.predict_all(frame)
        differences.append([np.abs(a - b).max() for a, b in zip(found, expected, strict=True)])
        np.testing.assert_allclose(committee.forces_all(frame), found[1], rtol=0, atol=FORCE_TOLERANCE_EV_PER_ANGSTROM)
    energy, force, stress = np.max(differences, axis=0)
    with capsys.disabled():
        print(
            f"\n  {len(checkpoints)} potentials, {len(frames)} frames: largest differences {energy:.1e} eV, "
            f"{force:.1e} eV/Å, {stress:.1e} eV/Å³"
        )
    assert force < FORCE_TOLERANCE_EV_PER_ANGSTROM
    assert stress < STRESS_TOLERANCE_EV_PER_ANGSTROM3
    assert energy < 1e-4
    one = committee.predict_all(frames[0])[1]
    assert np.abs(one[1] - one[0]).max() > 100 * force


def test_evaluations_of_other_members_do_not_change_forces(checkpoints, graph):
    frame = all_frames()[0]
    one, other = (load_compiled_calculator(path, graph.path, graph.constants) for path in checkpoints[:2])
    before = one.get_forces(frame)
    other.get_forces(frame)
    one.reset()
    np.testing.assert_array_equal(one.get_forces(frame), before)


def test_results_are_reused_only_for_identical_atoms(checkpoints, graph):
    calculator = load_compiled_calculator(checkpoints[0], graph.path, graph.constants)
    frame = all_frames()[0].copy()
    frame.calc = calculator
    forces = frame.get_forces()
    assert calculator.check_state(frame) == []
    frame.positions[0, 0] += 1e-14
    assert "positions" in calculator.check_state(frame)
    changes = [
        lambda atoms: atoms.rattle(0.05, seed=3),
        lambda atoms: atoms.set_cell(1.01 * atoms.cell.array),
        lambda atoms: atoms.numbers.__setitem__(0, 15),
        lambda atoms: atoms.set_pbc([True, True, False]),
    ]
    for change in changes:
        change(frame)
        assert np.abs(frame.get_forces() - forces).max() > 1e-4
        forces = frame.get_forces()
        expected = load_calculator(checkpoints[0]).get_forces(frame)
        np.testing.assert_allclose(forces, expected, rtol=0, atol=FORCE_TOLERANCE_EV_PER_ANGSTROM)


def test_forces_in_another_process_are_identical(checkpoints, graph):
    script = (
        "import sys, json\nfrom pathlib import Path\n"
        "from interphase_flows.potentials.compiled.committee import CompiledNequIPCommittee\n"
        "from interphase_flows.potentials.compiled.check_frames import check_frames\n"
        "graph, constants, *paths = sys.argv[1:]\n"
        "committee = CompiledNequIPCommittee([Path(p) for p in paths], Path(graph), json.loads(constants))\n"
        f"print(committee.forces_all(check_frames({ELEMENTS}, {CUTOFF_ANGSTROM})[0]).tobytes().hex())"
    )
    paths = [str(path) for path in checkpoints[:2]]
    command = [sys.executable, "-W", "ignore", "-c", script, str(graph.path), json.dumps(graph.constants), *paths]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
    forces = committee_of(checkpoints[:2], graph).forces_all(check_frames(ELEMENTS, CUTOFF_ANGSTROM)[0])
    assert forces.tobytes().hex() == found


def test_order_of_atoms_and_elements_does_not_matter(root, checkpoints, graph, document):
    with campaign(root, "first"):
        assert make(["S", "Li", "P"]) == document
    frame = check_frames(ELEMENTS, CUTOFF_ANGSTROM)[0]
    order = np.random.default_rng(1).permutation(len(frame))
    calculator = load_compiled_calculator(checkpoints[0], graph.path, graph.constants)
    forces = calculator.get_forces(frame)
    np.testing.assert_allclose(calculator.get_forces(frame[order]), forces[order], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "frame", [Atoms("Li", cell=[20, 20, 20], pbc=True), bulk("Li"), Atoms("LiS", [(0, 0, 0), (0, 0, 9)])]
)
def test_structures_below_the_size_of_the_graph_are_evaluated_eagerly(checkpoints, graph, frame):
    calculator = load_compiled_calculator(checkpoints[0], graph.path, graph.constants)
    expected = load_calculator(checkpoints[0])
    np.testing.assert_allclose(calculator.get_forces(frame), expected.get_forces(frame), rtol=0, atol=1e-6)
    assert calculator.get_potential_energy(frame) == pytest.approx(expected.get_potential_energy(frame), abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "elements"),
    [
        ({"n_features": 8}, ELEMENTS),
        ({"n_layers": 2}, ELEMENTS),
        ({"cutoff_angstrom": 4.5}, ELEMENTS),
        ({}, ["Li", "O", "S"]),
        ({}, ["Li", "S"]),
    ],
)
def test_potential_of_another_architecture_is_rejected(graph, changes, elements):
    other = random_calculator(SPEC.model_copy(update=changes), elements, seed=1)

    def use() -> None:
        compiled = CompiledNequIPCalculator(load_graph(graph.path), graph.constants, other)
        check_agreement(compiled, other, check_frames(elements, CUTOFF_ANGSTROM))

    with pytest.raises(CompilationError, match=r"not the architecture|not those of the graph|differ by") as caught:
        use()
    assert caught.value.reason in ("other_architecture", "disagrees_with_eager")


def test_potential_with_types_in_another_order_is_rejected(graph):
    types = ["S", "Li", "P"]
    one = dict.fromkeys(types, 1.0)
    baseline = Baseline(elements=types, energy_shifts_eV=one, forces_rms_eV_per_angstrom=one, mean_n_neighbours=20.0)
    arguments = model_config(SPEC, baseline, 1)
    del arguments["_target_"]
    model = NequIPGNNModel(**arguments).eval()
    transforms = basic_transforms(model.metadata, CUTOFF_ANGSTROM, types, {name: name for name in types})
    other = NequIPCalculator(model, "cpu", transforms=transforms)
    with pytest.raises(CompilationError, match="elements S Li P"):
        CompiledNequIPCalculator(load_graph(graph.path), graph.constants, other)


def test_graph_with_wrong_constants_is_not_used(checkpoints, graph):
    scales = next(constant for constant, name in graph.constants.items() if name.endswith(".scales"))
    shifts = next(constant for constant, name in graph.constants.items() if name.endswith(".shifts"))
    wrong = graph.constants | {scales: graph.constants[shifts], shifts: graph.constants[scales]}
    with pytest.raises(CompilationError, match=r"predictions of .* differ by") as caught:
        load_compiled_calculator(checkpoints[0], graph.path, wrong)
    assert caught.value.reason == "disagrees_with_eager"


def test_other_campaigns_use_the_graph_without_compiling(root, document, checkpoints, monkeypatch):
    monkeypatch.setattr(compiler, "compile_graph", None)
    with campaign(root, "third") as workspace:
        assert load_committee([str(checkpoints[0])]).evaluation == "eager"
        assert make() == document
        committee = load_committee([str(path) for path in checkpoints], all_frames())
        assert committee.evaluation == f"compiled {document.artifact.sha256[:16]}"
        assert workspace.ledger.count("compiled_potentials") == 1


def test_setting_never_evaluates_eagerly(root, document, checkpoints):
    settings = Settings(root=root, n_threads=1, compile_potentials="never")
    with Workspace(settings, "first") as workspace, use_workspace(workspace):
        assert load_committee([str(checkpoints[0])]).evaluation == "eager"


def test_damaged_graph_is_quarantined_and_compiled_again(root, document, checkpoints, monkeypatch):
    """The graph of the campaign comes from the shared folder; without an intact one there, it is compiled."""
    compiled = 0

    def copy_of_graph(spec, elements, device, n_threads, folder, stop_requested):
        nonlocal compiled
        compiled += 1
        return GraphFile(intact, document.constants)

    monkeypatch.setattr(compiler, "compile_graph", copy_of_graph)
    with campaign(root, "damaged") as workspace:
        make()
        path = workspace.artifacts.get(document.artifact)
        intact = root / "intact.nequip.pt2"
        intact.write_bytes(path.read_bytes())
        shared = root / ".compiled_graphs" / path.relative_to(root / "damaged" / "artifacts")
        for each, repeats in ((path, 0), (shared, 1)):
            each.write_bytes(each.read_bytes()[:-1] + b"?")
            path.write_bytes(b"damaged")
            assert load_committee([str(checkpoints[0])]).evaluation == "eager"
            failure = workspace.ledger.failure("compiled_potentials", document.key)
            assert failure["reason"] == "damaged_artifact"
            assert make().artifact == document.artifact
            assert compiled == repeats
            assert load_committee([str(checkpoints[0])]).evaluation.startswith("compiled")
        assert list((root / "damaged" / "artifacts" / "quarantine").iterdir())
        assert list((root / ".compiled_graphs" / "quarantine").iterdir())


def start() -> Atoms:
    return strained_and_rattled(load_phase("Li2S"), 1, 0.0, 0.05, 3, min_atoms=12)[0]


def test_dynamics_with_a_compiled_committee_restart_exactly(tmp_path, checkpoints, graph):
    """17 + 23 steps equal 40 steps."""
    monitor = UncertaintyMonitor(
        interval_steps=1,
        select_force_std_eV_per_angstrom=0.0,
        stop_force_std_eV_per_angstrom=None,
        close_contact_fraction=0.2,
        max_temperature_factor=50.0,
        grace_factor=50.0,
        max_candidates=3,
        candidate_window_steps=10,
    )

    def segment(folder: Path, last_step: int | None = None):
        n_calls = 0

        def stop_requested() -> bool:
            nonlocal n_calls
            n_calls += 1
            return n_calls == last_step

        load_graph.cache_clear()  # as in a new process
        committee = committee_of(checkpoints[:3], graph)
        return run_segment(
            start(),
            committee,
            LangevinNVT(temperature_K=200.0, timestep_fs=1.0),
            n_steps=40,
            seed=5,
            folder=folder,
            monitor=monitor,
            frame_interval_steps=4,
            checkpoint_interval_steps=100,
            stop_requested=stop_requested if last_step else None,
            evaluation=committee.evaluation,
        )

    at_once = segment(tmp_path / "at once")
    stopped = segment(tmp_path / "in two", last_step=17)
    assert (stopped.stop_reason, stopped.stop_step) == ("walltime", 17)
    resumed = segment(tmp_path / "in two")
    assert (at_once.stop_reason, at_once.stop_step) == ("finished", 40)
    one, two = read_checkpoint(at_once.last_good_checkpoint), read_checkpoint(resumed.last_good_checkpoint)
    assert one.state_sha256() == two.state_sha256()
    assert at_once.trajectory.read_bytes() == resumed.trajectory.read_bytes()
    np.testing.assert_array_equal(at_once.uncertainty_eV_per_angstrom, resumed.uncertainty_eV_per_angstrom)


class StopAfter(Deadline):
    """Deadline that passes at the n-th look."""

    def __init__(self, n_looks: int) -> None:
        super().__init__(None, "test")
        object.__setattr__(self, "looks", iter([False] * n_looks))

    @property
    def is_over(self) -> bool:
        return next(self.looks, True)


MAKER = SegmentMaker(
    dynamics=DynamicsSpec(temperature_K=200, timestep_fs=1.0),
    n_steps=30,
    frame_interval_steps=5,
    uncertainty_interval_steps=5,
    checkpoint_interval_steps=10,
    runaway_temperature_factor=50.0,
    min_distance_fraction=0.2,
)


def segment_of(checkpoints: list[Path]):
    return SegmentMaker.make.original(MAKER, start(), [str(path) for path in checkpoints[:2]])


def interrupt(monkeypatch, checkpoints: list[Path]) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(segments_job, "deadline", lambda settings: StopAfter(3))
        with pytest.raises(WalltimeReachedError):
            segment_of(checkpoints)


def test_segment_that_began_eagerly_stays_eager(root, document, checkpoints, monkeypatch):
    """A graph that is compiled between interruption and resume is used from the next segment."""
    with campaign(root, "eager-throughout"):
        expected = segment_of(checkpoints)
    with campaign(root, "compiled-later"):
        interrupt(monkeypatch, checkpoints)
        make()
        assert stored_graph(checkpoints[0]) is not None
        resumed = segment_of(checkpoints)
        following = SegmentMaker.make.original(MAKER, resumed, [str(path) for path in checkpoints[:2]])
    assert (expected.evaluation, resumed.evaluation) == ("eager", "eager")
    assert resumed.continue_state == expected.continue_state
    assert resumed.trajectory == expected.trajectory
    assert following.evaluation.startswith("compiled")


def test_segment_whose_graph_is_lost_restarts(root, document, checkpoints, monkeypatch):
    """The steps done are discarded, since half a segment of each evaluation could not be reproduced."""
    with campaign(root, "eager"):
        expected = segment_of(checkpoints)
    with campaign(root, "graph-lost") as workspace:
        make()
        interrupt(monkeypatch, checkpoints)
        workspace.artifacts.discard(document.artifact)
        resumed = segment_of(checkpoints)
    assert resumed.evaluation == "eager"
    assert resumed.continue_state == expected.continue_state
    assert any("restarted: it began with compiled" in note for note in resumed.notes)


def test_interrupted_compiled_segment_equals_an_uninterrupted_one(root, document, checkpoints, monkeypatch):
    with campaign(root, "compiled-at-once"):
        make()
        expected = segment_of(checkpoints)
    with campaign(root, "compiled-in-two"):
        make()
        interrupt(monkeypatch, checkpoints)
        resumed = segment_of(checkpoints)
    assert resumed.evaluation == expected.evaluation == f"compiled {document.artifact.sha256[:16]}"
    assert resumed.continue_state == expected.continue_state
    assert resumed.trajectory == expected.trajectory
