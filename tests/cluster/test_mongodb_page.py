"""The page on MongoDB: its code blocks, on the documents of a finished campaign in a database."""

import re
from pathlib import Path

import pytest
from pymongo import MongoClient

from interphase_flows.schemas.kinds import document_kinds
from interphase_flows.settings import MongodbSettings, load_settings
from interphase_flows.storage.indexes import JOB_INDEXES, collection_of
from interphase_flows.storage.ledger import KINDS, LEDGER_FIELDS, Ledger
from interphase_flows.storage.workspace import open_workspace
from page_blocks import run_blocks

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PAGE = Path(__file__).parents[2] / "docs" / "mongodb.md"
N_QUESTIONS = 10


@pytest.fixture
def filled(finished_root: Path, mongo_uri: str, monkeypatch: pytest.MonkeyPatch) -> "MongoClient[dict[str, object]]":
    """Store the documents of the campaign, a rejected label and a running job in the database of the page."""
    client: MongoClient[dict[str, object]] = MongoClient(mongo_uri)
    for name in ("interphase", "interphase_fireworks"):
        assert not client[name].list_collection_names(), f"{mongo_uri} has a database {name}"
    ledger = Ledger.in_mongodb(MongodbSettings(type="mongodb", database="interphase", uri=mongo_uri), "tiny")
    with open_workspace(load_settings(root=finished_root), "tiny", read_only=True) as workspace:
        for kind in KINDS:
            for document in workspace.ledger.find(kind):
                ledger.backend.insert(kind, document)
        monkeypatch.setenv("INTERPHASE_ARTIFACTS_URL", workspace.artifacts.root_url)
    rejection = {"status": "rejected", "reason": "max_force", "explanation": "40 eV/Å is over 30 eV/Å"}
    ledger.put("labels", "rejected", {"formula": "Li8S4", **rejection})
    ledger.close()
    spec = {"campaign": "tiny", "_category": "dft"}
    job = {"fw_id": 1, "name": "label 3 structures", "state": "RUNNING", "spec": spec, "updated_on": "2026-12-02"}
    client["interphase_fireworks"]["fireworks"].insert_one(job)
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    yield client
    for name in ("interphase", "interphase_fireworks"):
        client.drop_database(name)
    client.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_code_blocks_of_the_page_run(filled: object, capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    questions = text.partition("## Ten questions")[2].partition("\n## ")[0].split("\n### ")[1:]
    assert len(questions) == N_QUESTIONS
    for question in questions:
        assert re.search(r"\b(db|jobs)\b", question), question
        assert re.search(r"\b(store\(|iterations\.|segments\.)", question), question
    assert run_blocks(PAGE) == N_QUESTIONS + 2
    printed = capsys.readouterr().out
    assert printed.count("Li8S4 max_force 40 eV/Å is over 30 eV/Å") == 2
    assert printed.count("label 3 structures dft") == 2
    assert re.search(r"replica-1 \[0\.03 0\.04\] \[", printed)
    assert "'exploration'" not in printed
    assert all(f"'{stage}': " in printed for stage in ("labels", "training", "explore", "audit", "production"))


def test_fields_and_collections_of_the_page_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    known = {*map(collection_of, KINDS), *JOB_INDEXES}
    named = set(re.findall(r"\binterphase_[a-z_]+\b", text)) - {"interphase_fireworks"}
    assert named - {"interphase_"} <= known
    assert all(f"| `{field}` |" in text for field in LEDGER_FIELDS)
    assert "labels" in document_kinds()
