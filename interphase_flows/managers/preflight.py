"""What is wrong with a campaign that its schema cannot see, found before anything is spent."""

from collections.abc import Iterator

from ase import Atoms
from ase.formula import Formula

from interphase_flows.campaigns.schema import Campaign
from interphase_flows.exceptions import CampaignFileError, InterphaseError
from interphase_flows.references.registry import reference_method
from interphase_flows.structures.amorphous import composition_on_line
from interphase_flows.structures.library import load_phase, load_structure_file

LAPTOP_PAIR = ("Li", "Li7P3S11")
LEAST_SNAPSHOT_RUNS = 3


def check_campaign(campaign: Campaign) -> None:
    """Refuse a campaign that would fail inside a job.

    Raises
    ------
    CampaignFileError
        All mistakes at once, each with the key and the mend.
    """
    mistakes = list(_mistakes(campaign))
    if mistakes:
        told = "\n".join(f"  {mistake}" for mistake in mistakes)
        raise CampaignFileError(f"campaign {campaign.name} cannot be run:\n{told}")


def _mistakes(campaign: Campaign) -> Iterator[str]:
    phases: dict[str, Atoms] = {}
    for key in ("phases", "hull_phases"):
        for name in getattr(campaign, key):
            try:
                phases[name] = _load(name, campaign.structure_files)
            except InterphaseError as error:
                yield f"{key}: {name}: {error}"
    for name in campaign.structure_files:
        if name not in campaign.phases and name not in campaign.hull_phases:
            yield f"structure_files.{name}: no phase of that name is in phases or hull_phases; add it there"
    method = reference_method(campaign.reference)
    for name, atoms in phases.items():
        reason = method.supports(atoms)
        if reason:
            yield f"reference.method: {campaign.reference.method}: {reason}; needed for {name}"
    for role in ("electrode", "electrolyte"):
        name = getattr(campaign, role)
        if name in campaign.structure_files:
            yield (
                f"structure_files.{name}: interfaces and amorphous cells are built from the package's own "
                f"{name} in this version; take it out"
            )
    yield from _structure_mistakes(campaign)
    yield from _hull_mistakes(campaign, phases)


def _load(name: str, structure_files: dict[str, str]) -> Atoms:
    if name in structure_files:
        return load_structure_file(structure_files[name])
    try:
        return load_phase(name)
    except InterphaseError as error:
        raise CampaignFileError(
            f"{str(error).split(', or give a file')[0]}, or give its file under structure_files"
        ) from error


def _structure_mistakes(campaign: Campaign) -> Iterator[str]:
    spec, ends = campaign.structures, (campaign.electrode, campaign.electrolyte)
    if spec.interfaces.size == "laptop" and ends != LAPTOP_PAIR:
        yield (
            f"structures.interfaces.size: laptop knows {LAPTOP_PAIR[0]} on {LAPTOP_PAIR[1]} only, not {ends[0]} on "
            f"{ends[1]}; write coherent"
        )
    n_runs = len(spec.interfaces.snapshots.temperatures_K)
    if n_runs < LEAST_SNAPSHOT_RUNS:
        yield (
            f"structures.interfaces.snapshots.temperatures_K: {n_runs} trajectories cannot be split into training, "
            f"validation and test; give at least {LEAST_SNAPSHOT_RUNS}"
        )
    if spec.amorphous.n_per_fraction:
        for fraction in spec.amorphous.electrode_fractions:
            try:
                composition_on_line(fraction, spec.amorphous.n_atoms, *ends)
            except InterphaseError as error:
                yield f"structures.amorphous: {error}"


def _hull_mistakes(campaign: Campaign, phases: dict[str, Atoms]) -> Iterator[str]:
    needed = set(Formula(campaign.electrode).count()) | set(Formula(campaign.electrolyte).count())
    pure = {next(iter(set(atoms.symbols))) for atoms in phases.values() if len(set(atoms.symbols)) == 1}
    for element in sorted(needed - pure):
        yield f"hull_phases: the convex hull needs the pure element {element}; add it to phases or hull_phases"
