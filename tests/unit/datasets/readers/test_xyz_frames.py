"""Broken frames of extxyz are rejected alone, and files are recognised by their content."""

import gzip
import lzma

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from hypothesis import given, settings
from hypothesis import strategies as st

from interphase_flows.datasets.importing import labelled_frames
from interphase_flows.datasets.readers import read_labels
from interphase_flows.datasets.readers.records import UNREADABLE, ForeignLabel
from interphase_flows.datasets.readers.xyz_frames import UnreadableFrame, read_xyz_frames
from interphase_flows.exceptions import InputError
from interphase_flows.reference.labelling import method_identity
from interphase_flows.reference.spec import VaspSpec
from vasp_records import SILICON, unpack

METHOD = method_identity("emt", "emt", "", {})
N_FRAMES, N_LINES = 3, 6
"""Each frame has four atoms."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> list[str]:
    """Lines of three labelled frames of copper."""
    frames = []
    for seed in range(N_FRAMES):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        atoms.get_stress()
        atoms.info["origin"] = f"run {seed}"
        frames.append(atoms)
    path = tmp_path_factory.mktemp("frames") / "good.extxyz"
    write(path, frames)
    return path.read_text().splitlines(keepends=True)


def is_unreadable(labels: list[ForeignLabel]) -> list[bool]:
    return [UNREADABLE in label.raw.details for label in labels]


BROKEN = {
    "missing atom": lambda frame: [*frame[:3], *frame[4:]],
    "surplus atom": lambda frame: [*frame, frame[-1]],
    "absurd number of atoms": lambda frame: ["100000000000\n", *frame[1:]],
    "negative number of atoms": lambda frame: ["-4\n", *frame[1:]],
    "text in place of a number": lambda frame: [*frame[:5], "Cu a b c 0.0 0.0 0.0\n"],
    "missing columns": lambda frame: [*frame[:5], frame[5][:20] + "\n"],
    "unknown element": lambda frame: [*frame[:5], frame[5].replace("Cu", "Qq")],
    "missing comment": lambda frame: [frame[0], *frame[2:]],
    "broken cell": lambda frame: [frame[0], frame[1].replace('Lattice="', 'Lattice="x '), *frame[2:]],
    "nothing but a header": lambda frame: frame[:2],
}


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - {"negative number of atoms"}))
@pytest.mark.parametrize("place", range(N_FRAMES))
def test_a_broken_frame_is_rejected_alone(lines, tmp_path, name, place):
    path = tmp_path / "labels.extxyz"
    first = N_LINES * place
    path.write_text("".join([*lines[:first], *BROKEN[name](lines[first : first + N_LINES]), *lines[first + N_LINES :]]))
    labels = read_labels([path]).labels
    assert is_unreadable(labels) == [index == place for index in range(N_FRAMES)]
    assert [str(label.origin) for label in labels if UNREADABLE not in label.raw.details] == [
        f"imported/run {index}" for index in range(N_FRAMES) if index != place
    ]
    with pytest.raises(InputError, match=rf"labels.extxyz, frame {place}: cannot be read \(.+\)\. Hint"):
        labelled_frames([path], METHOD)


def test_a_header_that_is_no_number_of_atoms_takes_its_frame_along(lines, tmp_path):
    """It is like a surplus atom of the frame before, so both frames are rejected, and neither is lost silently."""
    path = tmp_path / "labels.extxyz"
    path.write_text("".join([*lines[:N_LINES], "-4\n", *lines[N_LINES + 1 :]]))
    assert is_unreadable(read_labels([path]).labels) == [True, False]


@pytest.mark.parametrize("gap", ["\n", "  \n\n"])
def test_frames_after_empty_lines_are_read(lines, tmp_path, gap):
    path = tmp_path / "labels.extxyz"
    path.write_text("".join([gap, *lines[:N_LINES], gap, *lines[N_LINES:], gap]))
    assert is_unreadable(read_labels([path]).labels) == [False] * N_FRAMES
    assert len(labelled_frames([path], METHOD)[0]) == N_FRAMES


@settings(deadline=None, max_examples=60)
@given(start=st.integers(0, N_FRAMES * N_LINES), n=st.integers(1, N_LINES - 1))
def test_lost_lines_never_change_a_frame_unnoticed(lines, tmp_path_factory, start, n):
    """Every frame is read as it was, or a frame is rejected; fewer lines are lost than a frame has."""
    folder = tmp_path_factory.mktemp("cut")
    (folder / "all.extxyz").write_text("".join(lines))
    (folder / "cut.extxyz").write_text("".join([*lines[:start], *lines[start + n :]]))
    original = [atoms.get_potential_energy() for atoms in read_xyz_frames(folder / "all.extxyz")]
    found = list(read_xyz_frames(folder / "cut.extxyz"))
    intact = [atoms.get_potential_energy() for atoms in found if not isinstance(atoms, UnreadableFrame)]
    lost = lines[start : start + n]
    n_touched = len({line // N_LINES for line in range(start, start + len(lost))})
    assert set(intact) <= set(original)
    assert len(intact) >= N_FRAMES - n_touched - 1
    assert any(isinstance(each, UnreadableFrame) for each in found) == bool(lost)


def test_comments_may_be_empty_or_a_number(tmp_path):
    (tmp_path / "plain.xyz").write_text("1\n\nLi 0 0 0\n2\n17\nLi 0 0 0\nH 0 0 1.6\n0\nno atoms\n1\nVEC\nH 1 0 0\n")
    assert [len(atoms) for atoms in read_xyz_frames(tmp_path / "plain.xyz")] == [1, 2, 0, 1]


def test_a_file_without_any_readable_frame_is_an_error(tmp_path):
    (tmp_path / "labels.xyz").write_text("3\nLattice=\nLi 0 0\n")
    with pytest.raises(InputError, match=r"no frame can be read, the first one because it has 1 lines.*Hint"):
        read_labels([tmp_path / "labels.xyz"])


@pytest.mark.parametrize(
    "name", ["POSCAR_train.xyz", "OUTCAR.extxyz", "vasprun.xml.xyz", "XDATCAR_2.xyz", "labels", "labels.dat", "xyz.in"]
)
def test_extxyz_under_any_name(lines, tmp_path, name):
    (tmp_path / name).write_text("".join(lines))
    assert len(read_labels([tmp_path / name]).labels) == N_FRAMES
    assert len(labelled_frames([tmp_path / name], METHOD)[0]) == N_FRAMES


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_extxyz(lines, tmp_path, suffix, compress):
    (tmp_path / f"a.xyz{suffix}").write_bytes(compress("".join(lines).encode()))
    assert len(read_labels([tmp_path / f"a.xyz{suffix}"]).labels) == N_FRAMES


@pytest.mark.parametrize("name", ["run1_vasprun.xml", "static.xml", "POSCAR"])
def test_vasprun_under_any_name_states_its_level_of_theory(tmp_path, name):
    """ASE reads such a file without its convergence."""
    (unpack("converged", tmp_path) / "vasprun.xml").rename(tmp_path / name)
    labels = read_labels([tmp_path / name], spec=SILICON).labels
    assert {label.raw.details["functional"] for label in labels} == {"PBE"}
    assert all(label.raw.is_scf_converged for label in labels)
    assert {label.origin for label in labels} == {f"imported/{tmp_path / name}"}
    (other, *_) = read_labels([tmp_path / name], spec=VaspSpec(functional="PBEsol", cutoff_eV=300.0)).labels
    assert "GGA is PE, not PS" in str(other.raw.details["deviations"])


@pytest.mark.parametrize("name", ["run1_OUTCAR", "run.out"])
def test_outcar_under_any_name_states_its_level_of_theory(tmp_path, name):
    (unpack("converged", tmp_path) / "OUTCAR").rename(tmp_path / name)
    labels = read_labels([tmp_path / name]).labels
    assert {label.raw.details["functional"] for label in labels} == {"PBE"}
    assert all(label.raw.is_scf_converged for label in labels)


@pytest.mark.parametrize("value", [{"b": 1, "a": "x"}, ["melt", "300 K"]])
def test_an_origin_may_be_json(tmp_path, value):
    atoms = bulk("Cu", cubic=True)
    atoms.calc = EMT()
    atoms.get_forces()
    atoms.info["origin"] = value
    write(tmp_path / "labels.extxyz", [atoms] * 2)
    labels = read_labels([tmp_path / "labels.extxyz"]).labels
    assert len({label.origin for label in labels}) == 1
    assert "x" in labels[0].origin or "melt" in labels[0].origin
    assert np.isfinite(labels[0].raw.energy_eV)
