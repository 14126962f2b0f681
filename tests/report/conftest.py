"""A synthetic campaign with the shapes of a real one: 66 atoms, three replicas of ten picoseconds."""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.report.collect.thermodynamics_inputs import ReactionKink, Thermodynamics
from interphase_flows.report.inputs import (
    Iteration,
    ParityData,
    ProvenanceRow,
    Question,
    ReferenceMethod,
    Replica,
    ReportInputs,
    SeriesBand,
    Spending,
    StructureView,
)
from interphase_flows.structures.crystals.library import load_phase

SURROGATE = ReferenceMethod("CHGNet 0.3.0", is_surrogate=True, settings="weights of the chgnet 0.4.2 wheel")
QUESTION = Question(
    electrode="Li",
    electrolyte="Li7P3S11",
    temperature_K=300.0,
    n_atoms=66,
    area_angstrom2=71.2,
    strain_percent=5.3,
    gap_angstrom=2.0,
    broken_units=0,
    text="What forms first where lithium metal touches Li7P3S11, and how fast?",
)


def interface(seed: int, broken: int) -> tuple[Atoms, np.ndarray]:
    """Stack a slab of lithium on a cell of Li7P3S11 and pull some S off their P."""
    rng = np.random.default_rng(seed)
    salt = load_phase("Li7P3S11")
    salt = Atoms(salt.symbols, salt.get_scaled_positions(), cell=np.eye(3), pbc=True)
    cell = load_phase("Li7P3S11").cell[:][[1, 0, 2]]
    cell[2] *= 1.55
    scaled = salt.get_scaled_positions()[:, [1, 0, 2]] * [1, 1, 1 / 1.55]
    layers = [
        [(i + 0.5 * (k % 2)) / 2, j / 3, 0.69 + 0.08 * k]
        for k in range(4)
        for i in range(2)
        for j in range(3)
    ]
    atoms = Atoms([*salt.symbols, *["Li"] * 24], scaled_positions=[*scaled, *layers], cell=cell, pbc=True)
    sulphur = rng.permutation(np.flatnonzero(atoms.numbers == 16))[:broken]
    atoms.positions[sulphur] += rng.normal(0, 1.2, (broken, 3))
    atoms.positions += rng.normal(0, 0.06 * bool(broken), (66, 3))
    return atoms, np.arange(66) >= 42


def view(title: str, seed: int, broken: int) -> StructureView:
    atoms, electrode = interface(seed, broken)
    return StructureView(title, list(atoms.symbols), atoms.positions, atoms.cell[:], electrode)


def iterations() -> list[Iteration]:
    rng = np.random.default_rng(0)
    turns = []
    for index, (n, force, share) in enumerate([(80, 212.0, 0.64), (120, 141.0, 0.22), (160, 97.0, 0.06)]):
        energies = rng.normal(-3.4, 0.12, 30)
        forces = rng.standard_t(4, 1500) * 0.7
        turns.append(
            Iteration(
                index=index,
                n_train=n,
                n_test=30,
                energy_mae_meV_per_atom=force / 9,
                force_mae_meV_per_angstrom=force,
                force_rmse_meV_per_angstrom=1.45 * force,
                force_mae_by_origin={"interface MD": force, "crystals": 0.4 * force, "rattled": 0.7 * force},
                fraction_above_select=share,
                select_eV_per_angstrom=0.12,
                stop_eV_per_angstrom=0.35,
                calibration_rank_correlation=0.58 + 0.05 * index,
                decision="label and retrain" if index < 2 else "stop: labels spent",
                reason=f"{100 * share:.0f} % above select, target 5 %",
                n_new_labels=40 if index < 2 else 0,
                parity=ParityData(
                    energies,
                    energies + rng.normal(0, force / 9e3, 30),
                    forces,
                    forces + rng.laplace(0, force / 1e3, 1500),
                ),
            )
        )
    return turns


def replicas(time: np.ndarray) -> list[Replica]:
    made = []
    for number in range(3):
        rng = np.random.default_rng(number)
        shown = time if number < 2 else time[:130]
        sigma = 0.07 + 0.03 * np.exp(-shown / 2) + 0.012 * rng.standard_normal(len(shown)).cumsum() / 6
        sigma = np.abs(sigma) + 0.008 * rng.random(len(shown))
        if number == 2:
            sigma[-1] = 0.37
        made.append(
            Replica(
                name=str(number + 1),
                seed=1000 + number,
                steps=len(shown) * 50,
                time_ps=float(shown[-1]),
                temperature_mean_K=299.0 + number,
                temperature_std_K=22.0,
                survived=number < 2,
                stop_reason="all steps done" if number < 2 else "force σ of 370 meV/Å above stop",
                uncertainty_time_ps=shown,
                uncertainty_eV_per_angstrom=sigma,
                select_eV_per_angstrom=0.12,
                stop_eV_per_angstrom=0.35,
            )
        )
    return made


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
    return SeriesBand(time, names, mean, 0.06 * np.sqrt(gone)[:, None] * (mean > 0), n_replicas=3)


def displacement_band(time: np.ndarray) -> SeriesBand:
    mean = np.column_stack([0.3 + 0.9 * np.sqrt(time) + 0.22 * time, 0.1 + 0.05 * time, 0.12 + 0.11 * time])
    mean[0] = 0
    return SeriesBand(time, ("Li", "P", "S"), mean, 0.12 * mean, n_replicas=3)


@pytest.fixture(scope="session")
def full_inputs() -> ReportInputs:
    """Return a campaign with all inputs."""
    time = np.linspace(0, 10, 200)
    kinks = [
        ReactionKink(5 / 89, "5/89", "4 Li7P3S11 + 5 Li → 11 Li3PS4 + P", -0.133, -2.96, -0.025),
        ReactionKink(15 / 36, "15/36", "Li7P3S11 + 15 Li → 11 Li2S + 3 P", -0.711, -25.58, -0.221),
        ReactionKink(18 / 39, "18/39", "Li7P3S11 + 18 Li → 11 Li2S + 3 LiP", -0.733, -28.59, -0.244),
        ReactionKink(24 / 45, "24/45", "Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P", -0.737, -33.16, -0.258),
    ]
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
        question=QUESTION,
        reference=SURROGATE,
        outcome="budget exhausted",
        outcome_reason="160 of 160 labels were spent; 6 % of fresh frames were above select (target 5 %).",
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
        replicas=replicas(time),
        environments=anion_band(time),
        displacement=displacement_band(time),
        bcc_start=Estimate.symmetric(0.92, 0.0, n_independent=3),
        bcc_end=Estimate.symmetric(0.41, 0.13, n_independent=3),
        thermodynamics=Thermodynamics(kinks, 0.0174, ("Li3P7", "LiP7", "Li7PS6")),
        before=view("Before: as built", 0, 0),
        after=view("After 10 ps, replica 1", 1, 8),
        provenance=[
            ProvenanceRow(s, "segment", f"{i:02d}" + "c0ffee" * 5, "9e3f" * 8) for i, s in enumerate(subjects)
        ],
        software={"interphase_flows": "0.1.0", "nequip": "0.19.1", "torch": "2.13.0", "ase": "3.29.0"},
        notes=["Replica 3 was stopped by the committee and takes part in the averages only up to that time."],
    )


@pytest.fixture(scope="session")
def bare_inputs() -> ReportInputs:
    """Return a campaign that has just started."""
    return ReportInputs("just-begun", QUESTION, SURROGATE, "running")
