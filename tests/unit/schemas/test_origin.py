"""Origins of structures."""

import copy
import json
import pickle

import pytest
from pydantic import BaseModel

from interphase_flows.schemas.origin import Origin


class Document(BaseModel):
    origin: Origin
    split_of_origin: dict[Origin, str]


def test_family_and_name_are_separated_by_the_first_slash():
    origin = Origin("amorphous x=0.50/3/melt")
    assert (origin.family, origin.name) == ("amorphous x=0.50", "3/melt")
    assert origin == Origin.of("amorphous x=0.50", "3/melt") == "amorphous x=0.50/3/melt"


def test_text_without_slash_is_a_family_without_name():
    assert (Origin("lone").family, Origin("lone").name) == ("lone", "")


@pytest.mark.parametrize(
    ("text", "split", "is_isolated", "is_interface", "is_in_label_budget"),
    [
        ("crystal/Li", "train", False, False, True),
        ("explore/walker-0", "train", False, True, True),
        ("audit/walker-0", "test", False, True, True),
        ("interface/300K-1", None, False, True, True),
        ("dimer/Li-P-S", None, True, False, True),
        ("atom/Li-P-S", None, True, False, True),
        ("production/replica-0", None, False, False, False),
        ("thermodynamics/Li2S", None, False, False, False),
    ],
)
def test_properties_of_families(text, split, is_isolated, is_interface, is_in_label_budget):
    origin = Origin(text)
    assert origin.fixed_split == split
    assert origin.is_isolated is is_isolated
    assert origin.is_interface is is_interface
    assert origin.is_in_label_budget is is_in_label_budget


def test_documents_store_strings_and_read_origins():
    document = Document(origin="crystal/Li", split_of_origin={"audit/a": "test"})
    assert document.origin.family == "crystal"
    assert [origin.family for origin in document.split_of_origin] == ["audit"]
    stored = document.model_dump()
    assert type(stored["origin"]) is str
    assert {type(key) for key in stored["split_of_origin"]} == {str}
    assert json.loads(document.model_dump_json()) == stored


def test_copies_keep_the_type():
    origin = Origin("crystal/Li")
    assert type(copy.deepcopy(origin)) is type(pickle.loads(pickle.dumps(origin))) is Origin
