"""A result is written once, found by its key, and failures are results too."""

import subprocess
import sys

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from interphase_flows.exceptions import DocumentTooLargeError, StorageError
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.ledger import KINDS, Ledger


class Label(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: str
    energy: float


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger.embedded(tmp_path / "ledger.sqlite", "c")
    yield ledger
    ledger.close()


def test_a_result_is_found_by_its_key(ledger):
    """With the fields of the ledger, without those of the database."""
    assert ledger.get("labels", "a") is None
    written = ledger.put("labels", "a", {"energy": np.float64(1.5)})
    assert ledger.get("labels", "a") == written
    assert set(written) == {"key", "kind", "campaign", "created_at", "energy"}
    assert (written["kind"], written["campaign"]) == ("labels", "c")


def test_a_result_is_never_overwritten(ledger):
    """Whoever comes second gets what was there."""
    first = ledger.put("labels", "a", {"energy": 1.0})
    assert ledger.put("labels", "a", {"energy": 2.0}) == first
    assert ledger.count("labels") == 1


def test_the_loser_of_a_race_gets_the_winner(ledger, monkeypatch):
    """Both looked before either wrote."""
    first = ledger.put("labels", "a", {"energy": 1.0})
    get = ledger.get
    looked = []
    monkeypatch.setattr(ledger, "get", lambda *args: get(*args) if looked else looked.append(args))
    assert ledger.put("labels", "a", {"energy": 2.0}) == first


def test_models_go_in_and_come_out(ledger):
    """A pydantic model that forbids extra fields is read back."""
    ledger.put("labels", "a", Label(key="a", energy=1.5))
    assert ledger.get_as("labels", "a", Label) == Label(key="a", energy=1.5)
    assert ledger.get_as("labels", "b", Label) is None


def test_a_state_changes(ledger):
    """Only where it may, and its time of birth stays."""
    first = ledger.set_state("campaigns", "c", {"n": 1})
    second = ledger.set_state("campaigns", "c", {"n": 2})
    assert second["created_at"] == first["created_at"] <= second["updated_at"]
    assert ledger.get("campaigns", "c") == second
    with pytest.raises(StorageError, match="use put"):
        ledger.set_state("labels", "a", {})
    with pytest.raises(StorageError, match="use set_state"):
        ledger.put("campaigns", "c", {})


def test_failures_are_documents_that_count(ledger):
    """They can be queried, and repeat."""
    ledger.record_failure("labels", "a", "not_converged")
    last = ledger.record_failure("labels", "a", "max_force", {"force_eV_per_angstrom": 41.0})
    assert (last["tries"], last["reason"]) == (2, "max_force")
    assert ledger.find(
        "failures", {"failed_kind": "labels", "details.force_eV_per_angstrom": {"$gt": 40}}
    ) == [last]
    assert ledger.failure("labels", "a") == last
    assert ledger.failure("labels", "b") is None


@pytest.mark.parametrize("n_bytes", [10, 900_000])
def test_an_invalidated_result_is_a_failure_and_may_come_again(ledger, n_bytes):
    """What was there is kept with the reason, if it fits."""
    ledger.put("models", "m", {"text": "x" * n_bytes})
    ledger.invalidate("models", "m", "corrupt_artifact")
    ledger.invalidate("models", "absent", "corrupt_artifact")
    assert ledger.get("models", "m") is None
    (failure,) = ledger.find("failures")
    assert failure["reason"] == "corrupt_artifact"
    assert failure["details"]["invalidated"]["key"] == "m"
    assert ledger.put("models", "m", {"text": "y"})["text"] == "y"


def test_find_sorts_selects_and_limits(ledger):
    """As a query of MongoDB."""
    for i in range(5):
        ledger.put("labels", f"k{i}", {"energy": float(-i)})
    found = ledger.find("labels", {"energy": {"$lt": 0}}, ["key"], {"energy": 1}, limit=2)
    assert found == [{"key": "k4"}, {"key": "k3"}]
    assert [d["key"] for d in ledger.find("labels")] == [f"k{i}" for i in range(5)]
    assert ledger.count("labels", {"energy": -3}) == 1


def test_a_large_document_is_refused_with_its_largest_fields(ledger):
    """Its data belong in an artifact."""
    with pytest.raises(
        DocumentTooLargeError, match=r"labels a: 1\.2 MB is over 1 MB.*forces \(1\.\d+ MB\).*artifact"
    ):
        ledger.put("labels", "a", {"forces": [0.5] * 80_000, "energy": 1.0})
    assert ledger.count("labels") == 0


def test_wrong_documents_are_refused(ledger):
    """Unknown kinds, fields of the ledger, numbers that no document holds."""
    with pytest.raises(StorageError, match=f"unknown kind 'label'; kinds are {KINDS[0]}"):
        ledger.put("label", "a", {})
    with pytest.raises(StorageError, match="unknown kind"):
        ledger.record_failure("label", "a", "x")
    with pytest.raises(StorageError, match="the document says kind = 'x'; rename"):
        ledger.put("labels", "a", {"kind": "x"})
    with pytest.raises(StorageError, match="not a document"):
        ledger.put("labels", "a", {"x": 2**70})


_RACE = """
import sys
from interphase_flows.storage.ledger import Ledger
ledger = Ledger.embedded(sys.argv[1])
sys.stdin.readline()
for i in range(30):
    print(ledger.put("labels", f"k{i}", {"by": sys.argv[2]})["by"])
    ledger.record_failure("labels", "f", "x")
"""


def test_two_processes_agree_on_one_winner(tmp_path):
    """Double-launched jobs write one result, and no count is lost."""
    path = str(tmp_path / "l.sqlite")
    both = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE, path, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in both]
    assert len(answers[0]) == 30
    assert answers[0] == answers[1]
    ledger = Ledger.embedded(path, read_only=True)
    assert ledger.count("labels") == 30
    assert ledger.failure("labels", "f")["tries"] == 60
    ledger.close()


def test_a_mongodb_that_does_not_answer_is_told_without_its_password(monkeypatch):
    """Neither the address nor the password is in the message."""
    monkeypatch.setattr("interphase_flows.storage.mongodb.SERVER_SELECTION_TIMEOUT_MS", 50)
    settings = MongodbSettings(type="mongodb", host="localhost", port=9, username="u", password="geheim")
    ledger = Ledger.in_mongodb(settings)
    with pytest.raises(StorageError, match="no server answers at localhost:9") as refusal:
        ledger.get("labels", "a")
    assert "geheim" not in str(refusal.value)
