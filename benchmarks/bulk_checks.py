"""Checks of the potentials of a campaign on crystals and simple interfaces, before its production is believed.

Run: ``nice -n 19 python benchmarks/bulk_checks.py FOLDER CAMPAIGN [--root runs] [--ps 100] [--checks ...]``. It takes
hours; run it again to continue. The first member of the last committee of the campaign drives all dynamics, and its
uncertainty is recorded. ``FOLDER/results.json`` has an entry for each finished check:

crystals
    Lengths of the cell and density of lithium, its products and the electrolyte at 300 K and zero pressure, beside the
    published cell; and the squared displacement of each element from the first to the last frame after equilibration.
melting
    A cell of solid and molten lithium at 400 K: the share of crystalline atoms must increase (it melts at 454 K).
conductivity
    Ionic conductivity of the electrolyte at 500 to 800 K at constant volume, from the Onsager coefficient of lithium
    relative to sulfur, its activation energy, and the line at 300 K.
products
    Interfaces of lithium with Li2S and Li3P at 300 K, which must not react.
energies
    Errors on the frames of labelled interfaces and amorphous cells in ``--frames``, which nothing was trained on, by
    element; and the reaction energy of the electrolyte with lithium, with relaxed crystals, against the reference method.
"""

import argparse
import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.data import chemical_symbols
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from jobflow import Flow
from pydantic_core import to_jsonable_python

from interphase_flows.analysis.geometry.frame_slice import FrameSlice
from interphase_flows.analysis.phases.electrode_order import LEAST_Q6, averaged_order
from interphase_flows.analysis.statistics.autocorrelation import statistical_inefficiency
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.composition_grid.arrhenius import MeasuredAt, arrhenius_fit
from interphase_flows.analysis.transport.conduction import ionic_conduction
from interphase_flows.analysis.transport.onsager import onsager_matrix
from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.datasets.frames import read_extxyz
from interphase_flows.exceptions import AnalysisError, InterphaseError
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.potentials.errors import MEV, frame_errors
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.results import CampaignResults
from interphase_flows.runners.local.flow_runner import FlowRunner
from interphase_flows.runtime.atomic_files import write_json_atomic
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import repeated
from interphase_flows.structures.interfaces.production_cells import ProductionCellSpec, build_production_cell
from interphase_flows.units import S_PER_M_PER_E2_PER_EV_ANGSTROM_PS

CRYSTALS = {"Li": 128, "Li2S": 96, "Li3P": 96, "LiP": 96, "Li7P3S11": 168}
"""Phases and the smallest number of atoms of their cells."""
TEMPERATURE_K, MELTING_TEST_K = 300.0, 400.0
CONDUCTIVITY_TEMPERATURES_K = (500.0, 600.0, 700.0, 800.0)
TIMESTEP_FS = 2.0
EQUILIBRATION_PS = 5.0
"""Excluded from all averages, or a fifth of a shorter run."""
PRODUCTS = ("Li2S", "Li3P")
PRODUCT_ANGSTROM = 20.0
"""Thickness of each side of the interfaces of lithium with its products."""
MOLTEN_K, MELT_PS = 1200.0, 5.0
GRAM_PER_CM3_PER_AMU_PER_ANGSTROM3 = 1e24 * 1e3 / units.kg
REACTION = {"Li7P3S11": -1, "Li": -24, "Li2S": 11, "Li3P": 3}
"""Formula units that react, negative, and form."""


class Runs:
    """Runs of dynamics by the committee of a campaign; finished and interrupted runs are continued."""

    def __init__(
        self, workspace: Workspace, committee: CommitteeDoc, reference: MethodSpec, picoseconds: float
    ) -> None:
        self.workspace, self.committee, self.reference, self.picoseconds = workspace, committee, reference, picoseconds

    def run(
        self, name: str, start: Atoms, temperature_K: float, axes: str | None = None, picoseconds: float | None = None
    ) -> SegmentDoc:
        """Run at constant volume, or at zero pressure along the ``axes`` of the barostat."""
        barostat = {"ensemble": "npt", "axes": axes} if axes else {}
        # runs at constant volume measure diffusion, which friction slows
        friction_per_ps = 5.0 if axes else 1.0
        dynamics = DynamicsSpec(
            temperature_K=temperature_K, timestep_fs=TIMESTEP_FS, friction_per_ps=friction_per_ps, **barostat
        )
        n_steps = round((picoseconds or self.picoseconds) * 1000.0 / TIMESTEP_FS)
        maker = SegmentMaker(
            dynamics=dynamics,
            n_steps=n_steps,
            frame_interval_steps=10,
            uncertainty_interval_steps=100,
            checkpoint_interval_steps=min(1000, n_steps),
            stops_when_uncertain=False,
            role="transport",
            run_id=name,
        )
        job = maker.make(start, self.committee)
        with self.workspace.open_job_store() as store:
            FlowRunner(self.workspace, store).run(Flow([job]))
            return SegmentDoc.model_validate(job.output.resolve(store))

    def frames(self, segment: SegmentDoc) -> RunFrames:
        """Open the trajectory of a run."""
        return RunFrames([self.workspace.artifacts.get(segment.trajectory)] if segment.trajectory else [])


def estimate(series: np.ndarray) -> Estimate:
    """Return the mean of a correlated series with its interval."""
    error = series.std(ddof=1) * np.sqrt(statistical_inefficiency(series) / len(series))
    return Estimate.symmetric(float(series.mean()), float(error))


def measured(frames: RunFrames) -> FrameSlice:
    """Return the frames after equilibration."""
    time_fs = frames.time_fs - frames.time_fs[0]
    first = int(np.searchsorted(time_fs, min(1000.0 * EQUILIBRATION_PS, time_fs[-1] / 5.0)))
    return FrameSlice(frames, first, frames.n_frames - first)


def displacements(frames: FrameSlice) -> np.ndarray:
    """Return displacements from the first to the last frame, (n_atoms, 3), in Å of the mean cell.

    The barostat scales positions about the origin, so cartesian differences contain the change of the cell.
    """
    last = frames.n_frames - 1
    first, moved = (np.linalg.solve(frames.cell(i).T, frames.positions(i).T).T for i in (0, last))
    return np.asarray((moved - first) @ np.mean([frames.cell(i) for i in range(frames.n_frames)], axis=0))


def trust(segment: SegmentDoc, committee: CommitteeDoc) -> dict[str, object]:
    """Return how a run ended, and how far the committee disagreed."""
    stds = np.array(segment.uncertainty_eV_per_angstrom)
    return {
        "picoseconds": segment.n_steps * segment.timestep_fs / 1000.0,
        "n_atoms": segment.n_atoms,
        "stop_reason": segment.stop_reason,
        "explanation": segment.explanation,
        "fraction_above_select": float((stds > committee.select_force_std_eV_per_angstrom).mean()),
        "fraction_above_stop": float((stds > committee.stop_force_std_eV_per_angstrom).mean()),
    }


def crystals(runs: Runs, _: Sequence[Path]) -> dict[str, object]:
    """Compare cells at zero pressure with the published ones."""
    found = {}
    for phase, min_atoms in CRYSTALS.items():
        unit = load_phase(phase, "experimental")
        start = repeated(load_phase(phase), min_atoms)
        repeats = np.rint(start.cell.lengths() / unit.cell.lengths())
        segment = runs.run(f"{phase} at {TEMPERATURE_K:g} K", start, TEMPERATURE_K, "orthogonal")
        with runs.frames(segment) as frames:
            kept = measured(frames)
            cells = np.array([kept.cell(i) for i in range(kept.n_frames)])
            moved = displacements(kept)
        displaced = ((moved - np.average(moved, axis=0, weights=start.get_masses())) ** 2).sum(axis=1)
        volumes = np.abs(np.linalg.det(cells))
        mass = float(start.get_masses().sum())
        symbols = np.array(start.get_chemical_symbols())
        found[phase] = {
            **trust(segment, runs.committee),
            "lengths_angstrom": [estimate(np.linalg.norm(cells[:, axis], axis=1) / repeats[axis]) for axis in range(3)],
            "published_lengths_angstrom": unit.cell.lengths(),
            "density_g_per_cm3": estimate(mass * GRAM_PER_CM3_PER_AMU_PER_ANGSTROM3 / volumes),
            "published_density_g_per_cm3": float(unit.get_masses().sum())
            * GRAM_PER_CM3_PER_AMU_PER_ANGSTROM3
            / unit.get_volume(),
            "squared_displacement_angstrom2": {
                symbol: float(displaced[symbols == symbol].mean()) for symbol in np.unique(symbols)
            },
        }
    return found


def melting(runs: Runs, _: Sequence[Path]) -> dict[str, object]:
    """Run solid beside molten lithium."""
    n_cells = 12
    solid = load_phase("Li").repeat((4, 4, n_cells))
    hot = runs.run("molten Li", solid, MOLTEN_K, picoseconds=min(MELT_PS, runs.picoseconds))
    with runs.frames(hot) as frames:
        molten = frames.atoms(frames.n_frames - 1)
    molten.wrap()
    # the solid ends half a cell below its upper face and at its lower one: both gaps are 1 Å and a quarter of the cell
    molten.positions[:, 2] += solid.cell[2, 2] + 1.0 - 0.25 * solid.cell[2, 2] / n_cells
    both = solid + Atoms(molten.numbers, molten.positions)
    both.set_cell([*solid.cell[:2], [0.0, 0.0, 2.0 * solid.cell[2, 2] + 2.0]])
    segment = runs.run(f"solid and molten Li at {MELTING_TEST_K:g} K", both, MELTING_TEST_K, "orthogonal")
    with runs.frames(segment) as frames:
        chosen = np.unique(np.linspace(0, frames.n_frames - 1, 40).round().astype(int))
        order = [averaged_order(frames.positions(i), frames.cell(i)).q6 for i in chosen]
        time_ps = (frames.time_fs[chosen] - frames.time_fs[0]) / 1000.0
    crystalline = [float((q6 > LEAST_Q6).mean()) for q6 in order]
    return {**trust(segment, runs.committee), "time_ps": time_ps, "crystalline_fraction": crystalline}


def conductivity(runs: Runs, _: Sequence[Path]) -> dict[str, object]:
    """Measure the conductivity of the electrolyte at several temperatures."""
    start, points, found = repeated(load_phase("Li7P3S11"), CRYSTALS["Li7P3S11"]), [], {}
    for temperature_K in CONDUCTIVITY_TEMPERATURES_K:
        segment = runs.run(f"Li7P3S11 at {temperature_K:g} K", start, temperature_K)
        row, value, reason = trust(segment, runs.committee), None, ""
        try:
            with runs.frames(segment) as frames:
                result = onsager_matrix(
                    measured(frames), temperature_K=temperature_K, species=["Li"], frame="hittorf", at_rest=["S"]
                )
            value = result.onsager[0, 0]
            row["conductivity_mS_per_cm"] = ionic_conduction(result, {"Li": 1.0}).conductivity_S_per_m.scaled(10.0)
            row["self_diffusion_angstrom2_per_ps"] = result.self_diffusion_angstrom2_per_ps[0]
        except AnalysisError as error:
            reason = row["reason"] = str(error)
        points.append(MeasuredAt(temperature_K, value, reason))
        found[f"{temperature_K:g} K"] = row
    try:
        fit = arrhenius_fit(points)
    except AnalysisError as error:
        return {"temperatures": found, "reason": str(error)}
    return {
        "temperatures": found,
        "activation_energy_eV": fit.activation_energy_eV,
        "conductivity_at_300_K_mS_per_cm": fit.at(TEMPERATURE_K).scaled(10.0 * S_PER_M_PER_E2_PER_EV_ANGSTROM_PS),
        "notes": fit.notes,
    }


def products(runs: Runs, _: Sequence[Path]) -> dict[str, object]:
    """Run lithium beside its products, and count how far their anions and the lithium go."""
    found = {}
    for phase in PRODUCTS:
        spec = ProductionCellSpec(
            electrolyte=phase,
            electrolyte_miller=(1, 1, 0) if phase == "Li2S" else (0, 0, 1),
            electrode_angstrom=PRODUCT_ANGSTROM,
            electrolyte_angstrom=PRODUCT_ANGSTROM,
            lateral_angstrom=12.0,
            max_strain=0.06,
        )
        built = build_production_cell(spec)
        segment = runs.run(f"Li on {phase}", built.atoms, TEMPERATURE_K, "normal")
        anion = phase[-1] if phase == "Li3P" else "S"
        with runs.frames(segment) as frames:
            moved = displacements(measured(frames))
        chosen = np.array(built.atoms.get_chemical_symbols()) == anion
        moved -= moved[chosen].mean(axis=0)
        found[phase] = {
            **trust(segment, runs.committee),
            "strain_of_lithium": built.film_strain,
            "largest_anion_displacement_angstrom": float(np.linalg.norm(moved[chosen], axis=1).max()),
            "median_anion_displacement_angstrom": float(np.median(np.linalg.norm(moved[chosen], axis=1))),
        }
    return found


def energies(runs: Runs, paths: Sequence[Path]) -> dict[str, object]:
    """Compare energies and forces with the reference method."""
    committee = load_committee(runs.committee.models, compiled=runs.committee.compiled)
    found: dict[str, object] = {}
    for path in paths:
        frames = read_extxyz(path)
        errors = frame_errors(committee, frames)
        numbers = np.concatenate([each.numbers for each in errors])
        forces = MEV * np.abs(np.concatenate([each.forces_error for each in errors]))
        by_composition: dict[str, list[float]] = {}
        for frame, each in zip(frames, errors, strict=True):
            by_composition.setdefault(frame.get_chemical_formula(), []).append(MEV * each.energy_error_eV_per_atom)
        found[path.stem] = {
            "n_frames": len(frames),
            "n_atoms": [min(map(len, frames)), max(map(len, frames))],
            "force_mae_meV_per_angstrom": float(forces.mean()),
            "force_mae_by_element_meV_per_angstrom": {
                chemical_symbols[number]: float(forces[numbers == number].mean()) for number in np.unique(numbers)
            },
            "energy_mae_meV_per_atom": MEV * float(np.mean([abs(each.energy_error_eV_per_atom) for each in errors])),
            "mean_energy_error_meV_per_atom": {name: float(np.mean(each)) for name, each in by_composition.items()},
        }
    reference = reference_method(runs.reference, runs.workspace.settings)
    calculators = {"potential": committee.dynamics_calculator, "reference": reference.calculator()}
    for name, calculator in calculators.items():
        per_formula = {}
        not_relaxed = []
        for phase in REACTION:
            atoms = load_phase(phase)
            atoms.calc = calculator
            if not FIRE(FrechetCellFilter(atoms), logfile=None).run(fmax=0.02, steps=400):
                not_relaxed.append(phase)
            n_per_formula = len(Atoms(phase))
            per_formula[phase] = float(atoms.get_potential_energy()) / len(atoms) * n_per_formula
        total = sum(count * per_formula[phase] for phase, count in REACTION.items())
        n_atoms = sum(count * len(Atoms(phase)) for phase, count in REACTION.items() if count > 0)
        found[f"reaction_energy_of_{name}_eV_per_atom"] = total / n_atoms
        found[f"not_relaxed_by_{name}"] = not_relaxed
    return found


CHECKS: dict[str, Callable[[Runs, Sequence[Path]], dict[str, object]]] = {
    "energies": energies,
    "crystals": crystals,
    "products": products,
    "melting": melting,
    "conductivity": conductivity,
}


def main() -> None:
    """Run the checks that have no result yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("campaign")
    parser.add_argument("--root", type=Path, default=Path("runs"))
    parser.add_argument("--ps", type=float, default=100.0, help="length of each run in picoseconds")
    parser.add_argument("--checks", nargs="+", default=list(CHECKS), choices=list(CHECKS))
    parser.add_argument(
        "--frames", type=Path, nargs="*", default=[], help="extxyz files labelled by the reference method"
    )
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module=r"(nequip|torch|e3nn|chgnet|pymatgen)\..*")
    warnings.filterwarnings("ignore", message="logm result may be inaccurate")  # errors of 1e-13 in relaxed cells
    path = options.folder / "results.json"
    results, failed = json.loads(path.read_text()) if path.is_file() else {}, []
    with CampaignResults(options.campaign, Settings(root=options.root)) as campaign:
        committee = list(campaign.committees())[-1]
        artifacts = [*(model.checkpoint for model in committee.models)]
        if committee.compiled is not None and committee.compiled.artifact is not None:
            artifacts.append(committee.compiled.artifact)
        with open_workspace(Settings(root=options.folder), "bulk_checks") as workspace, use_workspace(workspace):
            for artifact in artifacts:
                workspace.artifacts.copy_from(campaign.artifacts, artifact)
            runs = Runs(workspace, committee, campaign.specification.reference, options.ps)
            for name in options.checks:
                of_frames = [_identity(path) for path in options.frames] if name == "energies" else []
                key = " ".join([name, f"{options.ps:g} ps", committee.key, *of_frames])
                if key not in results:
                    try:
                        found = CHECKS[name](runs, options.frames)
                    except InterphaseError as error:
                        failed.append(f"{name}: {error}")
                        continue
                    results[key] = to_jsonable_python(found, fallback=np.ndarray.tolist)
                    write_json_atomic(path, results)
                print(f"{name}:\n{json.dumps(results[key], indent=2)}", flush=True)
    if failed:
        parser.exit(1, "\n".join(failed) + "\n")


def _identity(path: Path) -> str:
    """Return the name of a file and the beginning of its SHA-256."""
    with path.open("rb") as file:
        return f"{path.stem}-{hashlib.file_digest(file, 'sha256').hexdigest()[:8]}"


if __name__ == "__main__":
    main()
