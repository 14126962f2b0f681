"""State of a campaign as its runners record it: status constants and the analyses that a result lacks."""

from collections.abc import Mapping
from typing import Any

PROGRESS_FILE = "progress.json"
SUBMITTED = "submitted"
"""Status of a campaign whose jobs are in FireWorks; its progress follows from their states."""
ANSWERS = ("thermodynamics", "learning_curve", "interphase", "production_audit", "growth", "phases")
ANSWERS_IF_ASKED = ("transport_grid",)
"""Analyses that run only if the campaign file has the block."""


def missing_answers(state: Mapping[str, Any]) -> list[str]:
    """Return the analyses that the result of a campaign lacks because they failed; ``state`` is its document."""
    result, spec = state.get("result"), state.get("spec") or {}
    if result is None:
        return []
    wanted = [*ANSWERS, *(name for name in ANSWERS_IF_ASKED if spec.get(name))]
    return [name for name in wanted if name not in result["analysis_keys"]]
