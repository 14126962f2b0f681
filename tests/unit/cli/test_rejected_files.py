"""Commands that check, plan, run and submit a campaign accept and reject the same files, before anything starts."""

from pathlib import Path

import pytest
import yaml
from ase import Atoms
from typer.testing import CliRunner

from interphase_flows.cli import app
from interphase_flows.exceptions import SpeedError
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import ChgnetSpec
from interphase_flows.settings import Settings

COMMANDS = {
    "check": ["check", "c.yaml"],
    "dry run": ["run", "c.yaml", "--dry-run", "--no-measure"],
    "run": ["run", "c.yaml"],
    "submit": ["submit", "c.yaml", "--no-launch"],
}
STRUCTURES = Path(__file__).parents[3] / "workflows" / "structures"
PHASES = ["Li", "Li2S", "Li7P3S11"]
BASE = {"name": "unit", "phases": PHASES, "structures": {"interfaces": {"max_atoms": 66}}}
SMALLEST = {"facets": ["110/001", "100/5-31"], "size": "smallest"}
ACCEPTED = {
    "default": {},
    "other pair": {
        "electrode": "Na",
        "electrolyte": "Na3PS4",
        "phases": ["Na", "Na2S", "Na3P", "Na3PS4"],
        "structure_files": {name: f"{STRUCTURES / name}.cif" for name in ("Na", "Na2S", "Na3P", "Na3PS4")},
    },
    "vasp": {"reference": "vasp"},
    "gpaw": {"reference": "gpaw"},
    "one facet without match, in cells too large for a quick search": {
        "structures": {"interfaces": SMALLEST | {"max_atoms": 310, "max_strain": 0.005}}
    },
    "elements of the analysis": {"analysis": {"anion_centre_elements": ["P"], "ligand_elements": ["S"]}},
}
REJECTED = {
    "unknown key": ({"sead": 1}, "sead"),
    "value out of range": ({"seed": -1}, "seed"),
    "unknown phase": ({"phases": ["Li", "Li7P3S11", "Xx2"]}, "Xx2"),
    "missing structure file": ({"structure_files": {"Li2S": "none.cif"}}, "none.cif"),
    "no pure element": ({"hull_phases": ["S"]}, "pure element P"),
    "formula of another phase": ({"electrode": "Li2S", "structure_files": {"Li2S": "li.extxyz"}}, "formula"),
    "element of the loss": ({"committee": {"training": {"forces_weight_of_element": {"Cl": 2}}}}, "no Cl"),
    "element of the analysis": ({"analysis": {"anion_centre_elements": ["Xx"]}}, "analysis.anion_centre_elements: Xx"),
    "facet without match": ({"structures": {"interfaces": SMALLEST | {"max_strain": 1e-4}}}, "no match"),
    "too few labels": ({"structures": {"max_first_labels": 3}}, "max_first_labels"),
    "no production cell": ({"production": {"interface": {"max_strain": 1e-5}}}, "production.interface"),
    "element without a VASP potential": (
        {"reference": "vasp", "phases": [*PHASES, "LiLr"], "structure_files": {"LiLr": "lilr.extxyz"}},
        "no VASP potential of PBE_54 is chosen for Lr",
    ),
}


class StartedError(Exception):
    """Work of a campaign would start."""


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace what takes long or is licensed: VASP's files, GPAW's labels, the measurement of this machine."""
    monkeypatch.chdir(tmp_path)
    Atoms("Li", cell=[3, 3, 3], pbc=True).write("li.extxyz")
    Atoms("LiLr", [[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True).write("lilr.extxyz")

    def start(*_: object, **__: object) -> None:
        raise StartedError

    monkeypatch.setattr("interphase_flows.runners.local.campaign.open_workspace", start)
    monkeypatch.setattr("interphase_flows.runners.fireworks.submission.open_launchpad", start)
    monkeypatch.setattr("interphase_flows.reference.vasp.method.VASPMethod.check_potentials", lambda *_: None)
    monkeypatch.setattr("interphase_flows.reference.gpaw.method.version", lambda name: "26.7.0")
    monkeypatch.setattr("interphase_flows.reference.gpaw.method.GPAWMethod.supports", lambda *_: None)
    monkeypatch.setattr("interphase_flows.reference.gpaw.method.check_command", lambda *_: "GPAW")
    monkeypatch.setattr("interphase_flows.runners.site_check.machine_checks._label", lambda *_: "labelled")

    def do_not_measure(*_: object) -> None:
        raise SpeedError("not measured here")

    monkeypatch.setattr("interphase_flows.runners.site_check.machine_checks._dynamics", lambda *_: "not measured")


def outcome(command: str, monkeypatch: pytest.MonkeyPatch, vasp: str = "true vasp_std") -> tuple[bool, str]:
    """Return whether a command accepts the campaign file, and what it prints or raises."""
    monkeypatch.setenv("VASP_CMD", vasp)
    if command == "submit":
        monkeypatch.setenv("INTERPHASE_STORE__TYPE", "mongodb")
    result = CliRunner().invoke(app, COMMANDS[command])
    accepted = isinstance(result.exception, StartedError) or (command in ("check", "dry run") and not result.exit_code)
    return accepted, f"{result.output} {result.exception}"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ACCEPTED)
def test_good_file_is_accepted_by_every_command(command, name, monkeypatch):
    Path("c.yaml").write_text(yaml.safe_dump(BASE | ACCEPTED[name]))
    accepted, message = outcome(command, monkeypatch)
    assert accepted, message


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", REJECTED)
def test_bad_file_is_rejected_by_every_command_with_its_reason(command, name, monkeypatch):
    fields, reason = REJECTED[name]
    Path("c.yaml").write_text(yaml.safe_dump(BASE | fields))
    accepted, message = outcome(command, monkeypatch)
    assert not accepted
    assert reason in message


@pytest.mark.parametrize(
    ("command", "accepts"), [("check", False), ("dry run", True), ("run", False), ("submit", True)]
)
def test_missing_command_of_vasp_is_reported_before_a_run_and_left_to_the_nodes_by_a_submission(
    command, accepts, monkeypatch
):
    Path("c.yaml").write_text("name: unit\nreference: vasp\n")
    accepted, message = outcome(command, monkeypatch, vasp="no-such-srun vasp_std")
    assert accepted == accepts, message
    if command != "submit":  # which prints it once the jobs are on the LaunchPad
        assert "VASP's command" in message
        assert "no program 'no-such-srun'" in message
    assert not Path("runs").exists()


def test_all_that_this_machine_lacks_is_listed(monkeypatch):
    def missing(*_: object) -> str:
        from interphase_flows.exceptions import SettingsError

        raise SettingsError("no PBE setup of Li")

    monkeypatch.setattr("interphase_flows.reference.gpaw.method.check_command", missing)
    monkeypatch.setattr("interphase_flows.runners.site_check.machine_checks.TESTED_NEQUIP", "0.0")
    Path("c.yaml").write_text("name: unit\nreference: gpaw\n")
    accepted, message = outcome("run", monkeypatch)
    assert not accepted
    assert "NequIP version" in message
    assert "GPAW: no PBE setup of Li" in message


def test_surrogate_needs_no_program():
    assert not hasattr(reference_method(ChgnetSpec(), Settings()), "machine_checks")
