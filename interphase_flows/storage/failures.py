"""Failures of a campaign, equal ones as one group with a count."""

from dataclasses import dataclass

from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.ledger_backend import Criteria


@dataclass(frozen=True)
class FailureGroup:
    """Failures with the same kind of missing result, reason and explanation; ``first_key`` is that of the first."""

    count: int
    failed_kind: str
    reason: str
    explanation: str
    first_key: str

    @property
    def summary(self) -> str:
        """The group as one line."""
        key = self.first_key if self.failed_kind == "jobs" else self.first_key[:12]
        what = f"{self.failed_kind} {key}" if self.count == 1 else f"{self.count} {self.failed_kind} ({key}, ...)"
        return f"{what}: {self.reason}: {self.explanation}"


def failure_groups(ledger: Ledger, criteria: Criteria, latest_first: bool = False) -> list[FailureGroup]:
    """Return the failures that match, in groups of equal ones, by default the earliest group first."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for failure in ledger.find("failures", criteria, sort={"last_at": -1 if latest_first else 1}):
        explanation = str(failure["details"].get("explanation", ""))
        found.setdefault((failure["failed_kind"], failure["reason"], explanation), []).append(failure["failed_key"])
    return [FailureGroup(len(keys), *group, keys[0]) for group, keys in found.items()]
