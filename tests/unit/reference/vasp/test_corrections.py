"""Corrections of custodian that leave the level of theory unchanged, and those that do not."""

import json

import pytest

from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.corrections import changes_theory, read_corrections

SPEC = VaspSpec(scf_energy_tolerance_eV=1e-5)


def in_incar(**tags):
    return {"dict": "INCAR", "action": {"_set": tags}}


@pytest.mark.parametrize(
    "action",
    [
        in_incar(ALGO="All", ISEARCH=1),
        in_incar(ISTART=1, ALGO="Normal", NELMDL=-6, BMIX=0.001, AMIX_MAG=0.8, BMIX_MAG=0.001),
        # spelling as in custodian
        in_incar(Algo="Normal", AMIN=0.01, BMIX=3.0, ICHARG=2),
        in_incar(NELM=200, NELMIN=8),
        in_incar(EDIFF=1e-6),
        in_incar(NCORE=1, KPAR=1),
        in_incar(ISYM=0, SYMPREC=1e-8),
        in_incar(NBANDS=44),
        {"dict": "INCAR", "action": {"_unset": {"NPAR": 1}}},
        {"file": "WAVECAR", "action": {"_file_delete": {"mode": "actual"}}},
        {"file": "CONTCAR", "action": {"_file_copy": {"dest": "POSCAR"}}},
    ],
    ids=lambda action: json.dumps(action)[:60],
)
def test_correction_of_the_path_to_the_ground_state_is_neutral(action):
    assert not changes_theory(action, SPEC)


@pytest.mark.parametrize(
    "action",
    [
        in_incar(ENCUT=400),
        in_incar(ISMEAR=0, SIGMA=0.05),
        in_incar(ISMEAR=2),
        in_incar(GGA="PE"),
        in_incar(METAGGA="SCAN"),
        in_incar(LREAL=False),
        in_incar(PREC="Accurate"),
        in_incar(ISPIN=1),
        in_incar(LASPH=False),
        in_incar(EDIFF=1e-4),
        in_incar(ICHARG=11),
        in_incar(ALGO="None"),
        in_incar(ISYM=2),
        in_incar(ALGO="All", SIGMA=0.05),
        in_incar(UNKNOWN_TAG=1),
        in_incar(EDIFF="tight"),
        {"dict": "INCAR", "action": {"_unset": {"LASPH": 1}}},
        {"dict": "KPOINTS", "action": {"_set": {"kpoints": [[4, 4, 4]]}}},
        {"dict": "POSCAR", "action": {"_set": {"structure": {}}}},
        {"file": "POTCAR", "action": {"_file_copy": {"dest": "POTCAR"}}},
        {"file": "CONTCAR", "action": {"_file_copy": {"dest": "KPOINTS"}}},
        {"unknown": "operation"},
    ],
    ids=lambda action: json.dumps(action)[:60],
)
def test_correction_of_numbers_and_unknown_correction_change_the_theory(action):
    assert changes_theory(action, SPEC)


def test_record_of_custodian_is_read_in_order(tmp_path):
    record = [
        {
            "corrections": [
                {
                    "errors": ["Unconverged"],
                    "actions": [in_incar(ALGO="All", ISEARCH=1)],
                    "handler": {"@class": "UnconvergedErrorHandler"},
                },
                {"errors": ["Walltime reached"], "actions": None, "handler": {"@class": "DeadlineHandler"}},
                {
                    "errors": ["rspher"],
                    "actions": [in_incar(LREAL=False)],
                    "handler": {"@class": "VaspErrorHandler"},
                },
            ]
        }
    ]
    (tmp_path / "custodian.json").write_text(json.dumps(record))
    first, second, third = read_corrections(tmp_path, SPEC)
    assert first.actions == ["INCAR: set ALGO = All", "INCAR: set ISEARCH = 1"]
    assert (first.handler, first.changes_theory) == ("UnconvergedErrorHandler", False)
    assert (second.actions, second.changes_theory) == ([], False)
    assert (third.errors, third.changes_theory) == (["rspher"], True)


def test_missing_or_truncated_record_has_no_corrections(tmp_path):
    assert read_corrections(tmp_path, SPEC) == []
    (tmp_path / "custodian.json").write_text('[{"corrections": [{"err')
    assert read_corrections(tmp_path, SPEC) == []
