"""Reference methods of a campaign, and what they need of a machine."""

from collections.abc import Callable, Iterator

from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import InterphaseError, SettingsError
from interphase_flows.reference.labelling import NeedsMachine, ReferenceMethod
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import load_crystal

PRETRAINING_KEY = "committee.pretraining.reference"


def campaign_methods(campaign: Campaign) -> dict[str, MethodSpec]:
    """Return the reference method and that of the pre-training, by their keys in the campaign file."""
    pretraining = campaign.committee.pretraining
    cheap = {} if pretraining is None else {PRETRAINING_KEY: pretraining.reference}
    return {"reference": campaign.reference, **cheap}


def available_method(spec: MethodSpec, settings: Settings | None = None) -> ReferenceMethod | None:
    """Return a reference method, or None if this machine lacks its package."""
    try:
        return reference_method(spec, settings)
    except SettingsError:
        return None


def method_checks(
    campaign: Campaign, settings: Settings, starts_programs: bool = True
) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield what the reference methods of a campaign need of this machine: a name, and a check of a few seconds.

    A check returns what it found, or raises a SettingsError with a hint. Without ``starts_programs``, it starts no
    command of the settings, such as srun.
    """
    for key, spec in campaign_methods(campaign).items():
        names = [*campaign.phases, *(campaign.hull_phases if key == "reference" else ())]
        suffix = "" if key == "reference" else f" ({key})"
        try:
            method = reference_method(spec, settings)
        except SettingsError as error:
            yield f"{spec.method}{suffix}", _raising(error)
            continue
        if isinstance(method, NeedsMachine):
            for name, check in method.machine_checks(elements_of(campaign, names), starts_programs).items():
                yield f"{name}{suffix}", check


def missing_on_this_machine(campaign: Campaign, settings: Settings, starts_programs: bool = True) -> list[str]:
    """Return what the reference methods of a campaign lack on this machine, each with its name and a hint."""
    missing = []
    for name, check in method_checks(campaign, settings, starts_programs):
        try:
            check()
        except (InterphaseError, OSError) as error:
            missing.append(f"{name}: {error}")
    return missing


def elements_of(campaign: Campaign, names: list[str]) -> list[str]:
    """Return the elements of some phases of a campaign."""
    return sorted({symbol for name in names for symbol in load_crystal(name, campaign.structure_files).symbols})


def _raising(error: SettingsError) -> Callable[[], str]:
    def check() -> str:
        raise error

    return check
