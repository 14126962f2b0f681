"""The references of phases for ``interphase analyse``: a campaign's own, or made once for files."""

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
from interphase_flows.jobs.phases import NAME, REFERENCES_NAME
from interphase_flows.md.phase_reference_runs import ReferenceSteps, phase_references
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.results import CampaignResults
from interphase_flows.runtime.atomic_files import atomic_path
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import load_crystal, phase_names

FOLDER = "phase_references"
"""Under the root of the settings."""


def own_references(results: CampaignResults) -> PhaseReferences | None:
    """Return the runs of phases of a campaign, None if it has none (yet)."""
    found: AnalysisDoc | None = None
    result = results.result
    if result is not None and NAME in result.analysis_keys:
        answer = next(results.analyses(key=result.analysis_keys[NAME]), None)
        if answer is not None and answer.values["references_key"] is not None:
            found = next(results.analyses(key=answer.values["references_key"]), None)
    elif result is None:
        found = next(
            results.analyses(name=REFERENCES_NAME, campaign=results.campaign, sort="-created_at", limit=1),
            None,
        )
    if found is None or found.artifact is None:
        return None
    return unpacked_references(results.artifacts.get(found.artifact))


def made_references(
    phases: Sequence[str],
    *,
    electrode: str,
    electrolyte: str,
    temperature_K: float,
    settings: Settings,
    steps: ReferenceSteps = ReferenceSteps(),
) -> PhaseReferences:
    """Run phases with CHGNet, or read what was made before under the settings' root.

    Parameters
    ----------
    phases
        Names of the package's phases, or ``name=file``.
    electrode, electrolyte
        Formulas of the two sides; names of the package's phases, or of files among `phases`.
    temperature_K
        Of the trajectory.
    settings
        Where they are kept, and on what CHGNet runs.
    steps
        Lengths of the runs.

    Raises
    ------
    InputError
        A name is no phase.
    AnalysisError
        As `phase_references`.
    """
    files = dict(each.split("=", 1) for each in phases if "=" in each)
    names = list(dict.fromkeys(each.split("=", 1)[0].strip() for each in phases))
    try:
        crystals = {name: load_crystal(name, files) for name in names}
        sides = {name: load_crystal(name, files) for name in (electrode, electrolyte)}
    except StructureError as error:
        raise InputError(
            f"--phases: {error}; write names such as {', '.join(phase_names()[4:7])}, or NAME=FILE, also for the "
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
    made = phase_references(
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
        target.write_bytes(packed_references(made))
    return made
