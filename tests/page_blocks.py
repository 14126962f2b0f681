"""Run the code blocks of a docs page."""

import os
import subprocess
import sys
from pathlib import Path

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

SHELL_TIMEOUT_S = 800
"""A compilation of a minute may take many times as long on a busy machine."""


def run_blocks(page: Path) -> int:
    """Run every `python` and `shell` block of a page in the working folder; return their number."""
    parsers = [PythonCodeBlockParser(), CodeBlockParser(language="shell", evaluator=_run_in_shell)]
    examples = list(Sybil(parsers=parsers).parse(page).examples())
    for example in examples:
        example.evaluate()
    return len(examples)


def _run_in_shell(example: Example) -> str | None:
    """Return the error output of a shell block that fails, or None."""
    folder = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SHELL_TIMEOUT_S,
    )
    return f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}" if done.returncode else None
