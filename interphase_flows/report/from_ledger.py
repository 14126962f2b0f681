"""Fill a report from the documents of a campaign, finished or not."""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from interphase_flows.documents.records import (
    AnalysisDoc,
    CommitteeDoc,
    DatasetDoc,
    SegmentDoc,
    StructureSetDoc,
)
from interphase_flows.exceptions import InputError
from interphase_flows.md.run_frames import RunFrames
from interphase_flows.report.campaign_documents import CampaignDocuments
from interphase_flows.report.html import write_report
from interphase_flows.report.inputs import (
    CompositionProfile,
    Estimate,
    Iteration,
    Outcome,
    ParityData,
    ProvenanceRow,
    Question,
    ReactionKink,
    ReferenceMethod,
    Replica,
    ReportInputs,
    SeriesBand,
    Spending,
    StructureView,
    Thermodynamics,
)
from interphase_flows.storage.workspace import Workspace

PARITY_SAMPLE = 3000
ALKALI_PHASES_MISSING = ("Li3P7", "LiP7", "P4S10", "Li7PS6", "Li5PS", "Li7PS2", "Li8P2S", "Li11P3S")
"""Phases of Li-P-S that are reported and not in the package: the hull cannot know them."""
SOFTWARE = ("interphase-flows", "nequip", "torch", "chgnet", "ase", "pymatgen", "jobflow", "freud-analysis")


def write_campaign_report(workspace: Workspace) -> Path:
    """Write the report of a campaign from its ledger and return its path.

    Raises
    ------
    InputError
        The campaign was never started here.
    """
    return write_report(collect(workspace), workspace.report_folder)


def collect(workspace: Workspace) -> ReportInputs:
    """Read everything a report shows; what is not there yet stays empty."""
    state = workspace.ledger.get("campaigns", workspace.campaign)
    if state is None:
        raise InputError(f"{workspace.root} holds no campaign to report on: run its campaign file first")
    return _Collector(CampaignDocuments(workspace, state)).inputs()


class _Collector:
    """Turns documents into sections, and cites each where it is used."""

    def __init__(self, documents: CampaignDocuments) -> None:
        self.documents = documents
        self.workspace = documents.workspace
        self.ledger = documents.ledger
        self.state = documents.state
        self.own = documents.own
        self.spec = documents.spec
        self.result = documents.result
        self.iterations = documents.iterations
        self.production = documents.production
        self.provenance: list[ProvenanceRow] = []

    def inputs(self) -> ReportInputs:
        dataset = self._dataset()
        starts = self._starts()
        interphase = self.documents.analysis("interphase")
        arrays = self._arrays(interphase)
        audit = self.documents.analysis("production_audit")
        if audit is not None:
            note = f"{audit.values['n_frames']} random frames, labelled afterwards"
            self._cite("production audit", "analyses", audit.key, note=note)
        before, after = self._views()
        outcome, reason = self._outcome()
        temperature = self.spec.production.dynamics.temperature_K
        time_ps = interphase.values["time_ps"] if interphase else 0.0
        return ReportInputs(
            campaign=self.spec.name,
            question=self._question(starts, temperature),
            reference=self._reference(dataset),
            outcome=outcome,
            outcome_reason=reason,
            created=str(self.state.get("ended_at", self.state.get("started_at", ""))),
            spending=self._spending(),
            iterations=self._report_iterations(),
            replicas=self._replicas(),
            profile=self._profile(arrays),
            environments=self._band(arrays, "environments", "environment_labels", "time_ps"),
            displacement=self._band(arrays, "msd", "species", "displacement_time_ps"),
            bcc_start=_estimate(interphase, "bcc_fraction_start"),
            bcc_end=_estimate(interphase, "bcc_fraction_end"),
            production_force_mae_mev_per_angstrom=_estimate(audit, "forces_mae_mev_per_angstrom"),
            production_energy_mae_mev_per_atom=_estimate(audit, "energy_mae_mev_per_atom"),
            thermodynamics=self._thermodynamics(),
            before=before,
            after=after,
            provenance=self.provenance,
            software={name: version(name) for name in SOFTWARE} | {"python": platform.python_version()},
            notes=self._notes(dataset, interphase),
            verdict="undecided",
            verdict_reason=f"{time_ps:.2g} ps of a cell of this size cannot decide whether the interphase "
            "goes on growing, passivates or runs out of lithium"
            if interphase
            else "there is no production yet",
        )

    def _dataset(self) -> DatasetDoc | None:
        dataset = self.documents.dataset
        if dataset is not None:
            note = ", ".join(f"{n} {side}" for side, n in dataset.n_frames.items())
            self._cite("labels", "datasets", dataset.key, dataset.artifact.sha256, note)
        return dataset

    def _starts(self) -> StructureSetDoc | None:
        starts = self.documents.starts
        if starts is not None:
            self._cite("structures", "structure_sets", starts.key, starts.artifact.sha256, starts.name)
        return starts

    def _cite(self, subject: str, kind: str, key: str, artifact: str = "", note: str = "") -> None:
        self.provenance.append(ProvenanceRow(subject, kind, key, artifact, note))

    # --- sections

    def _outcome(self) -> tuple[Outcome, str]:
        if self.result is not None:
            outcome: Outcome = "converged" if self.result.outcome == "converged" else "budget exhausted"
            return outcome, self.iterations[-1].reason if self.iterations else ""
        if self.state.get("status") == "failed":
            return "failed", "jobs failed without which there is no result; see interphase query failures"
        return "running", "the campaign has not come to its end yet"

    def _question(self, starts: StructureSetDoc | None, temperature_K: float) -> Question:
        details = starts.details.get(starts.entries[0].origin, {}) if starts else {}
        return Question(
            electrode=self.spec.electrode,
            electrolyte=self.spec.electrolyte,
            temperature_K=temperature_K,
            n_atoms=starts.entries[0].n_atoms if starts else 0,
            area_angstrom2=_number(details.get("area_angstrom2")),
            strain_percent=100.0 * abs(float(details["film_strain"])) if "film_strain" in details else None,
            gap_angstrom=_number(details.get("gap_angstrom")),
            broken_units=int(details["n_broken_units"]) if "n_broken_units" in details else None,
            text=f"What forms between {self.spec.electrode} and {self.spec.electrolyte} at {temperature_K:.0f} K, "
            "where, and how fast?",
        )

    def _reference(self, dataset: DatasetDoc | None) -> ReferenceMethod:
        if dataset is None:
            return ReferenceMethod(self.spec.reference.method, self.spec.reference.method == "chgnet")
        method = dataset.method
        settings = ", ".join(f"{k} {v}" for k, v in method.settings.items())
        return ReferenceMethod(f"{method.code} {method.version}", method.is_surrogate, settings)

    def _spending(self) -> Spending:
        labels = self.ledger.find("labels", self.own, properties=["status", "reason", "wall_time_s"])
        models = self.ledger.find("models", self.own, properties=["wall_time_s"])
        segments = self.ledger.find(
            "segments", self.own, ["role", "wall_time_s", "first_step", "last_step", "n_atoms"]
        )
        sets = self.ledger.find("structure_sets", self.own, properties=["wall_time_s"])
        wall: dict[str, float] = {
            "first structures": sum(d.get("wall_time_s", 0.0) for d in sets),
            "labels": sum(d["wall_time_s"] for d in labels),
            "training": sum(d["wall_time_s"] for d in models),
        }
        for role, name in (
            ("explore", "exploration"),
            ("audit", "exploration"),
            ("production", "production"),
        ):
            wall[name] = wall.get(name, 0.0) + sum(d["wall_time_s"] for d in segments if d["role"] == role)
        return Spending(
            labels_accepted=sum(d["status"] == "accepted" for d in labels),
            labels_rejected=dict(Counter(str(d["reason"]) for d in labels if d["status"] == "rejected")),
            wall_time_s=wall,
            atom_steps=float(sum((d["last_step"] - d["first_step"]) * d["n_atoms"] for d in segments)),
        )

    def _report_iterations(self) -> list[Iteration]:
        curve = self.documents.analysis("learning_curve")
        if curve is not None:
            self._cite(
                "learning",
                "analyses",
                curve.key,
                note=f"{curve.values['n_frames']} held-out interface frames",
            )
        points: Sequence[Mapping[str, Any]] = curve.values["iterations"] if curve else []  # type: ignore[assignment]
        result = []
        for number, doc in enumerate(self.iterations):
            held_out = doc.errors.get("interface", doc.errors["test"])
            errors = points[number] if number < len(points) else held_out.model_dump()
            committee = self.documents.committee(doc.committee_key)
            self._cite(f"iteration {doc.index}", "iterations", doc.key, note=f"committee {doc.committee_key}")
            result.append(
                Iteration(
                    index=doc.index,
                    n_train=doc.n_train,
                    energy_mae_mev_per_atom=errors["energy_mae_mev_per_atom"],
                    force_mae_mev_per_angstrom=errors["forces_mae_mev_per_angstrom"],
                    force_rmse_mev_per_angstrom=errors["forces_rmse_mev_per_angstrom"],
                    force_mae_by_origin={
                        origin: summary.forces_mae_mev_per_angstrom
                        for origin, summary in (committee.errors_by_origin if committee else {}).items()
                    },
                    n_test=errors["n_frames"],
                    fraction_above_select=doc.fraction_above_select,
                    select_ev_per_angstrom=doc.select_force_std_ev_per_angstrom,
                    stop_ev_per_angstrom=doc.stop_force_std_ev_per_angstrom,
                    calibration_rank_correlation=doc.calibration.rank_correlation,
                    decision=doc.decision.replace("_", " "),
                    reason=doc.reason,
                    n_new_labels=doc.n_labels_new,
                    parity=self._parity(committee) if committee else None,
                )
            )
        return result

    def _parity(self, committee: CommitteeDoc) -> ParityData:
        with np.load(self.workspace.artifacts.get(committee.parity)) as archive:
            energy, energy_error = archive["energy"], archive["energy_error"]
            forces, forces_error = archive["forces"], archive["forces_error"]
        stride = max(1, len(forces) // PARITY_SAMPLE)
        return ParityData(energy, energy + energy_error, forces[::stride], (forces + forces_error)[::stride])

    def _replicas(self) -> list[Replica]:
        committee = self.documents.committee(self.result.committee_key) if self.result else None
        result = []
        for run_id in sorted({s.run_id for s in self.production}):
            segments = [s for s in self.production if s.run_id == run_id]
            self._cite(
                f"replica {run_id}",
                "segments",
                segments[-1].key,
                _hash(segments[-1]),
                segments[-1].stop_reason,
            )
            temperature_K, spread_K = _pooled_temperature(segments)
            steps = np.array([step for s in segments for step in s.uncertainty_steps], dtype=float)
            result.append(
                Replica(
                    name=run_id,
                    seed=segments[0].seed,
                    steps=sum(s.n_steps for s in segments),
                    time_ps=segments[-1].last_step * segments[-1].timestep_fs / 1000.0,
                    temperature_mean_K=temperature_K,
                    temperature_std_K=spread_K,
                    survived=all(s.stop_reason == "finished" for s in segments),
                    stop_reason=segments[-1].stop_reason,
                    uncertainty_time_ps=steps * segments[0].timestep_fs / 1000.0,
                    uncertainty_ev_per_angstrom=np.array(
                        [u for s in segments for u in s.uncertainty_ev_per_angstrom]
                    ),
                    select_ev_per_angstrom=committee.select_force_std_ev_per_angstrom if committee else None,
                    stop_ev_per_angstrom=committee.stop_force_std_ev_per_angstrom if committee else None,
                )
            )
        if self.production:
            self._cite("production", "committees", self.production[0].committee_key)
        return result

    def _arrays(self, interphase: AnalysisDoc | None) -> dict[str, np.ndarray]:
        if interphase is None or interphase.artifact is None:
            return {}
        for subject in ("profile", "environments", "displacement", "crystal"):
            self._cite(subject, "analyses", interphase.key, interphase.artifact.sha256)
        return self.documents.arrays(interphase)

    def _profile(self, arrays: Mapping[str, np.ndarray]) -> CompositionProfile | None:
        if not arrays:
            return None
        return CompositionProfile(
            time_ps=arrays["time_ps"],
            bin_edges_angstrom=arrays["bin_edges_angstrom"],
            elements=[str(e) for e in arrays["elements"]],
            density_per_angstrom3=arrays["density"],
            n_replicas=len({s.run_id for s in self.production}),
            standard_error_per_angstrom3=arrays["density_standard_error"],
        )

    def _band(self, arrays: Mapping[str, np.ndarray], name: str, labels: str, time: str) -> SeriesBand | None:
        if not arrays:
            return None
        return SeriesBand(
            time_ps=arrays[time],
            names=[str(label) for label in arrays[labels]],
            mean=arrays[name],
            standard_error=arrays[f"{name}_standard_error"],
            minimum=arrays[f"{name}_minimum"],
            maximum=arrays[f"{name}_maximum"],
            n_replicas=len({s.run_id for s in self.production}),
        )

    def _thermodynamics(self) -> Thermodynamics | None:
        analysis = self.documents.analysis("thermodynamics")
        if analysis is None:
            return None
        self._cite("thermodynamics", "analyses", analysis.key, note="relaxed phases by the reference method")
        kinks: Sequence[Mapping[str, Any]] = analysis.values["kinks"]  # type: ignore[assignment]
        above: float = analysis.values["electrolyte_above_hull_ev_per_atom"]  # type: ignore[assignment]
        is_li_p_s = {self.spec.electrode, self.spec.electrolyte} == {"Li", "Li7P3S11"}
        return Thermodynamics(
            kinks=[ReactionKink(**kink) for kink in kinks],
            electrolyte_above_hull_ev_per_atom=above,
            missing_phases=ALKALI_PHASES_MISSING if is_li_p_s else (),
        )

    def _views(self) -> tuple[StructureView | None, StructureView | None]:
        first = next((s.run_id for s in self.production if s.trajectory is not None), None)
        if first is None:
            return None, None
        paths = [
            self.workspace.artifacts.get(s.trajectory)
            for s in self.production
            if s.run_id == first and s.trajectory
        ]
        with RunFrames(paths) as frames:
            from ase import Atoms

            symbols = list(Atoms(numbers=frames.numbers).symbols)
            from_electrode = None if frames.side is None else np.asarray(frames.side) == 0
            views = []
            for index in (0, frames.n_frames - 1):
                cell = frames.cell(index)
                fractions = np.linalg.solve(cell.T, frames.positions(index).T).T % 1.0
                views.append(
                    StructureView(
                        title=f"{first} at {frames.time_fs[index] / 1000:.2f} ps",
                        symbols=symbols,
                        positions=fractions @ cell,
                        cell=cell,
                        from_electrode=from_electrode,
                    )
                )
        return views[0], views[1]

    def _notes(self, dataset: DatasetDoc | None, interphase: AnalysisDoc | None) -> list[str]:
        notes = list(dataset.notes if dataset else []) + list(interphase.notes if interphase else [])
        notes += [note for segment in self.production for note in segment.notes]
        thermodynamics = self.documents.analysis("thermodynamics")
        notes += list(thermodynamics.notes) if thermodynamics else []
        equilibration_ps = self.spec.production.equilibration_fs / 1000.0
        if self.production and equilibration_ps:
            notes.append(
                f"mean temperatures of production leave out the first {equilibration_ps:g} ps of every run, in which "
                "the interface sheds the heat of its first reactions"
            )
        failures = self.ledger.count("failures", self.own)
        if failures:
            notes.append(f"{failures} failures are on record: interphase query failures")
        return notes


def _estimate(analysis: AnalysisDoc | None, name: str) -> Estimate | None:
    values: Any = analysis.values.get(name) if analysis else None
    return Estimate(**values) if values else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _hash(segment: SegmentDoc) -> str:
    return segment.trajectory.sha256 if segment.trajectory else ""


def _pooled_temperature(segments: Sequence[SegmentDoc]) -> tuple[float, float]:
    """Return mean and standard deviation over all looks after the equilibration, in K."""
    parts = [
        (s.n_temperatures, s.temperature_mean_k, s.temperature_std_k)
        for s in segments
        if s.temperature_mean_k is not None and s.temperature_std_k is not None
    ]
    if not parts:
        return float("nan"), float("nan")
    weights, means, spreads = (np.array(column, dtype=float) for column in zip(*parts, strict=True))
    mean = float(np.average(means, weights=weights))
    return mean, float(np.sqrt(np.average(spreads**2 + (means - mean) ** 2, weights=weights)))
