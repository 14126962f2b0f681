"""Reference runs of crystalline phases for `interphase analyse`: those of a campaign, or computed with CHGNet."""

from collections.abc import Sequence

from interphase_flows.analysis.phases.phase_references import (
    PhaseReferences,
    packed_references,
    unpacked_references,
)
from interphase_flows.analysis.speciation.element_roles import roles_of
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import InputError, StructureError
from interphase_flows.jobs.crystals import phase_keys
from interphase_flows.md.phase_references.plan import ReferenceSteps
from interphase_flows.md.phase_references.runs import phase_references
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.results import CampaignResults
from interphase_flows.runtime.atomic_files import atomic_path
from interphase_flows.schemas.analysis import PhaseReferencesDoc
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import load_crystal, phase_names

FOLDER = "phase_references"
"""Folder of computed references, below ``root`` of the settings."""


def campaign_references(results: CampaignResults) -> PhaseReferences | None:
    """Return the reference runs of a campaign, None if it has none (yet)."""
    document: PhaseReferencesDoc | None = None
    if results.result is None:
        document = next(
            results.phase_references(campaign=results.campaign, sort="-created_at", limit=1),
            None,
        )
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
) -> PhaseReferences:
    """Run phases with CHGNet at the temperature of the trajectory, or read the stored references of an earlier call.

    Phases are names of the package, or ``name=file``; ``electrode`` and ``electrolyte`` are such names, which need not
    be among them.

    Raises
    ------
    InputError
        A name is not a phase.
    """
    files = dict(each.split("=", 1) for each in phases if "=" in each)
    names = list(dict.fromkeys(each.split("=", 1)[0].strip() for each in phases))
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
    references = phase_references(
        crystals,
        sides[electrode],
        sides[electrolyte],
        roles_of(sides[electrode].get_chemical_symbols(), sides[electrolyte].get_chemical_symbols()),
        method.calculator(),
        method_key=method.identity.key,
        made_by="CHGNet, a surrogate",
        folder=path.parent / "runs",
        temperature_K=temperature_K,
        steps=steps,
    )
    with atomic_path(path) as target:
        target.write_bytes(packed_references(references))
    return references
