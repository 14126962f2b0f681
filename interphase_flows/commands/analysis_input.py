"""Input of `interphase analyse`: a trajectory file or a run of a campaign, its settings, and phase references."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import Calculator

from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.geometry.interface_normal import Normal, detected_normal
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.phases.phase_references import (
    PhaseReferences,
    packed_references,
    unpacked_references,
)
from interphase_flows.analysis.pipeline.registered_parts import NEED_NO_SIDES
from interphase_flows.analysis.pipeline.settings import PARTS, InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.speciation.element_roles import roles_of
from interphase_flows.analysis.transport.settings import TransportSettings
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import InputError, StructureError
from interphase_flows.jobs.interface_analysis import other_temperatures_K
from interphase_flows.jobs.structures.crystals import phase_keys
from interphase_flows.md.phase_references.plan import plan_references
from interphase_flows.md.phase_references.runs import phase_references
from interphase_flows.md.phase_references.steps import ReferenceSteps
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.results import CampaignResults
from interphase_flows.runners.campaign_records import stored_campaign
from interphase_flows.runtime.atomic_files import atomic_path
from interphase_flows.schemas.analysis import PhaseReferencesDoc
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import composition_of_phase, load_crystal, phase_names

FOLDER = "phase_references"
"""Folder of computed references, below ``root`` of the settings."""


def campaign_references(results: CampaignResults) -> PhaseReferences | None:
    """Return the reference runs of a campaign, None if it has none (yet)."""
    document: PhaseReferencesDoc | None = None
    if results.result is None:
        document = next(results.phase_references(sort="-created_at", limit=1), None)
    elif (analysis := results.interface_analysis()) is not None and analysis.references_key is not None:
        document = next(results.phase_references(key=analysis.references_key), None)
    if document is None:
        return None
    return unpacked_references(results.artifacts.get(document.artifact))


def computed_references(
    phases: Sequence[str],
    *,
    electrode: str,
    electrolyte: str,
    temperature_K: float,
    settings: Settings,
    steps: ReferenceSteps = ReferenceSteps(),
    announce: Callable[[str], None] = lambda _: None,
) -> PhaseReferences:
    """Run phases with CHGNet at the temperature of the trajectory, or read the stored references of an earlier call.

    Phases are names of the package, or ``name=file``; ``electrode`` and ``electrolyte`` are such names, which need not
    be among them. The estimated time is passed to ``announce`` before the runs.

    Raises
    ------
    InputError
        A name is not a phase.
    """
    stated = [[part.strip() for part in each.split("=", 1)] for each in phases]
    files = {name: path[0] for name, *path in stated if path}
    names = list(dict.fromkeys(name for name, *_ in stated))
    try:
        crystals = {name: load_crystal(name, files) for name in names}
        sides = {name: load_crystal(name, files) for name in (electrode, electrolyte)}
    except StructureError as error:
        raise InputError(
            f"--phases: {error}. Hint: use names such as {', '.join(phase_names()[4:7])}, or NAME=FILE, also for the "
            "electrode and the electrolyte"
        ) from error
    method = CHGNetMethod(settings=settings)
    key = content_key(
        "phase references",
        crystals=phase_keys(crystals),
        sides=phase_keys(sides),
        temperature_K=temperature_K,
        method=method.identity.key,
        steps=steps,
    )
    path = settings.root / FOLDER / f"{key}.npz"
    if path.exists():
        return unpacked_references(path)
    roles = roles_of(sides[electrode].get_chemical_symbols(), sides[electrolyte].get_chemical_symbols())
    calculator = method.calculator()
    plan = plan_references(crystals, sides[electrolyte], roles, steps)
    announce(
        f"{len(plan.runs)} reference runs of phases with CHGNet at {temperature_K:g} K: about "
        f"{_force_s(plan.runs[0].build(), calculator) * plan.n_atom_steps / 60:.2g} min, once for this input"
    )
    references = phase_references(
        crystals,
        sides[electrolyte],
        roles,
        calculator,
        method_key=method.identity.key,
        made_by="CHGNet, a surrogate",
        folder=path.parent / "runs",
        temperature_K=temperature_K,
        steps=steps,
    )
    with atomic_path(path) as target:
        target.write_bytes(packed_references(references))
    return references


def _force_s(atoms: Atoms, calculator: Calculator) -> float:
    """Return the time of a calculation of forces per atom, without that of the first one."""
    atoms.calc = calculator
    atoms.get_forces()
    atoms.rattle(0.01)
    start = time.perf_counter()
    atoms.get_forces()
    return (time.perf_counter() - start) / len(atoms)


@dataclass(frozen=True)
class AnalysisInput:
    """A trajectory with the settings of its analysis."""

    frames: FrameSource
    settings: InterfaceAnalysisSettings
    title: str
    about: tuple[str, ...]
    """Provenance for the report: source, unwrapping and repairs."""
    references: PhaseReferences | None = None
    """Reference runs of the campaign's phases."""
    notes: tuple[str, ...] = ()
    """Repairs of the file, for the terminal."""


@contextmanager
def file_input(
    paths: Sequence[Path],
    *,
    electrode: str | None,
    electrolyte: str | None,
    temperature_K: float | None,
    parts: Sequence[str],
    transport: TransportSettings,
    time_step_fs: float | None = None,
    frame_interval_fs: float | None = None,
    elements: Mapping[int, str] | None = None,
    wrapped: bool | None = None,
    normal: Normal | None = None,
    bulk_tolerance: float | None = None,
) -> Iterator[AnalysisInput]:
    """Open a trajectory of one or several files; the ``normal`` of the interface is detected by default.

    Raises an InputError if the formula of a side or the temperature is missing.
    """
    needs_sides = bool(set(parts or PARTS) - set(NEED_NO_SIDES)) or electrode is not None
    missing = [
        option
        for option, value, is_needed in (
            ("--electrode", electrode, needs_sides),
            ("--electrolyte", electrolyte, needs_sides),
            ("--temperature-k", temperature_K, True),
        )
        if value is None and is_needed
    ]
    if missing or temperature_K is None:
        raise InputError(
            f"missing options: {', '.join(missing)}. Hint: for a file, give --electrode Li --electrolyte Li7P3S11 "
            "--temperature-k 600; --only transport needs the temperature alone; for a run of a campaign, --campaign NAME"
        )
    analysis = InterfaceAnalysisSettings(
        composition_of(electrode) if electrode else {},
        composition_of(electrolyte) if electrolyte else {},
        temperature_K,
        tuple(parts) or PARTS,
        transport,
        bulk_tolerance=bulk_tolerance,
    )
    with open_trajectory(
        paths,
        time_step_fs=time_step_fs,
        frame_interval_fs=frame_interval_fs,
        elements=elements,
        wrapped=wrapped,
    ) as frames:
        analysis = replace(analysis, normal=normal or detected_normal(frames, analysis.anion_elements))
        detected = () if normal or analysis.normal == "c" else (normal_note(analysis.normal),)
        notes = (*(f"repaired: {repair}" for repair in frames.repairs), *detected)
        about = (f"{paths[0]}; unwrapped: {frames.unwrapping}", *notes)
        title = f"{electrode} | {electrolyte}: {paths[0].name}" if electrode else paths[0].name
        yield AnalysisInput(frames, analysis, title, about, notes=notes)


def normal_note(normal: Normal) -> str:
    """Return the note on a normal that was detected."""
    return (
        f"the normal of the interface is taken along {normal}, where the region without anions is thickest; "
        "--normal c takes c"
    )


@contextmanager
def campaign_run_input(
    run_id: str,
    campaign: str,
    settings: Settings,
    *,
    temperature_K: float | None,
    parts: Sequence[str],
    transport: TransportSettings,
) -> Iterator[AnalysisInput]:
    """Open a run of a campaign; its file defines the two sides, and by default its thermostat the temperature."""
    spec = stored_campaign(settings, campaign)
    with CampaignResults(campaign, settings) as results, results.trajectory(run_id) as frames:
        if temperature_K is None:
            of_production_K = spec.production.dynamics.temperature_K
            others_K = other_temperatures_K(results.run_segments(run_id), of_production_K)
            temperature_K = others_K.get(run_id, of_production_K)
        analysis = InterfaceAnalysisSettings(
            composition_of_phase(spec.electrode, spec.structure_files),
            composition_of_phase(spec.electrolyte, spec.structure_files),
            temperature_K,
            tuple(parts) or PARTS,
            transport,
        )
        title = f"{spec.electrode} | {spec.electrolyte}: {run_id} of {campaign}"
        about = (f"run {run_id} of campaign {campaign}",)
        references = campaign_references(results) if "phases" in analysis.parts else None
        yield AnalysisInput(frames, analysis, title, about, references)
