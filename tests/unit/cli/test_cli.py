"""The command line: errors are one message on stderr with exit code 2, and leave no partial files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ase import Atoms

import interphase_flows
from interphase_flows import cli

CAMPAIGN = """name: unit
phases: [Li, Li2S, Li7P3S11, mine]
structure_files: {{mine: {file}}}
"""
HOLDER = """
import sys
from interphase_flows.storage.lock import CampaignLock
with CampaignLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def interphase(monkeypatch, capfd, tmp_path, tmp_path_factory):
    """Run the command in an empty folder as the console script does; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("INTERPHASE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["interphase", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as error:
            code = int(error.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return run


def written() -> set[str]:
    """Return all paths below the working directory."""
    return {str(path) for path in Path().rglob("*")}


def assert_rejected(result: tuple[int, str, str], *parts: str) -> None:
    """Check for exit code 2 and a message with all parts, without traceback."""
    code, _, err = result
    assert code == 2, err
    assert "Traceback" not in err
    for part in parts:
        assert part in err


def crystal(**changes) -> Atoms:
    fields = {"symbols": "Li2S", "positions": [[0, 0, 0], [2.4, 0, 0], [0, 2.4, 0]], "cell": [5, 5, 5]}
    return Atoms(**fields | changes, pbc=True)


def test_version_and_help_are_printed(interphase):
    assert interphase("--version")[:2] == (0, interphase_flows.__version__ + "\n")
    assert "resume" in interphase("--help")[1]


def test_init_writes_a_valid_campaign_and_overwrites_only_with_force(interphase):
    assert interphase("init")[0] == 0
    Path("campaign.yaml").write_text("name: precious\n")
    assert_rejected(interphase("init"), "the file exists", "--force")
    assert Path("campaign.yaml").read_text() == "name: precious\n"
    assert interphase("init", "--force")[0] == 0
    assert interphase("run", "campaign.yaml", "--dry-run", "--no-measure")[0] == 0


def test_init_of_a_folder_names_the_campaign_and_unread_settings_are_reported(interphase):
    assert interphase("init", "mine")[0] == 0
    assert "name: mine\n" in Path("mine/campaign.yaml").read_text()
    assert "interphase run campaign.yaml\n" in Path("mine/campaign.yaml").read_text()
    code, _, err = interphase("run", "mine/campaign.yaml", "--dry-run", "--no-measure")
    assert code == 0
    assert "settings: none; not mine/interphase.yaml, which applies to commands in its folder" in err
    assert_rejected(interphase("init", "new/my campaign"), "'my campaign' is not a valid name")
    assert not Path("new").exists()


def test_dry_run_prints_the_plan_and_writes_no_file(interphase):
    Path("c.yaml").write_text("name: unit\n")
    code, out, _ = interphase("run", "c.yaml", "--dry-run", "--no-measure")
    assert code == 0
    for part in (
        "training",
        "exploration",
        "total, at most",
        "labelled: Li(110)/Li7P3S11(011), 84 atoms",
        "memory",
        "disk",
        "nothing of the campaign",
    ):
        assert part in out
    assert written() == {"c.yaml"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name: unit\nelectrod: Li\n", ("c.yaml:2", "electrod", "did you mean 'electrode'")),
        ("name: unit\nseed: many\n", ("c.yaml:2", "seed", "'many'")),
        ("name: unit\nlearning:\n  max_labels: -3\n", ("c.yaml:3", "learning.max_labels")),
        ("name: unit\nreference: {method: pbe}\n", ("c.yaml:2", "chgnet")),
        ("seed: 1\n", ("name: missing",)),
        ("name: unit\nseed: 1\nseed: 2\n", ("c.yaml:3", "twice")),
        ("name: unit\nphases: [Li, Li7P3S11, Kryptonite]\n", ("Kryptonite", "Li2S")),
        ("", ("empty",)),
        ("- a list\n", ("a list",)),
        ("name: [\n", ("not YAML",)),
    ],
)
@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_invalid_campaign_file_is_rejected_with_its_line(interphase, text, parts, options):
    Path("c.yaml").write_text(text)
    assert_rejected(interphase("run", "c.yaml", *options), *parts)
    assert written() == {"c.yaml"}


@pytest.mark.parametrize(
    ("file", "atoms", "part"),
    [
        ("absent.cif", None, "no such file"),
        ("empty.cif", "", "is empty"),
        ("none.extxyz", Atoms(cell=[4, 4, 4], pbc=True), "atoms"),
        ("molecule.xyz", Atoms("S2", [[0, 0, 0], [1.9, 0, 0]]), "cell"),
        ("close.extxyz", crystal(positions=[[0, 0, 0], [0.3, 0, 0], [0, 2.4, 0]]), "0.300 Å"),
        ("heavy.extxyz", crystal(symbols="Li2Cf"), "Cf"),
    ],
)
def test_invalid_structure_is_rejected_with_file_and_reason(interphase, file, atoms, part):
    if isinstance(atoms, Atoms):
        atoms.write(file, format="extxyz")
    elif atoms is not None:
        Path(file).write_text(atoms)
    Path("c.yaml").write_text(CAMPAIGN.format(file=file))
    before = written()
    assert_rejected(interphase("run", "c.yaml"), "mine", part)
    assert written() == before


def test_structure_files_are_relative_to_the_campaign_file(interphase):
    Path("there/cells").mkdir(parents=True)
    crystal().write("there/cells/mine.extxyz")
    Path("there/c.yaml").write_text(CAMPAIGN.format(file="cells/mine.extxyz"))
    assert interphase("run", "there/c.yaml", "--dry-run", "--no-measure")[0] == 0


def test_second_process_on_a_campaign_is_rejected_with_the_lock_holder(interphase, tmp_path):
    Path("c.yaml").write_text("name: unit\n")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "runs" / "unit")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        before = written()
        assert_rejected(interphase("run", "c.yaml"), f"process {holder.pid}", "Hint: wait for it")
        assert written() == before
    finally:
        holder.communicate("")


@pytest.mark.parametrize("command", ["status", "resume", "report"])
def test_missing_campaign_is_an_error_and_creates_no_file(interphase, command):
    assert_rejected(interphase(command), "there is no campaign", "--root")
    assert_rejected(interphase(command, "unit"), "no such campaign")
    assert_rejected(interphase("query", "labels"), "there is no campaign")
    assert_rejected(interphase("export", "dataset", "d.extxyz"), "there is no campaign")
    assert written() == set()


def test_folder_without_a_ledger_is_not_a_campaign(interphase):
    Path("runs/unit").mkdir(parents=True)
    assert_rejected(interphase("status", "unit"), "unit")
    assert written() == {"runs", "runs/unit"}


def test_path_as_campaign_name_is_rejected(interphase):
    assert_rejected(interphase("status", "../../etc"), "campaign name")


def test_invalid_settings_are_rejected_with_file_and_key(interphase):
    Path("interphase.yaml").write_text("n_threds: 2\n")
    Path("c.yaml").write_text("name: unit\n")
    assert_rejected(interphase("run", "c.yaml"), "interphase.yaml", "n_threds", "n_threads")
    assert written() == {"interphase.yaml", "c.yaml"}


def test_unknown_command_or_option_exits_with_code_2(interphase):
    assert interphase("runn")[0] == 2
    assert interphase("run")[0] == 2
    assert interphase("status", "--colour")[0] == 2


def test_ctrl_c_exits_with_code_130_and_the_resume_command(interphase, monkeypatch):

    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("interphase_flows.runners.local.campaign.check_campaign", pressed)
    Path("c.yaml").write_text("name: unit\n")
    code, _, err = interphase("run", "c.yaml")
    assert code == 130
    assert "no finished work is lost" in err
    assert "interphase resume" in err


def test_status_imports_no_heavy_package(tmp_path):
    """Status must respond within a second."""
    heavy = ("torch", "nequip", "chgnet", "jobflow", "maggma", "matplotlib", "ase.md")
    code = (
        "import sys; from interphase_flows import cli; sys.argv = ['interphase', 'status', 'unit', '--root', '.']\n"
        "try: cli.main()\nexcept SystemExit as e: print(e.code)\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stdout.splitlines() == ["2", "[]"]


def test_settings_file_of_the_working_folder_is_reported_on_stderr(interphase):
    assert "settings:" not in interphase("status", "unit")[2]
    Path("interphase.yaml").write_text("n_threads: 1\n")
    code, out, err = interphase("status", "unit")
    assert code == 2
    assert f"settings: {Path('interphase.yaml').absolute()}\n" in err
    assert out == ""


@pytest.mark.parametrize("target", ["file/x", "pipe", "loop/x", "n" * 300])
def test_target_that_cannot_be_written_is_an_error_with_a_hint(target, interphase):
    Path("file").touch()
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    before = written()
    code, out, err = interphase("init", target)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert "Hint: " in err
    assert written() == before


def test_error_of_a_file_has_its_name_with_control_characters_escaped(interphase):
    Path("a\x1b[2J").touch()
    code, _, err = interphase("init", "a\x1b[2J/b")
    assert code == 2
    assert r"a\x1b[2J" in err
    assert "\x1b" not in err


def test_campaigns_of_a_database_are_compared_by_name_only(interphase, monkeypatch):
    """Their folders do not distinguish them: one campaign would be compared with itself."""
    monkeypatch.setenv("INTERPHASE_STORE__TYPE", "mongodb")
    assert_rejected(interphase("compare", "runs/one", "other_runs/one"), "runs/one", "have no folder", "Hint")
