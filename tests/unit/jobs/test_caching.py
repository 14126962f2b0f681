"""The cache of job results."""

import pytest

from interphase_flows.exceptions import AnalysisError, LeaseLostError, StorageError, WalltimeReachedError
from interphase_flows.jobs.caching import NotStoredError, artifact_refs, cached, lookups_only, stored_document
from interphase_flows.runtime.fencing import fenced
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document
from loop_documents import committee


class NumbersDoc(Document):
    values: dict
    artifact: ArtifactRef | None = None


def document(key: str, artifact: ArtifactRef | None = None, **values) -> NumbersDoc:
    return NumbersDoc(key=key, values=values, artifact=artifact)


def test_second_call_returns_stored_document(workspace):
    first = cached("models", "k", NumbersDoc, lambda: document("k", x=1))
    assert cached("models", "k", NumbersDoc, lambda: pytest.fail("computed twice")) == first


def test_lookup_returns_a_stored_document_and_computes_no_other(workspace):
    first = cached("models", "k", NumbersDoc, lambda: document("k", x=1))
    with lookups_only():
        assert cached("models", "k", NumbersDoc, lambda: pytest.fail("computed twice")) == first
        with pytest.raises(NotStoredError):
            cached("models", "other", NumbersDoc, lambda: pytest.fail("computed in a lookup"))
    assert workspace.ledger.failure("models", "other") is None
    assert cached("models", "other", NumbersDoc, lambda: document("other")).key == "other"


def test_failure_is_recorded_and_next_attempt_may_succeed(workspace):
    """The reason can be queried even if the log of the job is lost."""

    def fail() -> NumbersDoc:
        raise AnalysisError("too few frames")

    for _ in range(2):
        with pytest.raises(AnalysisError, match="too few frames"):
            cached("models", "k", NumbersDoc, fail)
    failure = workspace.ledger.failure("models", "k")
    assert (failure["reason"], failure["tries"]) == ("AnalysisError", 2)
    assert failure["details"]["explanation"] == "too few frames"
    assert cached("models", "k", NumbersDoc, lambda: document("k")).key == "k"


def test_reached_walltime_is_not_recorded_as_failure(workspace):
    def stop() -> NumbersDoc:
        raise WalltimeReachedError("half done")

    with pytest.raises(WalltimeReachedError):
        cached("models", "k", NumbersDoc, stop)
    assert workspace.ledger.failure("models", "k") is None


def test_document_without_a_field_of_its_schema_is_recomputed_and_recorded(workspace):
    first = cached("models", "k", NumbersDoc, lambda: document("k", x=1))
    workspace.ledger.backend.modify("models", "k", lambda old: {n: v for n, v in old.items() if n != "values"})
    assert cached("models", "k", NumbersDoc, lambda: document("k", x=1)) == first
    assert workspace.ledger.failure("models", "k")["reason"] == "invalid_document"


def test_document_with_damaged_artifact_is_recomputed_and_damage_is_recorded(workspace):
    def compute() -> NumbersDoc:
        return document("k", workspace.artifacts.put_bytes(b"precious", "models", ".npz"))

    path = workspace.artifacts.get(cached("models", "k", NumbersDoc, compute).artifact)
    path.write_bytes(b"spoiled!")
    assert stored_document("models", "k", NumbersDoc) is None
    again = cached("models", "k", NumbersDoc, compute)
    assert workspace.artifacts.get(again.artifact).read_bytes() == b"precious"
    assert workspace.ledger.failure("models", "k") is not None


def test_first_recorded_document_wins(workspace):
    """Two processes that compute the same key return the same document."""

    def overtaken() -> NumbersDoc:
        workspace.ledger.put("models", "k", document("k", by="other process"))
        return document("k", by="this process")

    assert cached("models", "k", NumbersDoc, overtaken).values == {"by": "other process"}


def test_artifacts_are_found_at_any_depth(workspace):
    ref = workspace.artifacts.put_bytes(b"x", "models")
    assert list(artifact_refs(document("k", deep={"list": [1, (ref, "s")]}))) == [ref]


def test_logs_of_models_in_a_committee_are_not_needed():
    """Otherwise a damaged log would have the committee evaluated again at every resume."""
    log = ArtifactRef(kind="training_logs", sha256="1" * 64, size_bytes=1, suffix=".csv")
    trained = committee()
    member = trained.models[0].model_copy(update={"training_log": log})
    assert list(artifact_refs(trained.model_copy(update={"models": [member]}))) == list(artifact_refs(trained))


def test_process_without_lease_records_neither_result_nor_failure(workspace):
    """An error in a folder that another process owns is not a failure of the work."""

    def lost() -> None:
        raise LeaseLostError("taken over")

    def fail() -> NumbersDoc:
        raise FileNotFoundError("no such folder")

    for compute in (lambda: document("k"), fail):
        with fenced(lost), pytest.raises(LeaseLostError):
            cached("models", "k", NumbersDoc, compute)
    assert stored_document("models", "k", NumbersDoc) is None
    assert workspace.ledger.failure("models", "k") is None


def test_result_that_the_database_rejects_is_stored_on_disk_and_committed_later(workspace, monkeypatch):
    """A database outage does not cost hours of computing."""

    def outage(*_: object) -> None:
        raise StorageError("no server reachable")

    with monkeypatch.context() as patch:
        patch.setattr(workspace.ledger, "put", outage)
        with pytest.raises(
            StorageError, match=r"no server reachable.*stored in .*k\.json; the next attempt commits it"
        ):
            cached("models", "k", NumbersDoc, lambda: document("k", x=1))
    pending = workspace.root / "pending_results" / "models" / "k.json"
    assert pending.exists()
    assert cached("models", "k", NumbersDoc, lambda: pytest.fail("computed twice")) == document("k", x=1)
    assert not pending.exists()
    assert stored_document("models", "k", NumbersDoc) == document("k", x=1)


@pytest.mark.parametrize("damaged", [b"", b"{", b"\x00\xff\xfe", b'{"key": 1}'])
def test_damaged_result_on_disk_is_computed_again(workspace, damaged):
    pending = workspace.root / "pending_results" / "models" / "k.json"
    pending.parent.mkdir(parents=True)
    pending.write_bytes(damaged)
    assert cached("models", "k", NumbersDoc, lambda: document("k", x=1)) == document("k", x=1)
