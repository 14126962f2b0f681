"""Minimal documents of an active-learning loop."""

from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.dataset import Baseline, DatasetDoc
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.label import LabelDoc, MethodIdentity
from interphase_flows.schemas.model import Calibration, CommitteeDoc, ErrorSummary, ModelDoc
from interphase_flows.schemas.segment import SegmentDoc

NO_FILE = ArtifactRef(kind="parity", sha256="0" * 64, size_bytes=0)
ERRORS = ErrorSummary(
    n_frames=1,
    energy_mae_meV_per_atom=1.0,
    energy_rmse_meV_per_atom=1.0,
    forces_mae_meV_per_angstrom=50.0,
    forces_rmse_meV_per_angstrom=60.0,
    stress_mae_meV_per_angstrom3=1.0,
)


def segment(run_id: str, **changes) -> SegmentDoc:
    """Return a finished segment of 100 steps."""
    fields = {
        "key": f"segment-{run_id}",
        "run_id": run_id,
        "role": "audit" if run_id.startswith("audit") else "explore",
        "seed": 1,
        "committee_key": "committee",
        "stop_reason": "finished",
        "first_step": 0,
        "last_step": 100,
        "n_atoms": 4,
        "timestep_fs": 1.0,
        "temperature_target_K": 300.0,
        "temperature_mean_K": 300.0,
        "temperature_std_K": 10.0,
        "n_temperatures": 5,
        "continue_from": NO_FILE,
        "continue_state": "end",
        "trajectory": None,
        "candidates": None,
        "n_candidates": 0,
        "uncertainty_steps": [50, 100],
        "uncertainty_eV_per_angstrom": [0.01, 0.02],
        "wall_time_s": 1.0,
    }
    return SegmentDoc(**fields | changes)


def dataset(artifact: ArtifactRef = NO_FILE, **changes) -> DatasetDoc:
    """Return a dataset of lithium and sulfur."""
    baseline = Baseline(
        elements=["Li", "S"],
        energy_shifts_eV={"Li": -1.0, "S": -1.0},
        forces_rms_eV_per_angstrom={"Li": 1.0, "S": 1.0},
        mean_n_neighbours=10.0,
    )
    method = MethodIdentity(name="spheres", code="ASE", version="1", is_surrogate=True, settings={}, key="spheres-1")
    fields = {
        "key": "dataset",
        "parent_key": None,
        "method": method,
        "n_frames": {"train": 4, "validation": 1, "test": 1},
        "split_of_origin": {},
        "baseline": baseline,
        "artifact": artifact,
    }
    return DatasetDoc(**fields | changes)


def committee(key: str = "committee") -> CommitteeDoc:
    """Return a committee of one member, whose files do not exist."""
    member = ModelDoc(
        key="member",
        dataset_key="dataset",
        parent_key=None,
        member=0,
        seed=0,
        checkpoint=NO_FILE,
        n_epochs=1,
        best_epoch=0,
        best_validation_loss=1.0,
        validation_loss=[1.0],
        resumed_from_epoch=None,
        wall_time_s=1.0,
        n_threads=1,
        versions={},
    )
    return CommitteeDoc(
        key=key,
        dataset_key="dataset",
        models=[member],
        errors={"test": ERRORS},
        errors_by_origin={},
        calibration=Calibration(n_frames=2, rank_correlation=None, error_per_std=5.0, coverage_of_twice_expected=1.0),
        select_force_std_eV_per_angstrom=0.1,
        stop_force_std_eV_per_angstrom=0.3,
        parity=NO_FILE,
    )


def iteration(key: str, index: int, dataset_key: str = "dataset") -> IterationDoc:
    trained = committee()
    return IterationDoc(
        key=key,
        index=index,
        dataset_key=dataset_key,
        committee_key=trained.key,
        first_checkpoint=NO_FILE,
        explored_with=None,
        n_labels_new=3,
        n_labels_rejected=0,
        n_labels_total=10 + index,
        n_train=8,
        errors={"test": ERRORS},
        fresh_audit_errors=None,
        calibration=trained.calibration,
        select_force_std_eV_per_angstrom=0.1,
        stop_force_std_eV_per_angstrom=0.3,
        fraction_above_select=None,
        targets_met=False,
        stop_reasons={},
        decision="continue",
        reason="no new trajectory was audited yet",
    )


def rejected_label(key: str, reason: str, explanation: str) -> LabelDoc:
    return LabelDoc(
        key=key,
        structure_key=f"structure of {key}",
        method_name="chgnet",
        method_key="chgnet",
        is_surrogate=True,
        numbers=[3, 16],
        cell=[[5.0, 0, 0], [0, 5.0, 0], [0, 0, 5.0]],
        positions=[[0.0, 0, 0], [2.4, 0, 0]],
        formula="LiS",
        origin="interface/1",
        status="rejected",
        reason=reason,
        explanation=explanation,
    )
