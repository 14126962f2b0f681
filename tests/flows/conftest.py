"""VASPMethod with a stand-in for VASP's executable."""

import json

import pytest

from vasp_records import read_record
from vasp_replayed import replayed_method


@pytest.fixture
def silicon():
    return read_record("converged").atoms


@pytest.fixture
def stand_in(monkeypatch):
    """Return a function that creates a method whose stand-in performs the given acts, one per run."""

    def make(*acts, **options):
        monkeypatch.setenv("VASP_STAND_IN", json.dumps(acts))
        return replayed_method(**options)

    return make
