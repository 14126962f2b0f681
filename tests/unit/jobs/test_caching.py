"""Expensive work is done once."""

import pytest

from interphase_flows.exceptions import AnalysisError, LeaseLostError, StorageError, WalltimeReachedError
from interphase_flows.jobs.caching import artifact_refs, cached, stored_document
from interphase_flows.runtime.fencing import fenced
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.artifact import ArtifactRef


def document(key: str, artifact: ArtifactRef | None = None, **values) -> AnalysisDoc:
    return AnalysisDoc(key=key, name="n", rests_on=[], values=values, artifact=artifact)


def test_the_second_time_it_is_found(workspace):
    """The work is not done again, and the document is the same."""
    first = cached("analyses", "k", AnalysisDoc, lambda: document("k", x=1))
    assert cached("analyses", "k", AnalysisDoc, lambda: pytest.fail("done twice")) == first


def test_a_failure_is_on_record_and_raised_and_mended_by_success(workspace):
    """The reason can be queried though the job's log is lost; the next try is a try."""

    def fail() -> AnalysisDoc:
        raise AnalysisError("too few frames")

    for _ in range(2):
        with pytest.raises(AnalysisError, match="too few frames"):
            cached("analyses", "k", AnalysisDoc, fail)
    failure = workspace.ledger.failure("analyses", "k")
    assert (failure["reason"], failure["tries"]) == ("AnalysisError", 2)
    assert failure["details"]["explanation"] == "too few frames"
    assert cached("analyses", "k", AnalysisDoc, lambda: document("k")).key == "k"


def test_time_that_ran_out_is_no_failure(workspace):
    """The next launch goes on."""

    def stop() -> AnalysisDoc:
        raise WalltimeReachedError("half done")

    with pytest.raises(WalltimeReachedError):
        cached("analyses", "k", AnalysisDoc, stop)
    assert workspace.ledger.failure("analyses", "k") is None


def test_a_document_whose_file_is_damaged_is_computed_again_and_that_is_on_record(workspace):
    """Its bytes come back; nobody is handed the damaged ones."""

    def compute() -> AnalysisDoc:
        return document("k", workspace.artifacts.put_bytes(b"precious", "analyses", ".npz"))

    path = workspace.artifacts.get(cached("analyses", "k", AnalysisDoc, compute).artifact)
    path.write_bytes(b"spoiled!")
    assert stored_document("analyses", "k", AnalysisDoc) is None
    again = cached("analyses", "k", AnalysisDoc, compute)
    assert workspace.artifacts.get(again.artifact).read_bytes() == b"precious"
    assert workspace.ledger.failure("analyses", "k") is not None


def test_who_comes_second_takes_what_the_first_recorded(workspace):
    """Two processes computed the same key: one document is everybody's."""

    def overtaken() -> AnalysisDoc:
        workspace.ledger.put("analyses", "k", document("k", by="the other"))
        return document("k", by="me")

    assert cached("analyses", "k", AnalysisDoc, overtaken).values == {"by": "the other"}


def test_files_are_found_however_deep(workspace):
    """In a mapping in a list in a field."""
    ref = workspace.artifacts.put_bytes(b"x", "analyses")
    assert list(artifact_refs(document("k", deep={"list": [1, (ref, "s")]}))) == [ref]


def test_who_lost_its_lease_records_nothing_neither_result_nor_failure(workspace):
    """What goes wrong in a folder that is another's says nothing of the work."""

    def lost() -> None:
        raise LeaseLostError("taken over")

    def fail() -> AnalysisDoc:
        raise FileNotFoundError("the folder is gone")

    for compute in (lambda: document("k"), fail):
        with fenced(lost), pytest.raises(LeaseLostError):
            cached("analyses", "k", AnalysisDoc, compute)
    assert stored_document("analyses", "k", AnalysisDoc) is None
    assert workspace.ledger.failure("analyses", "k") is None


def test_a_result_that_the_database_does_not_take_is_kept_and_handed_in_later(workspace, monkeypatch):
    """Hours of work are not done again because a server was away."""

    def away(*_: object) -> None:
        raise StorageError("no server answers")

    with monkeypatch.context() as outage:
        outage.setattr(workspace.ledger, "put", away)
        with pytest.raises(
            StorageError, match=r"no server answers.*kept in .*k\.json; the next try hands it in"
        ):
            cached("analyses", "k", AnalysisDoc, lambda: document("k", x=1))
    kept = workspace.root / "unrecorded" / "analyses" / "k.json"
    assert kept.exists()
    assert cached("analyses", "k", AnalysisDoc, lambda: pytest.fail("done twice")) == document("k", x=1)
    assert not kept.exists()
    assert stored_document("analyses", "k", AnalysisDoc) == document("k", x=1)
