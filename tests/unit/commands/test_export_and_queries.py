"""Exports and queries of the command line."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

import loop_documents as documents
from breathing_cells import breathing_strain, in_changing_cell
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.commands.export import export_result, write_extxyz
from interphase_flows.commands.queries import DocumentQuery, count_documents, query_campaign
from interphase_flows.exceptions import InputError
from interphase_flows.md.run_trajectory import RunFrames
from trajectory_files import campaign_run, planted


@pytest.fixture
def with_data(started):
    """The dataset of the iterations, as a file."""
    artifact = started.artifacts.put_bytes(b"3 atoms", "datasets", ".extxyz")
    started.ledger.put("datasets", "dataset", documents.dataset(artifact))
    return started


def test_dataset_is_copied_to_the_target_and_its_new_folder(settings, with_data, tmp_path):
    target = tmp_path / "new" / "data.extxyz"
    assert export_result(settings, "unit", "dataset", target) == [target]
    assert target.read_bytes() == b"3 atoms"


def test_folder_as_target_of_a_dataset_is_rejected(settings, with_data, tmp_path):
    with pytest.raises(InputError, match="give the name of a file"):
        export_result(settings, "unit", "dataset", tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_exported_run_has_the_cell_and_positions_of_every_frame(seed, tmp_path):
    """Two segments of a run whose triclinic cell shrinks and breathes along z."""
    rng = np.random.default_rng(seed)
    strain = breathing_strain(rng, 20, "normal") - 0.1 * np.arange(20)[:, None] / 20 * np.array([0, 0, 1])
    truth = in_changing_cell(planted(n_frames=20, seed=seed), strain)
    halves = [
        replace(truth, time_fs=truth.time_fs[rows], all_positions=truth.all_positions[rows], cells=truth.cells[rows])
        for rows in (slice(0, 7), slice(7, 20))
    ]
    paths = [campaign_run(tmp_path / f"{i}.zarr.zip", half).path for i, half in enumerate(halves)]
    with RunFrames(paths) as run:
        write_extxyz(run, tmp_path / "new" / "run.extxyz")
    with open_trajectory(tmp_path / "new" / "run.extxyz") as found:
        np.testing.assert_allclose(found.time_fs, truth.time_fs)
        for frame in range(20):
            np.testing.assert_allclose(found.cell(frame), truth.cell(frame), rtol=1e-12)
            np.testing.assert_allclose(found.positions(frame), truth.positions(frame), atol=1e-5)


def test_unknown_or_missing_export_is_an_error(settings, started, tmp_path):
    with pytest.raises(InputError, match="dataset, models, trajectories"):
        export_result(settings, "unit", "everything", tmp_path / "x")
    with pytest.raises(InputError, match="no production trajectory"):
        export_result(settings, "unit", "trajectories", tmp_path / "x")
    with pytest.raises(InputError, match="not in the ledger"):
        export_result(settings, "unit", "dataset", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_count_of_shortened_fields_equals_the_number_of_documents(settings, started):
    for key, fraction in (("p0", 0.1), ("p1", 0.3)):
        phases = {"phases": {"li2s": {"atom_fraction": {"value": fraction}}}}
        started.ledger.put("phases", key, {"part": "phases", "analysis_key": "a", "average": phases})
    request = DocumentQuery("phases", ["li2s.atom_fraction.value>0.2"])
    rows = query_campaign(settings, "unit", request, ["key"], "json")
    assert json.loads(rows) == [{"key": "p1"}]
    assert count_documents(settings, "unit", request) == 1


def test_query_returns_table_json_and_csv(settings, started):

    def run_query(output: str, filters=(), fields=None, limit=0, sort=()) -> str:
        return query_campaign(settings, "unit", DocumentQuery("iterations", filters, sort, limit), fields, output)

    assert "n_labels_total" in run_query("table")
    assert [row["key"] for row in json.loads(run_query("json"))] == ["i0", "i1"]
    (row,) = json.loads(run_query("json", ["index=1"], ["index", "decision"]))
    assert row == {"index": 1, "decision": "continue"}
    rows = list(csv.DictReader(io.StringIO(run_query("csv", limit=1))))
    assert [row["n_labels_total"] for row in rows] == ["10"]
    (last,) = json.loads(run_query("json", sort=["-index"], limit=1))
    assert last["key"] == "i1"
    assert (run_query("json", ["index=7"]), run_query("table", ["index=7"])) == ("[]", "no iterations match")
    assert count_documents(settings, "unit", DocumentQuery("iterations", ["index<1"], limit=5)) == 1


def test_invalid_query_is_rejected_with_the_valid_choices(settings, started):
    for request, fields, output, part in (
        (DocumentQuery("atoms"), None, "table", "labels"),
        (DocumentQuery("labels", ["status"]), None, "table", "a filter is FIELD OPERATOR VALUE"),
        (DocumentQuery("labels", ["energy<1"]), None, "table", "did you mean 'energy_eV'"),
        (DocumentQuery("labels"), ["formla"], "table", "did you mean 'formula'"),
        (DocumentQuery("failures", (), ["-last"]), None, "table", "did you mean 'last_at'"),
        (DocumentQuery("labels", (), ["energy_eV desc"]), None, "table", "write FIELD, or -FIELD"),
        (DocumentQuery("models", rejected=True), None, "table", "--rejected is valid for labels only"),
        (DocumentQuery("labels"), None, "xml", "table, json, csv"),
    ):
        with pytest.raises(InputError, match=part):
            query_campaign(settings, "unit", request, fields, output)
