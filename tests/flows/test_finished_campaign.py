"""Results of a finished campaign, read by the command line."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from jsonschema import Draft202012Validator

from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.analysis.pipeline.settings import PARTS
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.settings import load_settings
from interphase_flows.storage.workspace import open_workspace
from tiny_campaign import interphase, run_without_report

pytestmark = pytest.mark.slow


def result_of(root: Path) -> CampaignResult:
    with open_workspace(load_settings(root=root), "tiny", read_only=True) as workspace:
        return CampaignResult.model_validate((workspace.ledger.get("campaigns", "tiny") or {})["result"])


def test_loop_ends_with_an_exhausted_budget_after_two_iterations(finished_root: Path) -> None:
    rows = json.loads(interphase("query", "iterations", "--root", str(finished_root), "--format", "json").stdout)
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert [row["decision"] for row in rows] == ["continue", "continue", "budget_exhausted"]
    assert "max_iterations" in rows[-1]["reason"]
    assert rows[-1]["n_labels_total"] > rows[0]["n_labels_total"]


def documents(root: Path, kind: str) -> list[dict]:
    return json.loads(interphase("query", kind, "--root", str(root), "--format", "json").stdout)


def test_verdict_of_a_short_run_is_undecided_and_unavailable_parts_have_reasons(finished_root: Path) -> None:
    """The cell is small and the run has three frames."""
    [verdict], [transport] = (documents(finished_root, kind) for kind in ("verdict", "transport"))
    assert set(verdict["replicas"]) == {"replica-0", "replica-1"}
    assert verdict["average"]["state"] == "undecided"
    for run in verdict["replicas"].values():
        assert "reason" in run or run["state"] == "undecided"
    for run in transport["replicas"].values():
        assert "supports no transport coefficient" in run["reason"]
    result = result_of(finished_root)
    assert result.analysis_keys.keys() >= set(PARTS), "production runs have all parts of the analysis"
    assert result.analysis_keys["verdict"] == verdict["key"]
    page = (finished_root / "tiny" / "report" / "report.html").read_text()
    assert "supports no transport coefficient" in page


def test_stored_documents_agree_with_the_printed_schemas(finished_root: Path) -> None:
    for kind in ("labels", "committees", "segments", "transport", "growth", "phases", "cell_transport"):
        validator = Draft202012Validator(json.loads(interphase("schema", kind).stdout))
        for found in documents(finished_root, kind):
            stored = {name: value for name, value in found.items() if not name.startswith("_")}
            assert list(validator.iter_errors(stored)) == []
    assert "kinds are structure_sets" in interphase("schema", "nonsense", check=False).stderr


def test_a_campaign_is_compared_with_a_copy_under_another_root(finished_root: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_root, tmp_path / "copy")
    other = str(tmp_path / "copy" / "tiny")
    printed = interphase("compare", "tiny", other, "--root", str(finished_root), "--to", str(tmp_path / "page")).stdout
    assert "Keys that differ" not in printed
    assert "undecided" in printed
    assert "All keys have the same values." in (tmp_path / "page" / "comparison.html").read_text()
    assert "needs two campaigns" in interphase("compare", "tiny", "--root", str(finished_root), check=False).stderr


def test_analyse_of_a_campaign_run_equals_the_stored_analysis(finished_root: Path, tmp_path: Path) -> None:
    interphase(
        "analyse",
        "replica-0",
        "--campaign",
        "tiny",
        "--root",
        str(finished_root),
        "--out",
        str(tmp_path / "one"),
    )
    found = json.loads((tmp_path / "one" / "analysis.json").read_text())
    for part in ("boundaries", "verdict", "phases"):
        [stored] = documents(finished_root, part)
        assert found[part] == stored["replicas"]["replica-0"]


def test_phases_are_assigned_by_reference_runs_of_the_released_committee(finished_root: Path) -> None:
    [references], [phases] = (documents(finished_root, kind) for kind in ("phase_references", "phases"))
    [analysis] = documents(finished_root, "interface_analyses")
    result = result_of(finished_root)
    assert result.analysis_keys["phases"] == phases["key"]
    assert references["committee_key"] == result.committee_key
    assert analysis["references_key"] == references["key"]
    assert references["temperature_K"] == 300.0
    for run in phases["replicas"].values():
        assert run["anions"]["n_frames"] >= 3
        assert sum(x["value"] for x in run["labels"]["entire_cell"]["shares"].values()) == pytest.approx(1)
        assert run["references"]["made_by"] == "the released committee"
        for side in run["percolation"]["sides"].values():
            assert "one atom with its neighbours" in side.get("reason", "") or len(side["crossing_share"]) == 7
    assert phases["average"]["n_replicas"] == 2
    folder = finished_root / "tiny" / "report"
    assert "Phase of each atom" in (folder / "report.html").read_text()
    assert {path.name for path in (folder / "figures").glob("replica-1_phase_*.svg")} == {
        "replica-1_phase_map.svg",
        "replica-1_phase_profile.svg",
    }


def test_exploration_continues_from_checkpoints_with_the_next_committee(finished_root: Path) -> None:
    text = interphase(
        "query", "segments", "role=explore", "--root", str(finished_root), "--format", "json", "--limit", "0"
    ).stdout
    runs: dict[str, list[dict]] = {}
    for segment in json.loads(text):
        runs.setdefault(segment["run_id"], []).append(segment)
    assert runs
    for segments in runs.values():
        first, second = sorted(segments, key=lambda s: s["first_step"])
        assert first["last_step"] == second["first_step"] > 0
        assert first["committee_key"] != second["committee_key"]


def test_packing_is_melted_and_quenched_by_successive_committees(finished_root: Path) -> None:
    text = interphase(
        "query", "segments", "run_id=melt-quench-0-0", "--root", str(finished_root), "--format", "json"
    ).stdout
    melt, quench = sorted(json.loads(text), key=lambda s: s["first_step"])
    assert [(s["temperature_target_K"], s["first_step"], s["last_step"]) for s in (melt, quench)] == [
        (1500.0, 0, 10),
        (300.0, 10, 20),
    ]
    assert melt["committee_key"] != quench["committee_key"]
    assert {melt["stop_reason"], quench["stop_reason"]} == {"finished"}
    assert melt["n_candidates"] > 0


def test_melt_quench_frames_are_labelled_and_used_for_training_only(finished_root: Path, tmp_path: Path) -> None:
    target = tmp_path / "dataset.extxyz"
    interphase("export", "dataset", str(target), "--root", str(finished_root))
    found = [f for f in read(target, ":") if f.info["origin"] == "explore/melt-quench-0-0"]
    assert found
    assert {(len(f), f.info["split"]) for f in found} == {(22, "train")}


def test_convex_hull_predicts_the_full_reaction(finished_root: Path) -> None:
    """Li7P3S11 + 24 Li -> 11 Li2S + 3 Li3P at 24/45, about -0.74 eV/atom with CHGNet."""
    text = interphase("query", "thermodynamics", "--root", str(finished_root), "--format", "json").stdout
    values = json.loads(text)[0]["prediction"]
    full = values["kinks"][-1]
    assert full["x_electrode_exact"] == "24/45"
    assert values["full_reaction"] == "Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P"
    assert full["energy_eV_per_atom"] == pytest.approx(-0.74, abs=0.01)


def test_production_error_has_a_standard_error_over_replicas(finished_root: Path) -> None:
    text = interphase("query", "production_audits", "--root", str(finished_root), "--format", "json").stdout
    values = json.loads(text)[0]
    assert values["n_frames"] == 8
    assert values["forces_mae_meV_per_angstrom"]["n_independent"] == 2
    assert values["forces_mae_meV_per_angstrom"]["standard_error"] > 0
    assert "Force error in production" in (finished_root / "tiny" / "report" / "report.html").read_text()


def test_all_production_frames_have_an_uncertainty(finished_root: Path) -> None:
    with open_workspace(load_settings(root=finished_root), "tiny", read_only=True) as workspace:
        for key in result_of(finished_root).production_keys:
            segment = workspace.ledger.get_as("segments", key, SegmentDoc)
            assert segment is not None
            assert segment.trajectory is not None
            with Trajectory(workspace.artifacts.get(segment.trajectory)) as trajectory:
                assert trajectory.n_frames >= 2
                assert np.isfinite(trajectory.uncertainty_eV_per_angstrom).all()


def test_status_is_printed_as_text_and_json(finished_root: Path) -> None:
    text = interphase("status", "--root", str(finished_root)).stdout
    assert "finished" in text
    assert "report:" in text
    found = json.loads(interphase("status", "tiny", "--root", str(finished_root), "--json").stdout)
    assert found["documents"]["iterations"] == 3
    assert found["running"] is None


def test_report_is_self_contained_and_names_the_surrogate(finished_root: Path) -> None:
    page = (finished_root / "tiny" / "report" / "report.html").read_text()
    assert "surrogate" in page.lower()
    assert "budget exhausted" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    assert list((finished_root / "tiny" / "report" / "figures").glob("*.svg"))


def test_exported_dataset_has_labels_and_splits_by_origin(finished_root: Path, tmp_path: Path) -> None:
    target = tmp_path / "dataset.extxyz"
    interphase("export", "dataset", str(target), "--root", str(finished_root))
    frames = read(target, ":")
    sides: dict[str, set[str]] = {}
    for frame in frames:
        assert frame.get_forces().shape == (len(frame), 3)
        assert frame.get_stress().shape == (6,)
        sides.setdefault(frame.info["origin"], set()).add(frame.info["split"])
    assert {len(split) for split in sides.values()} == {1}
    assert {side for split in sides.values() for side in split} == {"train", "validation", "test"}
    assert all(split == {"test"} for origin, split in sides.items() if origin.startswith("audit/"))


def test_models_and_trajectories_are_exported(finished_root: Path, tmp_path: Path) -> None:
    interphase("export", "models", str(tmp_path / "models"), "--root", str(finished_root))
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["member-0.ckpt", "member-1.ckpt"]
    interphase("export", "trajectories", str(tmp_path / "runs"), "--root", str(finished_root))
    frames = read(tmp_path / "runs" / "replica-0.extxyz", ":")
    times = [frame.info["time_fs"] for frame in frames]
    assert times == sorted(set(times))
    assert times[-1] == pytest.approx(40.0)  # two segments of 10 steps of 2 fs


def test_query_with_filter_and_fields_returns_csv(finished_root: Path) -> None:
    text = interphase(
        "query",
        "labels",
        "origin~crystal",
        "--fields",
        "origin,energy_eV",
        "--format",
        "csv",
        "--root",
        str(finished_root),
    ).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows
    assert all(row["origin"].startswith("crystal/") and float(row["energy_eV"]) < 0 for row in rows)


def test_resume_of_a_finished_campaign_computes_nothing(finished_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "again"
    shutil.copytree(finished_root, root)
    before = result_of(root)
    counts = json.loads(interphase("status", "--root", str(root), "--json").stdout)["documents"]
    written_at = (root / "tiny" / "report" / "report.html").stat().st_mtime_ns
    interphase("resume", "--root", str(root))
    assert (root / "tiny" / "report" / "report.html").stat().st_mtime_ns == written_at, "the report is drawn again"
    assert result_of(root) == before
    assert json.loads(interphase("status", "--root", str(root), "--json").stdout)["documents"] == counts


def test_damaged_model_is_computed_again_and_recorded_as_a_failure(
    finished_root: Path, tiny_file: Path, tmp_path: Path
) -> None:
    root = tmp_path / "damaged"
    shutil.copytree(finished_root, root)
    before = result_of(root)
    with open_workspace(load_settings(root=root), "tiny", read_only=True) as workspace:
        committee = workspace.ledger.get_as("committees", before.committee_key, CommitteeDoc)
        assert committee is not None
        path = workspace.artifacts.local_path(committee.models[0].checkpoint)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-100])
    run_without_report(tiny_file, root)
    assert result_of(root) == before
    failures = interphase("query", "failures", "--root", str(root), "--format", "json").stdout
    assert "models" in {failure["failed_kind"] for failure in json.loads(failures)}
