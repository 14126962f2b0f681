"""A bundle is opened into MongoDB, and written from it again."""

import gzip
import json
import signal
import subprocess
from pathlib import Path

import pytest
from pymongo import MongoClient

from interphase_flows.commands.bundle_export import export_bundle
from interphase_flows.commands.bundle_open import open_bundle
from interphase_flows.exceptions import InputError
from interphase_flows.results import CampaignResults
from interphase_flows.settings import MongodbSettings, load_settings
from interphase_flows.storage.bundle_files import BundleFiles
from interphase_flows.storage.workspace import campaign_names
from tiny_campaign import command, environment

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def contents(path: Path) -> dict[str, object]:
    """Return the names of artifacts, and the documents by kind and key without the time at which they were stored."""
    found: dict[str, object] = {}
    with BundleFiles(path) as bundle:
        for name in bundle.names:
            if name.startswith("artifacts/"):
                found[name] = None
            elif name.startswith("documents/") and "campaigns" not in name:
                lines = map(json.loads, gzip.decompress(bundle.read(name)).splitlines())
                found[name] = {each["key"]: each | {"created_at": None} for each in lines}
    return found


def test_bundle_written_from_mongodb_has_the_contents_of_the_opened_one(
    finished_root: Path, mongo: MongodbSettings, tmp_path: Path
) -> None:
    first, again = tmp_path / "first.tar", tmp_path / "again.tar"
    with CampaignResults("tiny", load_settings(root=finished_root)) as results:
        export_bundle(results, first)
    settings = load_settings(root=tmp_path / "runs", store=mongo)
    assert open_bundle(first, settings) == "tiny"
    with CampaignResults("tiny", settings) as results:
        assert results.count("labels") == len(list(results.labels(limit=0))) > 0
        export_bundle(results, again)
    assert contents(again) == contents(first)
    with pytest.raises(InputError, match="has a campaign tiny already"):
        open_bundle(first, settings)


def test_opening_that_was_killed_is_continued_by_the_same_command(
    finished_root: Path, mongo_uri: str, database: str, mongo_variables: dict[str, str], tmp_path: Path
) -> None:
    """The campaign has no record before all its documents are stored."""
    name = f"{database}_killed"
    settings = load_settings(
        root=tmp_path / "runs", store=MongodbSettings(type="mongodb", database=name, uri=mongo_uri)
    )
    first, again = tmp_path / "first.tar", tmp_path / "again.tar"
    with CampaignResults("tiny", load_settings(root=finished_root)) as results:
        export_bundle(results, first)
    client: MongoClient[dict[str, object]] = MongoClient(mongo_uri)
    try:
        variables = environment() | mongo_variables | {"INTERPHASE_STORE__DATABASE": name}
        process = subprocess.Popen(command(["open", str(first), "--root", str(tmp_path / "runs")]), env=variables)
        labels = client[name]["interphase_labels"]
        while not labels.estimated_document_count() and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert campaign_names(settings) == []
        assert open_bundle(first, settings) == "tiny"
        with CampaignResults("tiny", settings) as results:
            export_bundle(results, again)
        assert contents(again) == contents(first)
    finally:
        client.drop_database(name)
        client.close()
