"""Export datasets, potentials and trajectories of a campaign in file formats of other programs.

Each function writes to new files, or replaces existing ones with ``force``; a file is complete or missing.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import iread, write

from interphase_flows.datasets.chemiscope import SUFFIXES, chemiscope_input, write_chemiscope
from interphase_flows.datasets.colabfit import Publication, colabfit_record
from interphase_flows.datasets.frames import read_extxyz, stored_label_keys
from interphase_flows.datasets.label_keys import LabelKeys, keyed_extxyz
from interphase_flows.exceptions import InputError
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.results import CampaignResults
from interphase_flows.runtime.atomic_files import atomic_path, write_bytes_atomic, write_json_atomic
from interphase_flows.runtime.file_names import file_in
from interphase_flows.storage.ledger_backend import JsonDocument

DATASET_SUFFIXES = (".extxyz", ".xyz")


def export_dataset(
    results: CampaignResults,
    target: Path,
    keys: LabelKeys | None = None,
    about: Publication | None = None,
    force: bool = False,
) -> list[Path]:
    """Write the newest dataset as extxyz, and beside it a JSON file with units, method and the metadata of ColabFit.

    Frames have energy, forces, stress, origin, split and label key. Metadata that ``about`` lacks are taken from the
    campaign; authors, license and links are left empty.

    Raises
    ------
    InputError
        A file exists, or the target is a folder or not named ``*.extxyz`` or ``*.xyz``.
    """
    keys, about = keys or LabelKeys(), about or Publication()
    _check_file(target)
    metadata = target.with_suffix(".json")
    if target.suffix not in DATASET_SUFFIXES:  # with force, a mistyped target would replace any file
        raise InputError(f"{target}: not a name of an extxyz file. Hint: name it {target.stem}.extxyz")
    _check_new((target, metadata), force)
    dataset = results.dataset()
    source = results.artifacts.get(dataset.artifact)
    if keys == LabelKeys():
        _copy(source, target)
    else:
        write_bytes_atomic(target, keyed_extxyz(read_extxyz(source), keys))
    campaign = results.specification
    about = replace(
        about,
        name=about.name or campaign.name,
        description=about.description
        or campaign.description
        or f"Structures of the interphase between {campaign.electrode} and {campaign.electrolyte}, selected by active "
        "learning",
    )
    # labels of other programs may have none
    has_stress = any("stress" in frame.calc.results for frame in iread(source, index=":", format="extxyz"))
    record = colabfit_record(dataset, target.name, keys, about, has_stress)
    write_json_atomic(metadata, record.model_dump(mode="json"))
    return [target, metadata]


def export_chemiscope(results: CampaignResults, target: Path, atoms: bool = False, force: bool = False) -> list[Path]:
    """Write the newest dataset for chemiscope, with errors and uncertainty of the newest committee.

    Parameters
    ----------
    target
        File ``*.json`` or ``*.json.gz``.
    atoms
        Show the errors and uncertainties of all atoms as well.
    force
        Replace an existing file.

    Raises
    ------
    InputError
        The file exists, or has another extension.
    """
    _check_file(target)
    if not target.name.endswith(SUFFIXES):
        raise InputError(f"{target}: chemiscope reads {' and '.join(SUFFIXES)}. Hint: name it {target.stem}.json.gz")
    _check_new([target], force)
    frames, campaign, committee = results.dataset_frames(), results.specification, results.load_committee()
    shown = chemiscope_input(
        frames,
        name=f"dataset of {campaign.name}",
        description=f"{campaign.electrode} | {campaign.electrolyte}: labels of {frames[0].info['method']}",
        committee=committee,
        iterations=_first_iterations(results, frames),
        atoms_cutoff_angstrom=campaign.committee.model.cutoff_angstrom if atoms else None,
    )
    write_chemiscope(target, shown)
    return [target]


def _first_iterations(results: CampaignResults, frames: Sequence[Atoms]) -> list[int]:
    """Return the first iteration of the campaign whose dataset has each frame; the last one for others."""
    result = results.result
    selected = {} if result is None else {"key": result.iteration_keys}
    first: dict[str, int] = {}
    last = results.iteration().index
    for iteration in results.iterations(sort="index", **selected):
        for key in stored_label_keys(results.artifacts.get(results.dataset(iteration.dataset_key).artifact)):
            first.setdefault(key, iteration.index)
    return [first.get(frame.info["label_key"], last) for frame in frames]


def export_models(
    results: CampaignResults,
    target: Path,
    model_format: str = "checkpoint",
    members: Collection[int] = (),
    force: bool = False,
) -> list[Path]:
    """Write the potentials of the newest committee to a folder, one file per member, for the device of the settings.

    Parameters
    ----------
    target
        Folder, created if missing.
    model_format
        A name in `potentials.export.FORMATS`.
    members
        Numbers of the members; all if empty. Member 0 runs the dynamics.
    force
        Replace existing files.

    Raises
    ------
    InputError
        The format or a member is unknown, the format needs a package that is not installed, or a file exists.
    CompilationError
        The format needs a C++ compiler, or the compilation fails.
    """
    from interphase_flows.potentials.export import check_format, write_model  # takes seconds to import

    suffix = check_format(model_format).suffix
    models = {model.member: model for model in results.committee().models}
    if unknown := sorted(set(members) - set(models)):
        raise InputError(
            f"the committee has no member {unknown[0]}. Hint: its members are {', '.join(map(str, sorted(models)))}"
        )
    paths = {target / f"member-{number}{suffix}": models[number] for number in sorted(members or models)}
    _check_new(paths, force)
    for path, model in paths.items():
        write_model(results.artifacts.get(model.checkpoint), model_format, path, results.settings.device)
    return list(paths)


def export_trajectories(results: CampaignResults, target: Path, force: bool = False) -> list[Path]:
    """Write each production run to an extxyz file: unwrapped positions, times in fs, energies and uncertainties."""
    result = results.result
    criteria: JsonDocument = (
        # of one committee: a campaign whose file was changed has production runs of both
        {"role": "production", "committee_key": results.iteration().committee_key}
        if result is None
        else {"key": result.production_keys}
    )
    runs: dict[str, list[Path]] = {}
    uncertainties: dict[str, dict[float, float]] = {}
    for segment in results.segments(sort="first_step", **criteria):
        if segment.trajectory is not None:
            runs.setdefault(segment.run_id, []).append(results.artifacts.get(segment.trajectory))
            times_fs = (_time_key(step * segment.timestep_fs) for step in segment.uncertainty_steps)
            found = zip(times_fs, segment.uncertainty_eV_per_angstrom, strict=True)
            uncertainties.setdefault(segment.run_id, {}).update(found)
    if not runs:
        raise InputError(f"campaign {results.campaign} has no production trajectory yet")
    written = {file_in(target, f"{run_id}.extxyz", "run"): run_id for run_id in sorted(runs)}
    _check_new(written, force)
    for path, run_id in written.items():
        with RunFrames(runs[run_id]) as frames:
            write_extxyz(frames, path, uncertainties[run_id])
    return list(written)


def write_extxyz(frames: RunFrames, path: Path, uncertainties: Mapping[float, float] = MappingProxyType({})) -> None:
    """Write a run as extended XYZ, one frame at a time, each with its cell and potential energy (eV).

    ``uncertainties`` are force uncertainties (eV/Å) by time (fs), of the frames at which they were evaluated.
    """
    energies_eV = frames.potential_energy_eV
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for index in range(frames.n_frames):
            atoms = frames.atoms(index)
            atoms.calc = SinglePointCalculator(atoms, energy=float(energies_eV[index]))
            uncertainty = uncertainties.get(_time_key(frames.time_fs[index]))
            if uncertainty is not None:
                atoms.info["uncertainty_eV_per_angstrom"] = uncertainty
            write(file, atoms, format="extxyz")


def _time_key(time_fs: float) -> float:
    return round(float(time_fs), 3)


def _check_file(target: Path) -> None:
    if target.is_dir():
        raise InputError(f"{target} is a folder. Hint: give the name of a file")


def _check_new(paths: Iterable[Path], force: bool) -> None:
    # also a broken link, which a rename would replace
    if existing := [str(path) for path in paths if os.path.lexists(path) and not force]:
        raise InputError(f"{', '.join(existing)}: the file exists; nothing was written. Hint: replace it with --force")


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
