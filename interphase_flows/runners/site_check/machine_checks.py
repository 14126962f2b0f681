"""Checks of this machine: packages, disk, memory, store, and the reference method of a campaign."""

import contextlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from interphase_flows.campaign.methods import campaign_methods, method_checks, missing_on_this_machine
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.exceptions import InterphaseError, SettingsError
from interphase_flows.potentials.compiled.compiler import cpp_compiler
from interphase_flows.potentials.compiled.graph_keys import machine_type
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import MethodSpec, VaspSpec
from interphase_flows.runtime.local_workers import available_memory_gb
from interphase_flows.settings import EmbeddedSettings, Settings
from interphase_flows.storage.workspace import Workspace
from interphase_flows.structures.crystals.library import load_crystal

PACKAGES = ("torch", "nequip", "chgnet", "jobflow", "maggma", "pymatgen", "ase", "zarr")
TESTED_NEQUIP = "0.19.1"
MIN_FREE_GB = 2.0
MIN_MEMORY_GB = 4.0
GB = 1e9


@dataclass(frozen=True)
class Check:
    """Outcome of one check, with a hint in the message if it failed."""

    name: str
    passed: bool
    message: str


def check_machine(settings: Settings, campaign: Campaign | None = None, is_run_here: bool = True) -> Iterator[Check]:
    """Yield the checks of this machine and of what a campaign needs, the quick ones first.

    The campaign's reference methods are checked only if it ``is_run_here``; nothing more, if its file has mistakes.
    """
    if campaign is not None:
        file = run_check("campaign file", _campaign_file, campaign)
        yield file
        if not file.passed:
            campaign = None
    yield run_check("packages", _packages)
    yield run_check("NequIP version", _nequip_version)
    yield run_check("compiled potentials", _compiler, settings, campaign)
    yield run_check("disk", _disk, settings.root)
    yield run_check("memory", _memory)
    yield run_check("root", _root, settings.root)
    yield run_check("store", _store, settings)
    yield run_check("artifacts", _artifacts, settings)
    if campaign is None:
        return
    for name in dict.fromkeys([*campaign.phases, *campaign.hull_phases]):
        yield run_check(f"phase {name}", _phase, name, campaign)
    if not is_run_here:
        return
    if isinstance(settings.store, EmbeddedSettings):  # else workers on other machines run it
        yield run_check("dynamics", _dynamics, campaign, settings)
    for name, action in method_checks(campaign, settings):
        yield run_check(name, action)
    for key, spec in campaign_methods(campaign).items():
        if not isinstance(spec, VaspSpec):  # whose label would cost node hours
            yield run_check("reference method" if key == "reference" else key, _label, spec, campaign, settings)


def require_machine(campaign: Campaign, settings: Settings) -> None:
    """Check in seconds that this machine has what a run of a campaign needs; `check_machine` has further checks.

    Raises
    ------
    SettingsError
        It lacks packages, a folder to write to, or what a reference method needs; all are listed.
    """
    checks = [
        run_check("packages", _packages),
        run_check("NequIP version", _nequip_version),
        run_check("root", _root, settings.root),
    ]
    failed = [f"{check.name}: {check.message}" for check in checks if not check.passed]
    failed += missing_on_this_machine(campaign, settings)
    if failed:
        lines = "\n".join(f"  {each}" for each in failed)
        raise SettingsError(f"campaign {campaign.name} cannot be run on this machine:\n{lines}")


def run_check(name: str, action: Callable[..., str], *arguments: object) -> Check:
    """Call an action; the check passes with its message, or fails with the message of its error."""
    try:
        return Check(name, True, action(*arguments))
    except (InterphaseError, OSError) as error:
        return Check(name, False, str(error))


def _packages() -> str:
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if missing:
        raise SettingsError(f"missing: {', '.join(missing)}. Hint: run pip install interphase-flows")
    return ", ".join(f"{name} {version(name)}" for name in ("torch", "nequip", "chgnet"))


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _nequip_version() -> str:
    hint = f"Hint: run pip install nequip=={TESTED_NEQUIP}"
    if importlib.util.find_spec("nequip") is None:
        raise SettingsError(f"NequIP is missing. {hint}")
    found = version("nequip")
    if found != TESTED_NEQUIP:
        raise SettingsError(f"{found}. {hint}")
    return found


def _compiler(settings: Settings, campaign: Campaign | None) -> str:
    """Return how potentials are evaluated; campaigns run without a compiler."""
    eager = "potentials are evaluated eagerly, three times slower"
    if settings.compile_potentials == "never":
        return f"compile_potentials: never, in the settings; {eager}"
    if campaign is not None and campaign.committee.compiled == "off":
        return f"committee.compiled: off, in the campaign file; {eager}"
    found = cpp_compiler()
    if found is None:
        return f"no C++ compiler; {eager}. Hint: install g++, or set CXX"
    return f"{found} compiles potentials for {machine_type(settings.device)}"


def _dynamics(campaign: Campaign, settings: Settings) -> str:
    """Run ten steps of the campaign's architecture in its largest cell."""
    from interphase_flows.costs.machine_speed import is_compiled_here
    from interphase_flows.potentials.compiled.neighbour_list import is_searched_on
    from interphase_flows.runners.speed_measurement import ten_steps

    speed = ten_steps(campaign, settings)
    (step,) = speed.steps
    available_GB, kind = memory_of_device_GB(settings)
    message = (
        f"{1.0 / step.step_s:.3g} steps/s at {step.n_atoms:,} atoms on {settings.device}, {speed.evaluation}; at most "
        f"about {speed.largest_cell(available_GB):,} atoms in {available_GB:.1f} GB of {kind}, for one process"
    )
    if speed.evaluation == "eager" and is_compiled_here(campaign, settings):
        message += "; faster once compiled, by the campaign or by interphase run FILE --dry-run"
    if settings.device == "cuda" and not is_searched_on(settings.device):
        message += "; neighbours are searched on the processor. Hint: pip install 'interphase_flows[gpu]'"
    return message


def memory_of_device_GB(settings: Settings) -> tuple[float, str]:
    """Return the memory that a process may use for potentials, and its name."""
    if settings.device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return free / GB, "free GPU memory"
    return available_memory_gb(), "available memory"


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _disk(root: Path) -> str:
    free_gb = shutil.disk_usage(_existing(root)).free / GB
    message = f"{free_gb:.1f} GB free for {root}"
    if free_gb < MIN_FREE_GB:
        raise SettingsError(
            f"{message}, at least {MIN_FREE_GB:.0f} GB are needed. Hint: free space, or set root in the settings"
        )
    return message


def _memory() -> str:
    total_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB
    message = f"{total_gb:.1f} GB, {len(os.sched_getaffinity(0))} cores"
    if total_gb < MIN_MEMORY_GB:
        raise SettingsError(f"{message}; the quickstart needs up to {MIN_MEMORY_GB:.0f} GB")
    return message


def _root(root: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=_existing(root)):
            return f"{root} is writable"
    except OSError as error:
        raise SettingsError(f"{root} is not writable ({error.strerror}). Hint: set root in the settings") from error


def _store(settings: Settings) -> str:
    with _temporary_workspace(settings) as workspace:
        workspace.ledger.set_state("progress", "check", {"is": "a check of this machine"})
        workspace.ledger.remove_state("progress", "check")
    return f"{settings.store.type}: written and read back"


def _artifacts(settings: Settings) -> str:
    try:
        with _temporary_workspace(settings) as workspace:
            ref = workspace.artifacts.put_bytes(b"a check of this machine", "checks", ".txt")
            workspace.artifacts.get(ref)
            workspace.artifacts.discard(ref)
    except (InterphaseError, OSError) as error:
        raise SettingsError(f"{error}. Hint: set artifacts_url in the settings") from error
    return "written, read back, hash verified"


@contextlib.contextmanager
def _temporary_workspace(settings: Settings) -> Iterator[Workspace]:
    """Open a workspace for a check and remove its folder afterwards, and the root if it did not exist before."""
    had_root = settings.root.exists()
    workspace = Workspace(settings, "interphase-check")
    try:
        yield workspace
    finally:
        workspace.close()
        shutil.rmtree(workspace.root, ignore_errors=True)
        if not had_root:
            with contextlib.suppress(OSError):
                settings.root.rmdir()


def _phase(name: str, campaign: Campaign) -> str:
    atoms = load_crystal(name, campaign.structure_files)
    return f"{len(atoms)} atoms, {atoms.get_volume() / len(atoms):.2f} Å³ per atom"


def _campaign_file(campaign: Campaign) -> str:
    check_campaign(campaign)
    return f"{campaign.name}: {campaign.electrode} on {campaign.electrolyte}, no mistakes found"


def _label(spec: MethodSpec, campaign: Campaign, settings: Settings) -> str:
    """Label the smallest phase of a campaign."""
    phases = {name: load_crystal(name, campaign.structure_files) for name in campaign.phases}
    name = min(phases, key=lambda phase: len(phases[phase]))
    method = reference_method(spec, settings)
    energy_eV = method.label(phases[name]).energy_eV or 0.0
    kind = "surrogate, not DFT" if method.identity.is_surrogate else "reference"
    per_atom_eV = energy_eV / len(phases[name])
    return f"{method.identity.code} {method.identity.version} ({kind}): {name} at {per_atom_eV:.3f} eV/atom"
