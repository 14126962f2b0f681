"""Documents in files outside the ledger: any damage makes a document missing."""

import pytest
from pydantic import BaseModel

from damage import DAMAGES
from interphase_flows.runtime.checked_json import read_checked, write_checked


class Speed(BaseModel):
    step_s: float


class Other(BaseModel):
    name: str


def test_document_is_read_back(tmp_path):
    write_checked(tmp_path / "new" / "k.json", Speed(step_s=0.1 + 0.2))
    assert read_checked(tmp_path / "new" / "k.json", Speed) == Speed(step_s=0.1 + 0.2)
    assert read_checked(tmp_path / "new" / "k.json", Other) is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_document_is_missing(tmp_path, damage):
    path = tmp_path / "k.json"
    write_checked(path, Speed(step_s=0.125))
    DAMAGES[damage](path)
    assert read_checked(path, Speed) is None


def test_changed_digit_and_another_name_are_damage(tmp_path):
    path = tmp_path / "k.json"
    write_checked(path, Speed(step_s=0.125))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"0.125", b"0.126"))
    assert read_checked(path, Speed) is None
    path.write_bytes(content)
    assert read_checked(path.rename(tmp_path / "other.json"), Speed) is None
