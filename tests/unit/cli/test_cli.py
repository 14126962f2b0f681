"""The command line: what is wrong is a sentence on stderr and exit code 2, and nothing is half written."""

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
    """Run the command as the console script does, in an empty folder; exit code, stdout, stderr."""
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
    """Everything in the folder."""
    return {str(path) for path in Path().rglob("*")}


def refused(answer: tuple[int, str, str], *parts: str) -> None:
    """Exit code 2, one message with all parts, no traceback."""
    code, _, err = answer
    assert code == 2, err
    assert "Traceback" not in err
    for part in parts:
        assert part in err


def crystal(**changes) -> Atoms:
    fields = {"symbols": "Li2S", "positions": [[0, 0, 0], [2.4, 0, 0], [0, 2.4, 0]], "cell": [5, 5, 5]}
    return Atoms(**fields | changes, pbc=True)


def test_version_and_help_answer(interphase):
    """Without an argument there is help too."""
    assert interphase("--version")[:2] == (0, interphase_flows.__version__ + "\n")
    assert "resume" in interphase("--help")[1]


def test_init_writes_what_can_be_run_and_refuses_to_overwrite(interphase):
    """A file that was edited is never lost; force is a word of its own."""
    assert interphase("init")[0] == 0
    Path("campaign.yaml").write_text("name: precious\n")
    refused(interphase("init"), "already there", "--force")
    assert Path("campaign.yaml").read_text() == "name: precious\n"
    assert interphase("init", "--force")[0] == 0
    assert interphase("run", "campaign.yaml", "--dry-run")[0] == 0


def test_a_dry_run_prints_the_plan_and_leaves_nothing(interphase):
    """Stages, a cost, and no folder."""
    Path("c.yaml").write_text("name: unit\n")
    code, out, _ = interphase("run", "c.yaml", "--dry-run")
    assert code == 0
    for part in ("training", "exploration", "production", "in all, at most", "Nothing was run"):
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
def test_a_bad_campaign_file_is_refused_with_its_line(interphase, text, parts, options):
    """Unknown key, wrong type, out of range, missing, twice, unknown phase, no YAML: before anything starts."""
    Path("c.yaml").write_text(text)
    refused(interphase("run", "c.yaml", *options), *parts)
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
def test_a_bad_structure_is_refused_by_file_and_reason(interphase, file, atoms, part):
    """Missing, empty, without atoms, without a cell, overlapping, of an element the method does not know."""
    if isinstance(atoms, Atoms):
        atoms.write(file, format="extxyz")
    elif atoms is not None:
        Path(file).write_text(atoms)
    Path("c.yaml").write_text(CAMPAIGN.format(file=file))
    before = written()
    refused(interphase("run", "c.yaml"), "mine", part)
    assert written() == before


def test_a_good_structure_file_is_found_from_the_campaigns_folder(interphase):
    """A relative path means the same from everywhere."""
    Path("there/cells").mkdir(parents=True)
    crystal().write("there/cells/mine.extxyz")
    Path("there/c.yaml").write_text(CAMPAIGN.format(file="cells/mine.extxyz"))
    assert interphase("run", "there/c.yaml", "--dry-run")[0] == 0


def test_a_second_process_on_the_same_campaign_is_refused_in_words(interphase, tmp_path):
    """It learns who holds it; the holder's folder is left as it is."""
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
        refused(interphase("run", "c.yaml"), f"process {holder.pid}", "Wait for it")
        assert written() == before
    finally:
        holder.communicate("")


@pytest.mark.parametrize("command", ["status", "resume", "report"])
def test_nothing_there_is_said_and_nothing_made(interphase, command):
    """With a name and without."""
    refused(interphase(command), "there is no campaign", "--root")
    refused(interphase(command, "unit"), "no such campaign")
    refused(interphase("query", "labels"), "there is no campaign")
    refused(interphase("export", "dataset", "d.extxyz"), "there is no campaign")
    assert written() == set()


def test_a_folder_without_a_campaign_is_no_campaign(interphase):
    """An empty folder of that name is told apart from a campaign."""
    Path("runs/unit").mkdir(parents=True)
    refused(interphase("status", "unit"), "unit")
    assert written() == {"runs", "runs/unit"}


def test_a_name_that_is_a_path_is_refused(interphase):
    """Nothing is read or written outside the root."""
    refused(interphase("status", "../../etc"), "campaign name")


def test_wrong_settings_are_refused_by_key(interphase):
    """The settings file is named."""
    Path("interphase.yaml").write_text("n_threds: 2\n")
    Path("c.yaml").write_text("name: unit\n")
    refused(interphase("run", "c.yaml"), "interphase.yaml", "n_threds", "n_threads")
    assert written() == {"interphase.yaml", "c.yaml"}


def test_an_unknown_command_or_option_is_code_two(interphase):
    """As every command line does."""
    assert interphase("runn")[0] == 2
    assert interphase("run")[0] == 2
    assert interphase("status", "--colour")[0] == 2


def test_ctrl_c_says_that_nothing_is_lost(interphase, monkeypatch):
    """Exit code 130, as a shell expects, and the command that goes on."""

    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("interphase_flows.campaign.validate.check_campaign", pressed)
    Path("c.yaml").write_text("name: unit\n")
    code, _, err = interphase("run", "c.yaml")
    assert code == 130
    assert "nothing is lost" in err
    assert "interphase resume" in err


def test_asking_for_the_status_loads_no_network(tmp_path):
    """A question is answered in a second: torch, NequIP, CHGNet and jobflow stay where they are."""
    code = (
        "import sys; from interphase_flows import cli; sys.argv = ['interphase', 'status', 'unit', '--root', '.']\n"
        "try: cli.main()\nexcept SystemExit as e: print(e.code)\n"
        "print([m for m in ('torch', 'nequip', 'chgnet', 'jobflow', 'matplotlib') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert answer.stdout.splitlines() == ["2", "[]"]
