"""Compiled potentials: agreement with eager ones, sharing, damaged files."""

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from nequip.integrations.ase import NequIPCalculator
from nequip.integrations.utils import basic_transforms
from nequip.model import NequIPGNNModel

from compiled_graph import ELEMENTS, attempts, campaign, committee_of, compile_potentials
from interphase_flows.exceptions import CompilationError
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.potentials.committee import NequIPCommittee, load_calculator
from interphase_flows.potentials.compiled import compiler
from interphase_flows.potentials.compiled.agreement import (
    FORCE_TOLERANCE_EV_PER_ANGSTROM,
    STRESS_TOLERANCE_EV_PER_ANGSTROM3,
    check_agreement,
)
from interphase_flows.potentials.compiled.calculator import CompiledNequIPCalculator, extracted_folders, load_graph
from interphase_flows.potentials.compiled.check_frames import check_frames
from interphase_flows.potentials.compiled.committee import load_compiled_calculator
from interphase_flows.potentials.compiled.compiler import GraphFile, cpp_compiler
from interphase_flows.potentials.compiled.verification import random_calculator
from interphase_flows.potentials.config import model_config
from interphase_flows.schemas.dataset import Baseline
from tiny_training import CUTOFF_ANGSTROM, SPEC, all_frames

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(cpp_compiler() is None, reason="no C++ compiler"),
]


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


def load_and_report(path: Path, folders: multiprocessing.Queue) -> None:
    load_graph(path)
    folders.put(extracted_folders())


def test_worker_process_leaves_no_extracted_graph(graph):
    """Processes of multiprocessing end without the destructors of libraries."""
    context = multiprocessing.get_context("spawn")
    folders = context.Queue()
    process = context.Process(target=load_and_report, args=(graph.path, folders))
    process.start()
    (folder,) = folders.get()
    process.join()
    assert folder.name.startswith("aotinductor_")
    assert not folder.exists()


def test_order_of_atoms_and_elements_does_not_matter(root, checkpoints, graph, document):
    with campaign(root, "first"):
        assert compile_potentials(["S", "Li", "P"]) == document
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


def test_killed_compilation_leaves_nothing(compiled_root, document):
    """The first process was killed while it compiled; the next one started again."""
    assert document.wall_time_s > 0
    (attempt,) = attempts(compiled_root)
    assert (attempt / "constants.json").exists()


def test_other_campaigns_use_the_graph_without_compiling(root, document, checkpoints, monkeypatch):
    """A committee uses the graph that it is given, not what is stored by chance."""
    monkeypatch.setattr(compiler, "compile_graph", None)
    with campaign(root, "third") as workspace:
        compiled = compile_potentials()
        assert compiled == document
        paths = [str(path) for path in checkpoints]
        assert load_committee(paths).evaluation == "eager"
        committee = load_committee(paths, all_frames(), compiled=compiled)
        assert committee.evaluation == f"compiled {document.artifact.sha256[:16]}"
        assert committee.notes == []
        assert workspace.ledger.count("compiled_potentials") == 1


def test_setting_never_evaluates_eagerly(root, document, checkpoints):
    with campaign(root, "first"):
        compile_potentials()
    with campaign(root, "first", compile_potentials="never"):
        committee = load_committee([str(checkpoints[0])], compiled=document)
    assert committee.evaluation == "eager"
    assert committee.notes == ["potentials are evaluated eagerly: compile_potentials: never, in the settings"]


def test_graph_of_another_machine_is_not_used(root, document, checkpoints):
    with campaign(root, "first"):
        compile_potentials()
    with campaign(root, "first", n_threads=2):
        committee = load_committee([str(checkpoints[0])], compiled=document)
    assert (committee.evaluation, committee.fallback.reason) == ("eager", "other_machine")
    assert ", 1 thread, " in committee.notes[0]
    assert ", 2 threads, " in committee.notes[0]


def test_damaged_graph_is_quarantined_and_compiled_again(root, document, checkpoints, monkeypatch):
    """The graph of the campaign comes from the shared folder; without an intact one there, it is compiled."""
    compiled = 0

    def copy_of_graph(spec, elements, device, n_threads, folder, stop_requested):
        nonlocal compiled
        compiled += 1
        return GraphFile(intact, document.constants)

    monkeypatch.setattr(compiler, "compile_graph", copy_of_graph)
    with campaign(root, "damaged") as workspace:
        compile_potentials()
        path = workspace.artifacts.get(document.artifact)
        intact = root / "intact.nequip.pt2"
        intact.write_bytes(path.read_bytes())
        shared = root / ".compiled_graphs" / path.relative_to(root / "damaged" / "artifacts")
        for each, repeats in ((path, 0), (shared, 1)):
            each.write_bytes(each.read_bytes()[:-1] + b"?")
            path.write_bytes(b"damaged")
            damaged = load_committee([str(checkpoints[0])], compiled=document)
            assert (damaged.evaluation, damaged.fallback.reason) == ("eager", "damaged_graph")
            assert compile_potentials().artifact == document.artifact
            failure = workspace.ledger.failure("compiled_potentials", document.key)
            assert failure["reason"] == "damaged_artifact"
            assert compiled == repeats
            assert load_committee([str(checkpoints[0])], compiled=document).evaluation.startswith("compiled")
        assert list((root / "damaged" / "artifacts" / "quarantine").iterdir())
        assert list((root / ".compiled_graphs" / "quarantine").iterdir())
