"""Commands of the README for one machine, in their order, in an empty folder."""

import re
import shlex
from pathlib import Path

import pytest

from tiny_campaign import TINY, interphase

README = Path(__file__).parents[2] / "README.md"
NOT_RUN = {
    "serve": "runs until Ctrl-C; tested elsewhere",
    "analyse": "its options are left out",
    "fetch": "needs the network and a key",
    "compare": "needs another campaign",
    "order": "needs a file of the user",
    "converge": "the quickstart's surrogate has neither cutoff nor k-points",
    "import": "needs the package of the method",
}
"""Commands that are only parsed, with the reason."""
SHORTENED = ("check", "run")
"""Commands that use a tiny campaign instead of the quickstart, which takes ten minutes."""


def commands() -> list[list[str]]:
    """Return the commands of the block for one machine."""
    text = README.read_text(encoding="utf-8").partition("On one machine:")[2]
    block = re.search(r"```console\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return [shlex.split(line, comments=True) for line in block[1].splitlines()]


@pytest.mark.slow
def test_commands_of_the_readme_work_in_their_order(tmp_path):
    folder, names = tmp_path, []
    for program, *arguments in commands():
        if program == "cd":
            folder /= arguments[0]
            continue
        assert program == "interphase"
        name = arguments[0]
        names.append(name)
        if name in NOT_RUN:
            assert interphase(name, "--help", cwd=folder).returncode == 0
            continue
        file = folder / "campaign.yaml"
        quickstart = file.read_text() if file.exists() else ""
        if name in SHORTENED:
            file.write_text(TINY.replace("name: tiny", "name: my_campaign"))
        done = interphase(*arguments, check=False, cwd=folder)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        if name in SHORTENED:
            file.write_text(quickstart)
    assert names.index("init") < names.index("check") < names.index("run") < names.index("status")
    assert set(NOT_RUN) <= set(names)
    assert "name: my_campaign\n" in file.read_text()
    assert (folder / "runs" / "my_campaign" / "report" / "report.html").is_file()
    assert (folder / "labels.extxyz").is_file()
    assert (folder / "opened" / "my_campaign" / "ledger.sqlite").is_file()
