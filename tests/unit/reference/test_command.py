"""Commands of external programs in the settings."""

import time
from pathlib import Path

import pytest

from interphase_flows.exceptions import SettingsError
from interphase_flows.reference.command import split_command
from interphase_flows.reference.gpaw.launch import check_command
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.method import VASPMethod
from interphase_flows.settings import Settings

MALFORMED = [
    ("", "the command is empty"),
    ("mpirun 'python", "No closing quotation"),
    ("./run.sh python", "relative path.*Hint: write /"),
]


@pytest.mark.parametrize(("command", "message"), MALFORMED)
def test_malformed_commands_raise_settings_errors(command, message):
    with pytest.raises(SettingsError, match=f"key: .*{message}"):
        split_command(command, "key", "Hint: set it")


@pytest.mark.parametrize(("command", "message"), MALFORMED)
def test_check_of_gpaw_reports_malformed_commands(command, message):
    with pytest.raises(SettingsError, match=f"gpaw_command: .*{message}"):
        check_command(command)


@pytest.mark.parametrize(("command", "message"), MALFORMED[1:])
def test_check_of_vasp_reports_malformed_commands(command, message):
    method = VASPMethod(VaspSpec(), Settings(vasp_command=command))
    with pytest.raises(SettingsError, match=f"VASP's command: .*{message}"):
        method.machine_checks(["Li"])["VASP's command"]()


def test_check_of_gpaw_reports_a_program_that_is_not_executable(tmp_path):
    with pytest.raises(SettingsError, match="is not executable"):
        check_command(str(tmp_path))


def test_check_of_gpaw_starts_python_as_a_label_does(tmp_path, monkeypatch):
    """Not with a module of the working folder or the rank of this process."""
    script = tmp_path / "python.sh"
    script.write_text(
        '#!/bin/sh\ntest -z "$SLURM_PROCID" && test "$PYTHONSAFEPATH" = 1 && test ! -e gpaw.py && echo 7.5\n'
    )
    script.chmod(0o755)
    (tmp_path / "gpaw.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert check_command(str(script)) == f"GPAW 7.5 by `{script}`"


def test_check_of_gpaw_after_a_submission_starts_no_command(tmp_path):
    script = tmp_path / "srun"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    script.chmod(0o755)
    assert "it was not run" in check_command(f"{script} python", starts_programs=False)
    assert not (tmp_path / "started").exists()
    with pytest.raises(SettingsError, match="there is no program 'no-such-srun'"):
        check_command("no-such-srun python", starts_programs=False)


def test_check_of_gpaw_that_takes_too_long_leaves_no_process(tmp_path, monkeypatch):
    """Also none that the command has started, such as the processes of mpirun."""
    script = tmp_path / "mpirun"
    script.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/child\nwait\n")
    script.chmod(0o755)
    monkeypatch.setattr("interphase_flows.reference.gpaw.launch.CHECK_TIMEOUT_S", 2.0)
    with pytest.raises(SettingsError, match="did not import GPAW within 2 s"):
        check_command(str(script))
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    while child.exists() and child.read_text().split()[2] != "Z":  # the kernel ends it soon
        time.sleep(0.01)
