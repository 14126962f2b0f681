"""Times are BSON dates in MongoDB, and ISO 8601 elsewhere."""

from datetime import UTC, datetime

import pytest

from interphase_flows.exceptions import InputError
from interphase_flows.storage.bson_dates import criteria_of_dates, with_dates, with_iso_times

TIME = datetime(2026, 12, 2, 23, 10, 5, 123000, tzinfo=UTC)
ISO = "2026-12-02T23:10:05.123+00:00"


def test_times_are_dates_in_the_database_and_texts_for_readers():
    stored = with_dates({"key": "k", "created_at": "2026-12-02T23:10:05.123456+00:00", "started_at": "unknown"})
    assert stored == {"key": "k", "created_at": TIME, "started_at": "unknown"}
    # pymongo returns dates in UTC without a zone
    assert with_iso_times(stored | {"created_at": TIME.replace(tzinfo=None)})["created_at"] == ISO
    assert (
        with_iso_times({"created_at": datetime(2026, 12, 2, tzinfo=UTC)})["created_at"] == "2026-12-02T00:00:00+00:00"
    )
    assert with_iso_times({"created_at": "2025-01-01T00:00:00+00:00"})["created_at"] == "2025-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("criteria", "translated"),
    [
        ({"status": "a", "$or": [{"x": 1}, {"y": 2}]}, {"status": "a", "$or": [{"x": 1}, {"y": 2}]}),
        ({"last_at": {"$exists": True}}, {"last_at": {"$exists": True}}),
        ({"last_at": {"$gte": ISO}}, {"$or": [{"last_at": {"$gte": TIME}}, {"last_at": {"$gte": ISO}}]}),
        ({"last_at": ISO}, {"$or": [{"last_at": {"$eq": TIME}}, {"last_at": ISO}]}),
        ({"last_at": {"$ne": ISO}}, {"$and": [{"last_at": {"$ne": TIME}}, {"last_at": {"$ne": ISO}}]}),
        (
            {"$or": [{"x": 1}], "last_at": {"$lt": ISO}},
            {"$and": [{"$or": [{"x": 1}]}, {"$or": [{"last_at": {"$lt": TIME}}, {"last_at": {"$lt": ISO}}]}]},
        ),
    ],
)
def test_criteria_match_dates_and_texts_of_earlier_documents(criteria, translated):
    assert criteria_of_dates(criteria) == translated


def test_regular_expression_for_a_time_raises():
    with pytest.raises(InputError, match=r"created_at~2026-12: times are dates\. Hint: compare"):
        criteria_of_dates({"$and": [{"created_at": {"$regex": "2026-12", "$options": "i"}}]})
