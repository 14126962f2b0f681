"""A synthetic campaign with the shapes of a real one: 66 atoms, three replicas of ten picoseconds."""

from fractions import Fraction

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.analysis.pipeline.parts.structure import ElectrodeOrderResult
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.report.inputs.campaign import (
    InterfaceDescription,
    ProvenanceRow,
    ReferenceLabels,
    ReportInputs,
    Spending,
)
from interphase_flows.report.inputs.interphase import ProductionRun, SeriesBand, StructureView, Thermodynamics
from interphase_flows.report.inputs.learning import IterationErrors, ParityData, TrainingCurve
from interphase_flows.report.inputs.trajectories import BuiltCell, LigandCounts, RunTraces, TrajectoryInputs
from interphase_flows.schemas.iteration import EnvironmentUncertainty, ErrorChange, IterationDoc
from interphase_flows.schemas.model import ErrorSummary
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.thermodynamics import ThermodynamicsDoc
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.thermodynamics.results import Kink, ThermodynamicsResult
from loop_documents import ERRORS, NO_FILE, committee, segment

SURROGATE = ReferenceLabels("CHGNet 0.3.0", is_surrogate=True, settings={"weights": "chgnet 0.4.2 wheel"})
INTERFACE = InterfaceDescription(
    electrode="Li",
    electrolyte="Li7P3S11",
    temperature_K=300.0,
    n_atoms=66,
    area_angstrom2=71.2,
    strain_percent=5.3,
    gap_angstrom=2.0,
    n_broken_anions=0,
)
SELECT, STOP = 0.12, 0.35
TIMESTEP_FS = 2.0


def interface(seed: int, broken: int) -> tuple[Atoms, np.ndarray]:
    """Stack a slab of lithium on a cell of Li7P3S11 and pull some S off their P."""
    rng = np.random.default_rng(seed)
    salt = load_phase("Li7P3S11")
    salt = Atoms(salt.symbols, salt.get_scaled_positions(), cell=np.eye(3), pbc=True)
    cell = load_phase("Li7P3S11").cell[:][[1, 0, 2]]
    cell[2] *= 1.55
    scaled = salt.get_scaled_positions()[:, [1, 0, 2]] * [1, 1, 1 / 1.55]
    layers = [[(i + 0.5 * (k % 2)) / 2, j / 3, 0.69 + 0.08 * k] for k in range(4) for i in range(2) for j in range(3)]
    atoms = Atoms([*salt.symbols, *["Li"] * 24], scaled_positions=[*scaled, *layers], cell=cell, pbc=True)
    sulfur = rng.permutation(np.flatnonzero(atoms.numbers == 16))[:broken]
    atoms.positions[sulfur] += rng.normal(0, 1.2, (broken, 3))
    atoms.positions += rng.normal(0, 0.06 * bool(broken), (66, 3))
    return atoms, np.arange(66) >= 42


def view(title: str, seed: int, broken: int) -> StructureView:
    atoms, electrode = interface(seed, broken)
    return StructureView(title, list(atoms.symbols), atoms.positions, atoms.cell[:], electrode)


def error_summary(forces_mae: float) -> ErrorSummary:
    changes = {
        "n_frames": 30,
        "energy_mae_meV_per_atom": forces_mae / 9,
        "forces_mae_meV_per_angstrom": forces_mae,
        "forces_rmse_meV_per_angstrom": 1.45 * forces_mae,
    }
    return ERRORS.model_copy(update=changes)


def training_curves(iteration: int) -> list[TrainingCurve]:
    """Return the curves of three members, the last of which stopped early."""
    curves = []
    for member in range(3):
        rng = np.random.default_rng(10 * iteration + member)
        n = (60, 60, 45)[member] if iteration == 0 else 25
        falling = 0.3 / (1 + iteration) * (0.15 + np.exp(-np.arange(n) / 12))
        validation, training = (factor * falling * np.exp(rng.normal(0, 0.06, n)) for factor in (1.2, 0.9))
        curves.append(TrainingCurve(member, n - 5, validation / 9, training / 9, validation, training))
    return curves


def error_changes(force: float) -> dict[str, ErrorChange]:
    """Return larger changes of the frames that train."""
    return {
        side: ErrorChange(
            n_frames=n,
            before_meV_per_angstrom=Estimate.symmetric(before * force, 0.1 * force),
            after_meV_per_angstrom=Estimate.symmetric(after * force, 0.08 * force),
            change_meV_per_angstrom=Estimate.symmetric((after - before) * force, 0.05 * force),
        )
        for side, n, before, after in (("held_out", 6, 1.4, 1.0), ("train", 40, 1.9, 0.9))
    }


def environments(force: float) -> list[EnvironmentUncertainty]:
    """Return the environments of a reacting interface; one occurs in a single frame."""
    found = [("P", "PSx", 1.9), ("P", "Pn", 1.6), ("S", "PSx", 1.3), ("P", "PS4", 1.1), ("S", "isolated S", 0.9)]
    found += [("S", "P2S7", 0.8), ("S", "PS4", 0.7), ("Li", "isolated S", 0.4), ("Li", "PS4", 0.3), ("Li", None, 0.2)]
    return [
        EnvironmentUncertainty(
            element=element,
            anion=anion,
            n_atoms=40,
            force_std_meV_per_angstrom=Estimate.symmetric(
                scale * force / 4, np.nan if anion == "Pn" else 0.1 * force / 4
            ),
            force_error_meV_per_angstrom=Estimate.symmetric(1.2 * scale * force, 0.2 * force),
        )
        for element, anion, scale in found
    ]


def iterations() -> list[IterationErrors]:
    rng = np.random.default_rng(0)
    found = []
    for index, (n, force, share) in enumerate([(80, 212.0, 0.64), (120, 141.0, 0.22), (160, 97.0, 0.06)]):
        energies = rng.normal(-3.4, 0.12, 30)
        forces = rng.standard_t(4, 1500) * 0.7
        errors = error_summary(force)
        document = IterationDoc(
            key=f"iteration-{index}",
            index=index,
            dataset_key="dataset",
            committee_key="committee",
            first_checkpoint=NO_FILE,
            explored_with=None,
            n_labels_new=40 if index < 2 else 0,
            n_labels_rejected=0,
            n_labels_total=n,
            n_train=n,
            errors={"test": errors},
            fresh_audit_errors=None,
            calibration=committee().calibration.model_copy(update={"rank_correlation": 0.58 + 0.05 * index}),
            select_force_std_eV_per_angstrom=SELECT,
            stop_force_std_eV_per_angstrom=STOP,
            fraction_above_select=share,
            targets_met=False,
            stop_reasons={},
            decision="continue" if index < 2 else "budget_exhausted",
            error_changes=error_changes(force) if index else {},
            environments=environments(force) if index else [],
            reason=f"{100 * share:.0f} % above the selection level, target 5 %",
        )
        by_origin = {
            Origin("interface/MD"): errors,
            Origin("crystal/Li2S"): error_summary(0.4 * force),
        }
        parity = ParityData(
            energies,
            energies + rng.normal(0, force / 9e3, 30),
            forces,
            forces + rng.laplace(0, force / 1e3, 1500),
            std := np.exp(rng.normal(-1.5, 0.6, 30)),
            2.0 * std * np.exp(rng.normal(0, 0.3, 30)),
            {"Li": 0.5 * force / 1e3, "P": 2 * force / 1e3, "S": force / 1e3},
        )
        found.append(IterationErrors(document, errors, by_origin, parity, training_curves(index)))
    return found


def production(time: np.ndarray) -> list[ProductionRun]:
    runs = []
    for number in range(3):
        rng = np.random.default_rng(number)
        shown = time if number < 2 else time[:130]
        sigma = 0.07 + 0.03 * np.exp(-shown / 2) + 0.012 * rng.standard_normal(len(shown)).cumsum() / 6
        sigma = np.abs(sigma) + 0.008 * rng.random(len(shown))
        if number == 2:
            sigma[-1] = 0.37
        steps = (shown * 1000 / TIMESTEP_FS).astype(int)
        document = segment(
            f"replica-{number}",
            role="production",
            seed=1000 + number,
            stop_reason="finished" if number < 2 else "uncertain",
            explanation="" if number < 2 else "force uncertainty 370 meV/Å above the stop level",
            last_step=int(steps[-1]),
            timestep_fs=TIMESTEP_FS,
            temperature_mean_K=299.0 + number,
            temperature_std_K=22.0,
            uncertainty_steps=steps.tolist(),
            uncertainty_eV_per_angstrom=sigma.tolist(),
        )
        runs.append(ProductionRun([document]))
    return runs


def thermodynamics() -> Thermodynamics:
    """Four reactions of Li with Li7P3S11."""
    kinks = [
        Kink(
            x_electrode=Fraction(exact),
            x_electrode_exact=exact,
            reaction=reaction,
            electrode_units=Fraction(units),
            products={},
            energy_eV_per_atom=per_atom,
            energy_eV_per_formula_unit=per_unit,
            volume_change=volume,
        )
        for exact, units, reaction, per_atom, per_unit, volume in [
            ("5/89", "5/4", "4 Li7P3S11 + 5 Li → 11 Li3PS4 + P", -0.133, -2.96, -0.025),
            ("15/36", "15", "Li7P3S11 + 15 Li → 11 Li2S + 3 P", -0.711, -25.58, -0.221),
            ("18/39", "18", "Li7P3S11 + 18 Li → 11 Li2S + 3 LiP", -0.733, -28.59, -0.244),
            ("24/45", "24", "Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P", -0.737, -33.16, -0.258),
        ]
    ]
    prediction = ThermodynamicsResult(
        electrode="Li",
        electrolyte="Li7P3S11",
        kinks=tuple(kinks),
        electrolyte_above_hull_eV_per_atom=0.0174,
        electrolyte_decomposition={},
        stable_phases=(),
        full_reaction=kinks[-1].reaction,
        mixing_line=(),
        window=None,
        errors=None,
    )
    document = ThermodynamicsDoc(
        key="thermodynamics", phase_keys=[], geometry_methods=[], energy_methods=[], prediction=prediction
    )
    return Thermodynamics(document, missing_phases=("Li3P7", "LiP7", "Li7PS6"))


def anion_band(time: np.ndarray) -> SeriesBand:
    names = (
        "PS4",
        "P2S7",
        "P2S6",
        "P2S6 edge-sharing",
        "PSx",
        "Pn",
        "isolated P",
        "isolated S",
        "bonded S",
        "other",
    )
    mean = np.zeros((len(time), len(names)))
    gone = 1 - np.exp(-time / 4)
    mean[:, 0] = (1 - 0.55 * gone) / 3
    mean[:, 1] = (1 - 0.8 * gone) * 2 / 3
    mean[:, 4] = 0.5 * gone
    mean[:, 5] = 0.06 * gone
    mean[:, 6] = 1 - mean.sum(axis=1)
    error = 0.06 * np.sqrt(gone)[:, None] * (mean > 0)
    return SeriesBand(time, names, Estimate.symmetric(mean, error), n_replicas=3)


def displacement_band(time: np.ndarray) -> SeriesBand:
    mean = np.column_stack([0.3 + 0.9 * np.sqrt(time) + 0.22 * time, 0.1 + 0.05 * time, 0.12 + 0.11 * time])
    mean[0] = 0
    return SeriesBand(time, ("Li", "P", "S"), Estimate.symmetric(mean, 0.12 * mean), n_replicas=3)


def built_cell() -> BuiltCell:
    details = {
        "film_miller": "(110)",
        "substrate_miller": "(001)",
        "film_strain": 0.0053,
        "area_angstrom2": 71.2,
        "electrode_angstrom": 29.8,
        "electrolyte_angstrom": 35.0,
        "gap_angstrom": 2.2,
        "n_broken_units": 0,
    }
    return BuiltCell("production cell/0", "Li38P12S16", 66, details)


def trajectories(time: np.ndarray) -> TrajectoryInputs:
    """Return traces of three replicas at zero pressure, and the loss of S by P."""
    traces = []
    for number in range(3):
        rng = np.random.default_rng(number)
        traces.append(
            RunTraces(
                run=f"replica-{number}",
                time_ps=time,
                temperature_K=300.0 + rng.normal(0, 22, len(time)),
                potential_energy_eV_per_atom=-3.4 - 0.1 * (1 - np.exp(-time / 3)),
                temperature_target_K=300.0,
                segment_ps=np.array([[0.0, 5.0], [5.0, 10.0]]),
                normal_stress_GPa=rng.normal(0, 0.05, 2),
                normal_stress_standard_error_GPa=np.array([0.03, np.nan]),
                pressure_target_GPa=0.0,
            )
        )
    fractions = np.array([[0, 0, 0, 0.01, 0.99], [0.02, 0.05, 0.06, 0.2, 0.67]])
    return TrajectoryInputs(
        traces, [LigandCounts("P", "S", 2.9, Estimate.symmetric(fractions, np.full((2, 5), 0.02)), 3)]
    )


@pytest.fixture(scope="session")
def full_inputs() -> ReportInputs:
    """Return a campaign with all inputs."""
    time = np.linspace(0, 10, 200)
    subjects = [
        "labels",
        "learning",
        "production",
        "phases",
        "thermodynamics",
        "structures",
        "iteration 2",
    ]
    return ReportInputs(
        campaign="laptop-demo",
        interface=INTERFACE,
        reference=SURROGATE,
        outcome="budget exhausted",
        outcome_reason="160 of 160 labels were spent; 6 % of audit frames were above the selection level (target 5 %).",
        created="2025-11-22 23:59 UTC",
        spending=Spending(
            160,
            {"overlapping atoms": 3, "forces above 20 eV/Å": 2},
            {
                "labelling": 212.0,
                "training": 355.0,
                "exploration": 121.0,
                "production": 148.0,
                "analysis": 9.0,
            },
            66 * 35_000,
        ),
        iterations=iterations(),
        production=production(time),
        committee=committee().model_copy(
            update={"select_force_std_eV_per_angstrom": SELECT, "stop_force_std_eV_per_angstrom": STOP}
        ),
        environments=anion_band(time),
        displacement=displacement_band(time),
        electrode_order=ElectrodeOrderResult(
            bcc_fraction_start=Estimate.symmetric(0.92, 0.0, n_independent=3),
            bcc_fraction_end=Estimate.symmetric(0.41, 0.13, n_independent=3),
        ),
        thermodynamics=thermodynamics(),
        cells=[built_cell()],
        trajectories=trajectories(time),
        campaign_file="name: laptop-demo\nelectrode: Li\n",
        settings={"store": "embedded", "n_threads": "1"},
        before=view("Before: as built", 0, 0),
        after=view("After 10 ps, replica 1", 1, 8),
        views=[view(f"replica-0 at {time:.2f} ps", seed, 4 * seed) for seed, time in enumerate((0, 5, 10))],
        provenance=[ProvenanceRow(s, "segment", f"{i:02d}" + "c0ffee" * 5, "9e3f" * 8) for i, s in enumerate(subjects)],
        software={"interphase_flows": "0.1.0", "nequip": "0.19.1", "torch": "2.13.0", "ase": "3.29.0"},
        notes=["Replica 3 was stopped by the committee; the averages end at that time."],
    )


@pytest.fixture(scope="session")
def bare_inputs() -> ReportInputs:
    """Return a campaign that has just started."""
    return ReportInputs("just-begun", INTERFACE, SURROGATE, "running")
