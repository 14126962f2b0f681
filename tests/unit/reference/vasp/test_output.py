"""Results of VASP, read from recorded outputs and compared with an independent reader."""

import re

import numpy as np
import pytest

from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.reference.vasp.output import is_version, read_result, stress_from_kbar
from vasp_records import SILICON, read_record, record_text, unpack

EV_PER_JOULE = 1 / 1.602176634e-19
STRESS_TOLERANCE = 1e-6  # relative; two CODATA values of the elementary charge

RECORDS = ["converged", "static_smearing", "unconverged_electronic", "max_force"]


def test_stress_of_a_compressed_cell_is_negative_in_voigt_order():
    """By hand: 10 kbar = 1 GPa = 1e9 J/m^3; VASP prints it positive, ASE has tension positive; yz before xy."""
    tensor = np.array([[10.0, 4.0, 5.0], [4.0, 20.0, 6.0], [5.0, 6.0, -30.0]])
    kbar = 1e8 * 1e-30 * EV_PER_JOULE  # J/m^3 -> J/Å^3 -> eV/Å^3
    expected = np.array([-10.0, -20.0, 30.0, -6.0, -5.0, -4.0]) * kbar
    assert stress_from_kbar(tensor) == pytest.approx(expected, rel=STRESS_TOLERANCE)


@pytest.mark.parametrize("name", RECORDS)
def test_free_energy_forces_and_stress_are_of_the_last_step(name, tmp_path):
    record = read_record(name)
    result = read_result(unpack(name, tmp_path), record.atoms, SILICON)
    assert result.energy_eV == record.free_energy_eV
    assert result.details["energy_sigma0_eV"] == record.sigma0_energy_eV
    assert np.array_equal(result.forces_eV_per_angstrom, record.forces)
    assert result.stress_eV_per_angstrom3[0] == pytest.approx(
        -record.stress_kbar[0, 0] / 1602.1766, rel=STRESS_TOLERANCE
    )
    assert result.details["n_scf_steps"] == record.n_scf_steps


def test_energy_is_toten_and_not_the_extrapolation_to_zero_smearing(tmp_path):
    """With a smearing of 0.11 eV, the two differ in the seventh digit for silicon."""
    outcar = record_text("converged_OUTCAR")
    toten = float(re.findall(r"free  energy   TOTEN\s+=\s+(-?[\d.]+) eV", outcar)[-1])
    sigma0 = float(re.findall(r"energy\(sigma->0\) =\s+(-?[\d.]+)", outcar)[-1])
    result = read_result(unpack("converged", tmp_path), read_record("converged").atoms, SILICON)
    assert result.energy_eV == pytest.approx(toten, abs=1e-8)
    assert result.details["energy_sigma0_eV"] == pytest.approx(sigma0, abs=1e-8)
    assert toten != sigma0


def test_stress_is_that_of_outcar_converted_by_hand(tmp_path):
    """OUTCAR prints XX YY ZZ XY YZ ZX in kbar; -0.48135 kbar is a tension of 0.3004 meV/Å^3."""
    printed = re.findall(r"in kB(.+)", record_text("converged_OUTCAR"))[-1].split()
    xx, yy, zz, xy, yz, zx = (-float(number) * 1e8 * 1e-30 * EV_PER_JOULE for number in printed)
    result = read_result(unpack("converged", tmp_path), read_record("converged").atoms, SILICON)
    assert result.stress_eV_per_angstrom3 == pytest.approx([xx, yy, zz, yz, zx, xy], abs=1e-8)
    assert result.stress_eV_per_angstrom3[0] == pytest.approx(3.004e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "is_converged"),
    [("converged", True), ("static_smearing", True), ("max_force", True), ("unconverged_electronic", False)],
)
def test_scf_convergence_is_read_from_the_output(name, is_converged, tmp_path):
    """A cycle of NELM steps has not converged."""
    result = read_result(unpack(name, tmp_path), read_record(name).atoms, SILICON)
    assert result.is_scf_converged is is_converged


def test_scf_cycle_stopped_by_labort_has_not_converged(tmp_path):
    """It has fewer steps than NELM, which is pymatgen's only criterion."""
    folder = unpack("converged", tmp_path)
    outcar = (folder / "OUTCAR").read_text()
    head, _, tail = outcar.rpartition("aborting loop because EDIFF is reached")
    (folder / "OUTCAR").write_text(f"{head}hard stop encountered!  aborting job ...{tail}")
    assert not read_result(folder, read_record("converged").atoms, SILICON).is_scf_converged


def test_gate_compares_the_norm_of_the_largest_force(tmp_path):
    """0.53 eV/Å for 120 atoms."""
    record = read_record("max_force")
    result = read_result(unpack("max_force", tmp_path), record.atoms, SILICON)
    largest = float(np.linalg.norm(record.forces, axis=1).max())
    raw = RawLabel(result.energy_eV, result.forces_eV_per_angstrom, result.stress_eV_per_angstrom3, True)
    rejection = Gates(max_force_eV_per_angstrom=0.99 * largest).after(record.atoms, raw)
    assert rejection is not None
    assert rejection.reason == "max_force"
    passing = Gates(max_force_eV_per_angstrom=1.01 * largest).after(record.atoms, raw)
    assert passing is None or passing.reason != "max_force"


def test_requested_level_of_theory_has_no_deviations(tmp_path):
    assert read_result(unpack("converged", tmp_path), read_record("converged").atoms, SILICON).deviations == ()


@pytest.mark.parametrize(
    ("change", "deviation"),
    [
        ({"functional": "PBEsol"}, "GGA is PE, not PS"),
        ({"functional": "r2SCAN"}, "METAGGA is --, not R2SCAN"),
        ({"cutoff_eV": 500.0}, "ENCUT is 520.0, not 500.0"),
        ({"smearing_eV": 0.1}, "SIGMA is 0.11151019, not 0.1"),
        ({"spin_polarized": False}, "ISPIN is 2, not 1"),
        ({"real_space_projection": False}, "LREAL is True, not False"),
        ({"k_density_per_inverse_angstrom": 2.0}, "KPOINTS is (7, 7, 7), not (4, 4, 4)"),
        ({"scf_energy_tolerance_eV": 1e-5}, "EDIFF is 0.0001, looser than 1e-05"),
        ({"code_version": "6.5"}, "VASP is 6.4.2, not 6.5"),
    ],
)
def test_deviation_from_the_requested_level_is_reported(change, deviation, tmp_path):
    spec = SILICON.model_copy(update=change)
    result = read_result(unpack("converged", tmp_path), read_record("converged").atoms, spec)
    assert result.deviations == (deviation,)


def test_meta_gga_is_identified_by_metagga_alone(tmp_path):
    """The record is of r2SCAN; its GGA tag has no meaning."""
    spec = SILICON.model_copy(update={"functional": "r2SCAN", "cutoff_eV": 680.0, "code_version": "5.4.4"})
    result = read_result(unpack("static_smearing", tmp_path), read_record("static_smearing").atoms, spec)
    assert [deviation.split()[0] for deviation in result.deviations] == ["ISMEAR", "SIGMA", "KPOINTS"]


def test_potential_of_another_release_is_reported(tmp_path):
    """The chlorine of the record is of 2003, that of PBE_54 of 2000."""
    result = read_result(unpack("max_force", tmp_path), read_record("max_force").atoms, SILICON)
    titles = ("PAW_PBE Cl 17Jan2003", "PAW_PBE Cl 06Sep2000")
    assert any(all(title in deviation for title in titles) for deviation in result.deviations)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("energy", ' <i name="e_fr_energy">    -10.84147289 </i>', ' <i name="e_fr_energy">    -10.84157289 </i>'),
        (
            "forces",
            "<v>      -0.00000000       0.00000000      -0.00",
            "<v>      -0.00400000       0.00000000      -0.00",
        ),
        ("stress", "<v>      -0.48135140", "<v>       0.48135140"),
        (
            "stress",
            "<v>       0.00000000       0.00000000      -0.4",
            "<v>       0.00000000       0.00000000      -0.6",
        ),
    ],
)
def test_changed_digit_in_vasprun_is_garbage(name, old, new, tmp_path):
    folder = unpack("converged", tmp_path)
    head, found, tail = (folder / "vasprun.xml").read_text().rpartition(old)
    assert found
    (folder / "vasprun.xml").write_text(f"{head}{new}{tail}")
    with pytest.raises(ReferenceMethodError, match=f"{name} differs") as raised:
        read_result(folder, read_record("converged").atoms, SILICON)
    assert raised.value.reason == "garbage_output"


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_output_is_garbage(fraction, tmp_path):
    folder = unpack("converged", tmp_path)
    text = (folder / "vasprun.xml").read_text()
    (folder / "vasprun.xml").write_text(text[: int(fraction * len(text))])
    with pytest.raises(ReferenceMethodError) as raised:
        read_result(folder, read_record("converged").atoms, SILICON)
    assert raised.value.reason == "garbage_output"


def test_missing_output_is_garbage_and_names_the_file(tmp_path):
    from ase.build import bulk

    with pytest.raises(ReferenceMethodError, match=r"vasprun\.xml") as raised:
        read_result(tmp_path, bulk("Si"), SILICON)
    assert raised.value.reason == "garbage_output"


def test_output_of_other_atoms_is_garbage(tmp_path):
    """Another element, or an atom displaced by 0.01 Å."""
    folder, atoms = unpack("converged", tmp_path), read_record("converged").atoms
    moved, other = atoms.copy(), atoms.copy()
    moved.positions[1] += [0.01, 0.0, 0.0]
    other.symbols[1] = "Ge"
    for wrong in (moved, other):
        with pytest.raises(ReferenceMethodError) as raised:
            read_result(folder, wrong, SILICON)
        assert raised.value.reason == "garbage_output"


def test_version_is_compared_part_by_part():
    assert is_version("6.4.2", "6")
    assert is_version("6.4.2", "6.4")
    assert not is_version("6.41", "6.4")
    assert not is_version("5.4.4.18apr17", "6")
    assert is_version("5.4.4.18apr17-6-g9f103f2a35", "5.4.4")
