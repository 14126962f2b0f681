"""Labels of other programs: names, signs, units, levels of theory, and which frames belong together."""

import gzip
import lzma
import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write
from ase.stress import voigt_6_to_full_3x3_stress
from hypothesis import given, settings
from hypothesis import strategies as st

from interphase_flows.datasets.label_conventions import LabelConventions
from interphase_flows.datasets.readers import read_labels
from interphase_flows.datasets.readers.trajectories import group_frames
from interphase_flows.exceptions import InputError
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.schemas.origin import Origin
from vasp_records import SILICON, unpack


@pytest.fixture
def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=7)
    strain = np.array([[0.0, 0.05, 0.0], [0.03, 0.0, 0.0], [0.0, 0.0, 0.03]])
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.calc = EMT()
    atoms.get_stress()
    return atoms


def unpacked(name: str, folder: Path) -> Path:
    folder.mkdir(parents=True)
    return unpack(name, folder)


def renamed(atoms: Atoms, path: Path, energy: str, forces: str, info: dict[str, object]) -> Path:
    """Write the labels of atoms under other names."""
    bare = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    bare.info = {energy: atoms.get_potential_energy(), **info}
    bare.arrays[forces] = atoms.get_forces()
    write(path, bare, format="extxyz")
    return path


@pytest.mark.parametrize(
    ("energy", "forces", "stress"),
    [("REF_energy", "REF_forces", "REF_stress"), ("energy_dft", "force", "dft_stress"), ("Energy", "Forces", "Stress")],
)
def test_usual_names_are_recognised(copper, tmp_path, energy, forces, stress):
    tensor = voigt_6_to_full_3x3_stress(copper.get_stress())
    path = renamed(copper, tmp_path / "labels.extxyz", energy, forces, {stress: tensor})
    raw = read_labels([path]).labels[0].raw
    assert raw.energy_eV == pytest.approx(copper.get_potential_energy(), abs=1e-7)
    assert raw.forces_eV_per_angstrom == pytest.approx(copper.get_forces(), abs=1e-7)
    assert raw.stress_eV_per_angstrom3 == pytest.approx(copper.get_stress(), abs=1e-7)


@pytest.mark.parametrize(
    ("keys", "factor"),
    [
        ({"stress": "s"}, 1.0),
        ({"stress": "s", "stress_unit": "GPa"}, 160.2176634),
        ({"stress": "s", "stress_unit": "kbar", "stress_is_positive_under": "compression"}, -1602.176634),
        ({"virial": "s"}, "minus volume"),
    ],
)
def test_stress_in_any_convention_is_the_stress_of_ase(copper, tmp_path, keys, factor):
    factor = -copper.get_volume() if factor == "minus volume" else factor
    written = factor * voigt_6_to_full_3x3_stress(copper.get_stress())
    path = renamed(copper, tmp_path / "labels.extxyz", "e", "f", {"s": written})
    raw = read_labels([path], LabelConventions(energy="e", forces="f", **keys)).labels[0].raw
    assert raw.stress_eV_per_angstrom3 == pytest.approx(copper.get_stress(), rel=1e-5, abs=1e-9)


def test_two_different_energies_are_an_error_that_names_both(copper, tmp_path):
    path = renamed(copper, tmp_path / "labels.extxyz", "REF_energy", "forces", {"energy": -1.0})
    with pytest.raises(InputError, match=r"energy, REF_energy differ.*--energy-key"):
        read_labels([path])
    keys = LabelConventions(energy="REF_energy")
    assert read_labels([path], keys).labels[0].raw.energy_eV == pytest.approx(copper.get_potential_energy(), abs=1e-7)


def test_names_that_only_resemble_a_label_are_not_taken(copper, tmp_path):
    path = renamed(copper, tmp_path / "labels.extxyz", "energy", "forces", {"energy_cutoff": 500.0, "mace_energy": 3.0})
    assert read_labels([path]).labels[0].raw.energy_eV == pytest.approx(copper.get_potential_energy(), abs=1e-7)


def test_the_free_energy_is_preferred(copper, tmp_path):
    labels = {"energy": -3.0, "free_energy": -3.5, "forces": copper.get_forces()}
    copper.calc = SinglePointCalculator(copper, **labels)
    write(tmp_path / "labels.traj", copper)
    assert read_labels([tmp_path / "labels.traj"]).labels[0].raw.energy_eV == -3.5


def test_file_names_may_contain_the_at_sign(copper, tmp_path):
    path = renamed(copper, tmp_path / "labels@300K.extxyz", "energy", "forces", {})
    assert len(read_labels([path]).labels) == 1


def test_a_missing_stated_name_lists_what_there_is(copper, tmp_path):
    path = renamed(copper, tmp_path / "labels.extxyz", "REF_energy", "forces", {})
    with pytest.raises(InputError, match=r"no frame has 'dft'.*REF_energy.*--energy-key"):
        read_labels([path], LabelConventions(energy="dft"))


def test_database_of_ase(copper, tmp_path):
    with connect(tmp_path / "labels.db") as database:
        database.write(copper, trajectory="melt 3")
    label = read_labels([tmp_path / "labels.db"]).labels[0]
    assert label.raw.energy_eV == copper.get_potential_energy()
    assert label.origin == "imported/melt 3"


def test_vasprun_states_its_level_of_theory_and_every_ionic_step(tmp_path):
    folder = unpacked("max_force", tmp_path / "run")
    labels = read_labels([tmp_path], spec=SILICON).labels
    assert len(labels) > 1
    assert {label.origin for label in labels} == {f"imported/{folder}"}
    assert {label.raw.details["functional"] for label in labels} == {"PBE"}
    assert {label.raw.details["code"] for label in labels} == {"VASP"}
    other = read_labels([tmp_path], spec=VaspSpec(functional="PBEsol", cutoff_eV=300.0)).labels[0]
    assert "ENCUT is" in str(other.raw.details["deviations"])
    assert "GGA is PE, not PS" in str(other.raw.details["deviations"])


def test_a_run_that_reached_the_largest_number_of_scf_steps_is_not_converged(tmp_path):
    unpacked("unconverged_electronic", tmp_path / "run")
    assert read_labels([tmp_path]).labels[-1].raw.is_scf_converged is False


def test_outcar_and_vasprun_of_one_run_agree(tmp_path):
    run = unpacked("converged", tmp_path / "run")
    from_vasprun = read_labels([run / "vasprun.xml"]).labels
    from_outcar = read_labels([run / "OUTCAR"]).labels
    assert len(from_vasprun) == len(from_outcar)
    for first, second in zip(from_vasprun, from_outcar, strict=True):
        for name in ("code", "code_version", "functional", "cutoff_eV", "max_scf_steps", "n_scf_steps", "n_k_points"):
            assert first.raw.details[name] == second.raw.details[name], name
        assert first.raw.energy_eV == pytest.approx(second.raw.energy_eV, abs=1e-6)
        assert first.raw.forces_eV_per_angstrom == pytest.approx(second.raw.forces_eV_per_angstrom, abs=1e-5)
        assert first.raw.stress_eV_per_angstrom3 == pytest.approx(second.raw.stress_eV_per_angstrom3, abs=1e-6)
    assert len(read_labels([run]).labels) == len(from_vasprun)  # not twice


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_runs(tmp_path, suffix, compress):
    run = unpacked("converged", tmp_path / "run")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / f"vasprun.xml{suffix}").write_bytes(compress((run / "vasprun.xml").read_bytes()))
    assert len(read_labels([tmp_path / "packed"]).labels) == len(read_labels([run]).labels)


def test_a_broken_run_among_others_is_noted_and_a_single_one_is_an_error(tmp_path):
    run = unpacked("converged", tmp_path / "good")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "vasprun.xml").write_bytes((run / "vasprun.xml").read_bytes()[:2000])
    found = read_labels([tmp_path])
    assert found.labels
    assert ["broken" in note for note in found.notes] == [True]
    with pytest.raises(InputError, match=r"broken.*Hint"):
        read_labels([tmp_path / "broken" / "vasprun.xml"])


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"3\nLattice=\nLi 0 0\n", b"{}"])
@pytest.mark.parametrize("name", ["labels.extxyz", "vasprun.xml", "OUTCAR", "labels.db", "labels.traj"])
def test_unreadable_files_are_input_errors(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="Hint"):
        read_labels([tmp_path / name])


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), n_trajectories=st.integers(1, 4))
def test_shuffled_frames_of_trajectories_are_grouped(seed, n_trajectories):
    """Random walks of 0.2 Å per frame in a box with 8 Å, from random packings of the same atoms."""
    rng = np.random.default_rng(seed)
    frames, trajectory = [], []
    for number in range(n_trajectories):
        positions = 8.0 * rng.random((12, 3))
        for _ in range(6):
            positions = positions + rng.normal(0.0, 0.2, positions.shape)
            frames.append(Atoms("Li8S4", positions=positions, cell=[8.0] * 3, pbc=True))
            frames[-1].wrap()
            trajectory.append(number)
    order = rng.permutation(len(frames))
    origins = group_frames([frames[index] for index in order], ["set"] * len(frames))
    pairs = {(trajectory[index], origin) for index, origin in zip(order, origins, strict=True)}
    assert len(pairs) == n_trajectories == len({origin for _, origin in pairs})


def test_a_slash_in_a_name_of_another_program_names_no_family(copper, tmp_path):
    path = renamed(copper, tmp_path / "labels.extxyz", "energy", "forces", {"config_type": "audit/melt"})
    assert read_labels([path]).labels[0].origin == "imported/audit/melt"


def two_trajectories() -> tuple[list[Atoms], list[int]]:
    """Return frames of two random walks of the same atoms in an order that mixes them, and the walk of each frame."""
    rng = np.random.default_rng(5)
    frames, walk = [], []
    for number in range(2):
        positions = 8.0 * rng.random((12, 3))
        for _ in range(20):
            positions = positions + rng.normal(0.0, 0.1, positions.shape)
            frames.append(Atoms("Li8S4", positions=positions, cell=[8.0] * 3, pbc=True))
            results = {"energy": rng.normal(), "forces": rng.normal(size=(12, 3))}
            frames[-1].calc = SinglePointCalculator(frames[-1], **results)
            walk.append(number)
    order = rng.permutation(len(frames))
    return [frames[place] for place in order], [walk[place] for place in order]


@pytest.mark.parametrize("names", [("train", "test"), ("a/labels", "b/labels")])
def test_a_trajectory_in_several_files_has_one_origin(tmp_path, names):
    """A random split of published frames into files does not leak into a split by origin."""
    frames, walk = two_trajectories()
    files = [tmp_path / f"{name}.extxyz" for name in names]
    for file, part in zip(files, (frames[:30], frames[30:]), strict=True):
        file.parent.mkdir(exist_ok=True)
        write(file, part)
    origins = [label.origin for label in read_labels(files).labels]
    assert len(set(zip(walk, origins, strict=True))) == len(set(origins)) == 2


def test_frames_without_an_origin_join_the_stated_one_of_their_trajectory(tmp_path):
    frames, walk = two_trajectories()
    for frame, number in zip(frames[:30], walk[:30], strict=True):
        frame.info["trajectory"] = f"walk {number}"
    frames[3].info.clear()  # within a file as well
    for name, part in (("train", frames[:30]), ("test", frames[30:])):
        write(tmp_path / f"{name}.extxyz", part)
    labels = read_labels([tmp_path / "train.extxyz", tmp_path / "test.extxyz"]).labels
    assert [label.origin for label in labels] == [f"imported/walk {number}" for number in walk]


def test_groups_have_names_apart_from_stated_origins():
    frames, walk = two_trajectories()
    stated = [Origin("imported/set") if number == 0 else None for number in walk]
    assert set(group_frames(frames, ["set"] * len(frames), stated)) == {"imported/set", "imported/set-0"}


def test_a_run_that_continues_another_one_has_its_origin(tmp_path):
    """The first run ends where the second one starts, in another folder; a third one is of other atoms' positions."""
    for name, record in (("1", "max_force"), ("2", "max_force"), ("3", "converged")):
        unpacked(record, tmp_path / name)
    labels = read_labels([tmp_path]).labels
    origins = {Path(label.where.partition(",")[0]).parent.name: label.origin for label in labels}
    assert origins["1"] == origins["2"] != origins["3"]


def test_an_array_called_origin_is_the_corner_of_the_cell(copper, tmp_path):
    """OVITO writes ``Origin``; others write ``origin``, for the frame or for every atom."""
    path = renamed(copper, tmp_path / "labels.extxyz", "energy", "forces", {"origin": np.zeros(3)})
    assert read_labels([path]).labels[0].origin == "imported/labels"
    with pytest.raises(InputError, match=r"no frame has 'origin'.*--origin-key"):
        read_labels([path], LabelConventions(origin="origin"))
    copper.arrays["origin"] = np.array(["a", "b", "c", "d"])
    write(path, copper)
    assert read_labels([path]).labels[0].origin == "imported/labels"


def incomplete(copper: Atoms, path: Path, **changes: object) -> Path:
    """Write three frames, of which the second has no forces."""
    frames = [copper.copy() for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.info["REF_energy"] = copper.get_potential_energy()
        if number != 1:
            frame.arrays["REF_forces"] = copper.get_forces()
    write(path, frames)
    return path


@pytest.mark.parametrize("keys", [{}, {"energy": "REF_energy", "forces": "REF_forces"}])
def test_a_frame_without_a_label_does_not_stop_the_others(copper, tmp_path, keys):
    labels = read_labels([incomplete(copper, tmp_path / "labels.extxyz")], LabelConventions(**keys)).labels
    assert [len(label.raw.forces_eV_per_angstrom) for label in labels] == [4, 0, 4]


def test_a_file_without_any_forces_or_energy_is_an_error_that_lists_its_entries(copper, tmp_path):
    path = incomplete(copper, tmp_path / "labels.extxyz")
    with pytest.raises(InputError, match=r"no frame has 'REF_virial'.*REF_energy.*--virial-key"):
        read_labels([path], LabelConventions(virial="REF_virial"))
    path = renamed(copper, tmp_path / "other.extxyz", "corrected_total_energy", "forces", {})
    with pytest.raises(InputError, match=r"no frame has the energy.*corrected_total_energy.*--energy-key"):
        read_labels([path])


def test_labels_under_two_names_in_one_file_are_an_error_and_one_name_can_be_chosen(copper, tmp_path):
    """Half of the frames may have energies of another method."""
    frames = [copper.copy() for _ in range(4)]
    for number, frame in enumerate(frames):
        frame.info["REF_energy" if number < 2 else "energy_dft"] = -1.0 * number
        frame.arrays["forces_dft"] = copper.get_forces()
    write(tmp_path / "labels.extxyz", frames)
    with pytest.raises(InputError, match=r"frame 2: its energy is 'energy_dft', but 'REF_energy' in .*--energy-key"):
        read_labels([tmp_path / "labels.extxyz"])
    labels = read_labels([tmp_path / "labels.extxyz"], LabelConventions(energy="energy_dft")).labels
    assert [label.raw.energy_eV for label in labels] == [None, None, -2.0, -3.0]


def test_energies_without_entropy_are_not_mixed_with_free_energies(copper, tmp_path):
    frames = [copper.copy() for _ in range(2)]
    for frame, results in zip(frames, ({"free_energy": -3.5}, {}), strict=True):
        frame.calc = SinglePointCalculator(frame, energy=-3.0, forces=copper.get_forces(), **results)
    write(tmp_path / "labels.traj", frames)
    with pytest.raises(InputError, match=r"its energy is 'energy', but 'free_energy'"):
        read_labels([tmp_path / "labels.traj"])
    labels = read_labels([tmp_path / "labels.traj"], LabelConventions(energy="energy")).labels
    assert [label.raw.energy_eV for label in labels] == [-3.0, -3.0]


def test_steps_of_a_force_field_of_vasp_have_no_scf(tmp_path):
    """vasprun.xml has no SCF steps there; with those of an ordinary run removed it is that of such a step."""
    run = unpacked("converged", tmp_path / "run")
    text = (run / "vasprun.xml").read_text()
    (run / "vasprun.xml").write_text(re.sub(r"<scstep>.*?</scstep>", "", text, flags=re.DOTALL))
    for path in (run / "vasprun.xml", run / "OUTCAR"):
        labels = read_labels([path]).labels
        assert [label.raw.details["n_scf_steps"] == 0 for label in labels] == [path.name == "vasprun.xml"] * 3


def test_job_stores_are_no_label_files(tmp_path):
    (tmp_path / "store.yaml").write_text("docs_store: {type: MemoryStore}\n")
    with pytest.raises(InputError, match=r"job store.*accepted.extxyz"):
        read_labels([tmp_path / "store.yaml"])


@pytest.mark.parametrize("value", [True, "text", [1.0, 2.0]])
def test_an_energy_that_is_no_number_is_missing(copper, tmp_path, value):
    path = renamed(copper, tmp_path / "labels.extxyz", "REF_energy", "forces", {})
    with_value = renamed(copper, tmp_path / "other.extxyz", "REF_energy", "forces", {"REF_energy": value})
    path.write_text(path.read_text() + with_value.read_text())
    good, bad = read_labels([path]).labels
    assert good.raw.energy_eV == pytest.approx(copper.get_potential_energy(), abs=1e-7)
    assert bad.raw.energy_eV is None


@pytest.mark.parametrize("stress", ["none", [1.0, 2.0, 3.0]])
def test_a_frame_with_a_broken_stress_or_broken_forces_has_an_incomplete_label(copper, tmp_path, stress):
    path = renamed(copper, tmp_path / "labels.extxyz", "energy", "dft_forces", {"dft_stress": stress})
    good = path.read_text()
    other = Atoms(copper.numbers, positions=copper.positions, cell=copper.cell, pbc=True)
    other.info["energy"] = copper.get_potential_energy()
    other.arrays["dft_forces"] = np.array(["none"] * len(other))
    write(path, other, format="extxyz")
    path.write_text(good + path.read_text())
    first, second = (label.raw for label in read_labels([path]).labels)
    assert first.stress_eV_per_angstrom3 is None
    assert first.forces_eV_per_angstrom.shape == (len(copper), 3)
    assert second.forces_eV_per_angstrom.shape == (0, 3)
