"""Reading commands name documents that lack fields or have values of other types."""

import pytest

from interphase_flows.cli.status import status_parts
from interphase_flows.commands.queries import DocumentQuery, query_campaign
from interphase_flows.commands.status import campaign_status
from interphase_flows.exceptions import CorruptStoreError, InputError
from interphase_flows.report.collect.campaign_report import collect_inputs
from interphase_flows.runners.campaign_records import stored_campaign
from interphase_flows.storage.workspace import open_workspace


def read_everything(settings) -> None:
    list(status_parts(campaign_status(settings, "unit")))
    query_campaign(settings, "unit", DocumentQuery("labels", rejected=True), None, "table")
    with open_workspace(settings, "unit", read_only=True) as workspace:
        collect_inputs(workspace)


@pytest.mark.parametrize(
    ("kind", "key", "damage"),
    [
        ("campaigns", "unit", {"status": None}),
        ("campaigns", "unit", {"result": 7}),
        ("campaigns", "unit", {"spec": 7}),
        ("iterations", "i0", {"errors": None}),
        ("iterations", "i0", {"errors": {}}),
        ("iterations", "i0", {"index": "first"}),
        ("iterations", "i1", {"decision": 7}),
        ("labels", "l0", {"formula": "Li"}),
        ("models", "m0", {"wall_time_s": "long"}),
        ("failures", "labels:l1", {"failed_kind": "labels", "reason": "duplicate"}),
    ],
)
def test_damaged_document_is_named_without_a_traceback(settings, started, kind, key, damage):
    started.ledger.backend.modify(kind, key, lambda old: (old or {"key": key, "campaign": "unit"}) | damage)
    with pytest.raises(CorruptStoreError, match=rf"ledger: {kind} {key}: damaged.* Hint: "):
        read_everything(settings)


def test_error_with_intact_documents_is_raised_unchanged(settings, started):
    with pytest.raises(KeyError, match="mistake"), open_workspace(settings, "unit", read_only=True):
        raise KeyError("mistake of the program")


def test_specification_with_unknown_keys_is_reported_with_a_remedy(settings, started):
    started.ledger.backend.modify("campaigns", "unit", lambda old: old | {"spec": old["spec"] | {"obsolete": 1}})
    with pytest.raises(InputError, match=r"campaign unit: .*obsolete: .*Hint: interphase run FILE --accept-changes"):
        stored_campaign(settings, "unit")
