"""The ledger stores a result once by its key, and records failures."""

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
    assert set(written) == {"key", "kind", "campaign", "used_by", "created_at", "energy"}
    assert (written["kind"], written["campaign"]) == ("labels", "c")


def test_a_result_is_never_overwritten(ledger):
    first = ledger.put("labels", "a", {"energy": 1.0})
    assert ledger.put("labels", "a", {"energy": 2.0}) == first
    assert ledger.count("labels") == 1


def test_a_concurrent_writer_gets_the_stored_document(ledger, monkeypatch):
    """Both looked the key up before either wrote."""
    first = ledger.put("labels", "a", {"energy": 1.0})
    get = ledger.get
    looked = []
    monkeypatch.setattr(ledger, "get", lambda *args: get(*args) if looked else looked.append(args))
    assert ledger.put("labels", "a", {"energy": 2.0}) == first


def test_a_pydantic_model_is_read_back(ledger):
    """Although it forbids extra fields."""
    ledger.put("labels", "a", Label(key="a", energy=1.5))
    assert ledger.get_as("labels", "a", Label) == Label(key="a", energy=1.5)
    assert ledger.get_as("labels", "b", Label) is None


def test_only_states_can_be_replaced(ledger):
    """The time of creation stays."""
    first = ledger.set_state("campaigns", "c", {"n": 1})
    second = ledger.set_state("campaigns", "c", {"n": 2})
    assert second["created_at"] == first["created_at"] <= second["updated_at"]
    assert ledger.get("campaigns", "c") == second
    with pytest.raises(StorageError, match="use put"):
        ledger.set_state("labels", "a", {})
    with pytest.raises(StorageError, match="use set_state"):
        ledger.put("campaigns", "c", {})


def test_failures_count_repetitions_and_can_be_queried(ledger):
    ledger.record_failure("labels", "a", "not_converged")
    last = ledger.record_failure("labels", "a", "max_force", {"force_eV_per_angstrom": 41.0})
    assert (last["tries"], last["reason"]) == (2, "max_force")
    assert ledger.find("failures", {"failed_kind": "labels", "details.force_eV_per_angstrom": {"$gt": 40}}) == [last]
    assert ledger.failure("labels", "a") == last
    assert ledger.failure("labels", "b") is None


@pytest.mark.parametrize("n_bytes", [10, 900_000])
def test_an_invalidated_result_is_recorded_as_failure_and_can_be_stored_again(ledger, n_bytes):
    """The document is part of the record if it fits."""
    ledger.put("models", "m", {"text": "x" * n_bytes})
    ledger.invalidate("models", "m", "corrupt_artifact")
    ledger.invalidate("models", "absent", "corrupt_artifact")
    assert ledger.get("models", "m") is None
    (failure,) = ledger.find("failures")
    assert failure["reason"] == "corrupt_artifact"
    assert failure["details"]["invalidated"]["key"] == "m"
    assert ledger.put("models", "m", {"text": "y"})["text"] == "y"


def test_find_filters_sorts_selects_and_limits(ledger):
    for i in range(5):
        ledger.put("labels", f"k{i}", {"energy": float(-i)})
    found = ledger.find("labels", {"energy": {"$lt": 0}}, ["key"], {"energy": 1}, limit=2)
    assert found == [{"key": "k4"}, {"key": "k3"}]
    assert [d["key"] for d in ledger.find("labels")] == [f"k{i}" for i in range(5)]
    assert ledger.count("labels", {"energy": -3}) == 1


def test_a_document_over_the_limit_raises_with_its_largest_fields(ledger):
    with pytest.raises(DocumentTooLargeError, match=r"labels a: 1\.2 MB is over 1 MB.*forces \(1\.\d+ MB\).*artifact"):
        ledger.put("labels", "a", {"forces": [0.5] * 80_000, "energy": 1.0})
    assert ledger.count("labels") == 0


def test_invalid_documents_raise(ledger):
    """Unknown kinds, reserved fields, numbers out of range."""
    with pytest.raises(StorageError, match=f"unknown kind 'label'; kinds are {KINDS[0]}"):
        ledger.put("label", "a", {})
    with pytest.raises(StorageError, match="unknown kind"):
        ledger.record_failure("label", "a", "x")
    with pytest.raises(StorageError, match=r"the document has kind = 'x'\. Hint: rename"):
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


def test_concurrent_processes_agree_on_one_document(tmp_path):
    """Jobs launched twice store one result, and no count is lost."""
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


def test_an_unreachable_mongodb_raises_without_the_password(monkeypatch):
    monkeypatch.setattr("interphase_flows.storage.mongodb.SERVER_SELECTION_TIMEOUT_MS", 50)
    settings = MongodbSettings(type="mongodb", host="localhost", port=9, username="u", password="geheim")
    ledger = Ledger.in_mongodb(settings)
    with pytest.raises(StorageError, match="no server reachable at localhost:9") as raised:
        ledger.get("labels", "a")
    assert "geheim" not in str(raised.value)
