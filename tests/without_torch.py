"""Skip tests that need torch where it is not installed, with the name of the missing package as the reason."""

import re
from importlib.util import find_spec

import pytest

MISSING = re.compile(
    r"(?:No module named '|No package metadata was found for |PackageNotFoundError\('|packages: missing: )"
    r"(torch|chgnet|nequip|lightning|hydra)\b"
)
"""Messages of Python and of this package for a missing package that is torch or depends on it."""


def skip_if_torch_is_missing(report: pytest.CollectReport | pytest.TestReport) -> None:
    """Turn a failure into a skip if its output, or that of a process of the test, reports a missing package."""
    if not report.failed or find_spec("torch") is not None:
        return
    output = "\n".join([str(report.longrepr), *(text for _, text in report.sections)])
    if found := MISSING.search(output):
        report.outcome = "skipped"
        path, line, _ = getattr(report, "location", (report.nodeid, 0, ""))
        report.longrepr = (path, line or 0, f"Skipped: {found[1]} is not installed")
