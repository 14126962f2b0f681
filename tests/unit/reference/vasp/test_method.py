"""Identity of VASP as a reference method, unsupported atoms, and errors without VASP."""

import subprocess
import sys
from dataclasses import replace

import pytest
from ase import Atoms
from ase.build import bulk

from interphase_flows.exceptions import ReferenceMethodError, SettingsError
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.incar import potentials
from interphase_flows.reference.vasp.labeller import _keep_density, _start_from_kept_density
from interphase_flows.reference.vasp.method import VASPMethod
from interphase_flows.settings import Settings

CHANGES = {
    "code_version": "5.4.4",
    "functional": "PBE",
    "cutoff_eV": 500.0,
    "k_density_per_inverse_angstrom": 4.0,
    "gamma_above_atoms": 100,
    "smearing_eV": 0.05,
    "spin_polarized": True,
    "scf_energy_tolerance_eV": 1e-6,
    "real_space_projection": True,
    "potentials": "PBE_64",
    "max_scf_steps": 60,
}


def identity(spec=VaspSpec(), **settings):
    return VASPMethod(spec, Settings(**settings)).identity


@pytest.mark.parametrize("key", sorted(VaspSpec.model_fields.keys() - {"method"}))
def test_every_field_of_the_spec_is_part_of_the_identity(key):
    assert identity(VaspSpec(**{key: CHANGES[key]})).key != identity().key


def test_identity_is_independent_of_machine_settings():
    here = identity(vasp_command="srun vasp_std", vasp_parallel={"KPAR": 4}, n_threads=2, walltime_s=60)
    assert here == identity()
    assert not here.is_surrogate


def test_titles_of_the_potentials_are_part_of_the_identity(monkeypatch):
    """Names are not sufficient: every release has a Li_sv."""
    before = identity()
    table = dict(potentials("PBE_54"))
    table["Li"] = replace(table["Li"], title="PAW_PBE Li_sv 23Jan2001")
    monkeypatch.setattr("interphase_flows.reference.vasp.method.potentials", lambda release: table)
    assert identity().key != before.key


def test_method_is_created_by_name_without_vasp():
    """`reference: vasp`; VASP is needed by the first label only."""
    assert reference_method("vasp", Settings()).identity == identity()


def test_supports_reports_missing_potentials_and_missing_periodicity(tmp_path):
    method = VASPMethod(VaspSpec(), Settings(vasp_command="true"))
    assert method.supports(bulk("Li")) is None
    assert "Lr" in method.supports(bulk("Li", cubic=True)[:1] + Atoms("Lr", cell=[4, 4, 4], pbc=True))
    assert "periodic" in method.supports(Atoms("Li2", positions=[[0, 0, 0], [0, 0, 2]]))
    assert "periodic" in method.supports(Atoms("Li", cell=[4, 4, 4], pbc=[True, True, False]))
    with pytest.raises(ReferenceMethodError) as raised:
        method.label(Atoms("Li"), tmp_path)
    assert raised.value.reason == "unsupported"


def test_missing_command_raises_settings_error_with_both_settings(tmp_path, monkeypatch):
    monkeypatch.delenv("VASP_CMD", raising=False)
    with pytest.raises(SettingsError, match=r"VASP_CMD.*vasp_command"):
        VASPMethod(VaspSpec(), Settings()).label(bulk("Li"), tmp_path)
    monkeypatch.setenv("VASP_CMD", "no_such_mpirun vasp_std")
    with pytest.raises(SettingsError, match="no_such_mpirun"):
        VASPMethod(VaspSpec(), Settings()).label(bulk("Li"), tmp_path)


def test_settings_take_precedence_over_the_environment(monkeypatch):
    monkeypatch.setenv("VASP_CMD", "false vasp_std")
    assert VASPMethod(VaspSpec(), Settings(vasp_command="true vasp_std")).command() == ["true", "vasp_std"]
    assert VASPMethod(VaspSpec(), Settings()).command() == ["false", "vasp_std"]


@pytest.mark.parametrize(
    ("written", "start"),
    [
        ({}, {"ISTART": 0, "ICHARG": 2}),
        ({"WAVECAR": "waves", "CHGCAR": "density"}, {"ISTART": 1, "ICHARG": 1}),
        ({"WAVECAR": "waves"}, {"ISTART": 1, "ICHARG": 0}),
        ({"CHGCAR": "density"}, {"ISTART": 0, "ICHARG": 1}),
        ({"WAVECAR": "", "CHGCAR": ""}, {"ISTART": 0, "ICHARG": 2}),
    ],
)
def test_run_starts_from_copies_of_the_kept_restart_files(written, start, tmp_path):
    """VASP creates an empty WAVECAR when it starts, which is not kept."""
    for name, text in written.items():
        (tmp_path / name).write_text(text)
    _keep_density(tmp_path)
    for name in ("WAVECAR", "CHGCAR"):
        (tmp_path / name).unlink(missing_ok=True)
    for _ in range(2):
        assert _start_from_kept_density(tmp_path) == start
        for name, text in written.items():
            if text:
                assert (tmp_path / name).read_text() == text
                (tmp_path / name).write_text("damaged by a kill")


def test_identity_does_not_import_pymatgen_or_atomate2():
    """Their imports take seconds."""
    code = (
        "import sys; from interphase_flows.reference.registry import reference_method; "
        "reference_method('vasp').identity; "
        "print({'pymatgen', 'atomate2', 'custodian'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
