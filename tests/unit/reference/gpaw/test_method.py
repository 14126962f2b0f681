"""GPAW as a reference method, on the smallest possible cell."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from interphase_flows.exceptions import InputError, ReferenceMethodError, SettingsError
from interphase_flows.reference.attempts import ATTEMPTS
from interphase_flows.reference.gpaw import method as gpaw_method
from interphase_flows.reference.gpaw.input import LabelInput, gpaw_parameters
from interphase_flows.reference.gpaw.method import GPAWMethod
from interphase_flows.reference.k_points import MESH_RULE
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.settings import Settings

needs_gpaw = pytest.mark.skipif(
    find_spec("gpaw") is None or find_spec("gpaw_data") is None, reason="GPAW is not installed"
)
COARSE = GpawSpec(cutoff_eV=200.0, k_density_per_inverse_angstrom=0.5)
FIELDS = {
    "functional": "PBEsol",
    "cutoff_eV": 400.0,
    "k_density_per_inverse_angstrom": 4.0,
    "gamma_above_atoms": 60,
    "smearing_eV": 0.2,
    "spin_polarized": True,
    "scf_energy_tolerance_eV_per_electron": 1e-6,
    "scf_density_tolerance_per_electron": 1e-5,
    "max_scf_steps": 200,
}


def lithium():
    atoms = bulk("Li", "bcc", 3.44)
    atoms.set_cell(atoms.cell.array * [1.0, 1.02, 1.0], scale_atoms=True)
    return atoms


@needs_gpaw
@pytest.mark.parametrize("field", [name for name in GpawSpec.model_fields if name != "method"])
def test_every_field_of_the_spec_is_part_of_the_identity(field):
    method, other = (GPAWMethod(spec, Settings()) for spec in (GpawSpec(), GpawSpec(**{field: FIELDS[field]})))
    assert method.identity.key != other.identity.key
    assert not method.identity.is_surrogate


@needs_gpaw
def test_mesh_rule_is_part_of_the_identity_unless_all_cells_use_gamma():
    meshes, gamma = (GPAWMethod(GpawSpec(gamma_above_atoms=n), Settings()).identity.settings for n in (2, 1))
    assert meshes["k_point_mesh"] == MESH_RULE
    assert "k_point_mesh" not in gamma


@needs_gpaw
def test_identity_is_independent_of_machine_settings():
    here = Settings(n_threads=4, gpaw_command="mpirun -np 4 gpaw python", memory_limit_gb=2, walltime_s=60)
    assert GPAWMethod(GpawSpec(), here).identity == GPAWMethod(GpawSpec(), Settings()).identity


@needs_gpaw
def test_identity_does_not_import_gpaw_or_atomate2():
    """Their imports take seconds."""
    code = (
        "import sys; from interphase_flows.reference.registry import reference_method; from ase import Atoms; "
        "m = reference_method('gpaw'); m.identity, m.supports(Atoms('Li', cell=[3, 3, 3], pbc=True)); "
        "print([name for name in ('gpaw', 'atomate2', 'torch', 'custodian.vasp') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_error_without_gpaw_has_both_commands_of_the_installation(monkeypatch):

    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(gpaw_method, "version", version)
    with pytest.raises(InputError, match=r"apt-get install .*libxc-dev.*pip install 'interphase-flows\[gpaw\]'"):
        GPAWMethod(GpawSpec(), Settings())


@needs_gpaw
@pytest.mark.parametrize(
    ("atoms", "reason"),
    [
        (Atoms("Li", cell=[3, 3, 3], pbc=True), None),
        (Atoms("LiAm", positions=[[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True), "Am"),
        (Atoms("Li"), "cell"),
        (Atoms("Li", cell=[3, 3, 3], pbc=[True, True, False]), "periodic"),
    ],
)
def test_supports_reports_missing_setups_and_missing_periodicity(atoms, reason):
    found = GPAWMethod(GpawSpec(), Settings()).supports(atoms)
    assert found is None if reason is None else reason in found


@needs_gpaw
def test_unsupported_atoms_start_no_process(tmp_path):
    with pytest.raises(ReferenceMethodError) as failure:
        GPAWMethod(GpawSpec(), Settings()).label(Atoms("Li"), tmp_path)
    assert failure.value.reason == "unsupported"
    assert not any(tmp_path.iterdir())


def test_only_the_k_points_depend_on_the_cell():
    cubic = [Atoms(["Li"] * n, positions=np.zeros((n, 3)), cell=np.eye(3) * 5.7, pbc=True) for n in (39, 40)]
    small, large = (gpaw_parameters(GpawSpec(gamma_above_atoms=40), atoms) for atoms in cubic)
    assert small.pop("kpts") == {"size": [4, 4, 4], "gamma": True}
    assert large.pop("kpts") == {"size": [1, 1, 1], "gamma": True}
    assert small == large


def test_input_file_round_trip_is_exact(tmp_path):
    task = LabelInput(
        numbers=[3],
        positions_angstrom=[[0.1, 1 / 3, 2e-17]],
        cell_angstrom=[[3.0, 0.0, 0.0], [0.0, np.pi, 0.0], [0.0, 0.0, 3.0]],
        spin_polarized=True,
        parameters=gpaw_parameters(GpawSpec(), lithium()),
        density_interval_s=1.0,
        deadline_unix_s=None,
        memory_limit_gb=1.5,
        owner_pid=1,
        owner_host="here",
    )
    task.write(tmp_path)
    assert LabelInput.read(tmp_path) == task
    assert task.atoms().get_initial_magnetic_moments().tolist() == [1.0]


@needs_gpaw
@pytest.mark.filterwarnings("ignore")  # GPAW runs in this process
def test_label_is_identical_to_a_direct_gpaw_calculation(tmp_path, monkeypatch):
    """Nothing is written outside the folder."""
    from gpaw import GPAW

    here, folder = tmp_path / "here", tmp_path / "label"
    here.mkdir()
    monkeypatch.chdir(here)
    atoms = lithium()
    before = atoms.copy()
    raw = GPAWMethod(COARSE, Settings()).label(atoms, folder)
    assert atoms == before
    assert atoms.calc is None
    assert not any(here.iterdir())

    atoms.calc = GPAW(**gpaw_parameters(COARSE, atoms), txt=None)
    assert raw.energy_eV == atoms.get_potential_energy(force_consistent=True)
    assert np.array_equal(raw.forces_eV_per_angstrom, atoms.get_forces())
    assert np.array_equal(raw.stress_eV_per_angstrom3, atoms.get_stress())
    assert raw.details["extrapolated_energy_eV"] == atoms.get_potential_energy()
    assert raw.is_scf_converged
    assert raw.details["n_electrons"] == 1.0
    assert raw.details["n_k_points"] == len(atoms.calc.get_ibz_k_points())
    assert 0.05 < raw.details["peak_memory_gb"] < 2.0
    assert [path.name for path in raw.files] == ["input.json", "gpaw.txt", "result.json"]


@needs_gpaw
@pytest.mark.filterwarnings("ignore")
def test_calculator_returns_the_free_energy_on_the_mesh_of_each_cell():
    """Energies of relaxed phases are compared with labels."""
    from gpaw import GPAW

    spec = COARSE.model_copy(update={"k_density_per_inverse_angstrom": 0.6})
    calculator = GPAWMethod(spec, Settings()).calculator()
    sizes = []
    for atoms in (lithium(), lithium().repeat((2, 1, 1))):
        atoms.calc = calculator
        energy = atoms.get_potential_energy()
        parameters = gpaw_parameters(spec, atoms)
        sizes.append(parameters["kpts"]["size"])
        atoms.calc = GPAW(**parameters, txt=None)
        assert energy == atoms.get_potential_energy(force_consistent=True)
        assert energy < atoms.get_potential_energy()
    assert sizes[0] != sizes[1]


@needs_gpaw
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-mpirun -np 2 python", "there is no program 'no-such-mpirun'"),
        ("sh -c 'exit 127' --", "exit status 127"),
        (f"{sys.executable} -S -E", "No module named"),
    ],
)
def test_command_that_cannot_start_gpaw_raises_settings_error(tmp_path, command, message):
    """It does not count as an attempt."""
    method = GPAWMethod(COARSE, Settings(gpaw_command=command))
    with pytest.raises(SettingsError, match=f"gpaw_command.*{message}.*set it to a Python that has GPAW"):
        method.label(lithium(), tmp_path)
    assert not (tmp_path / ATTEMPTS).exists()
