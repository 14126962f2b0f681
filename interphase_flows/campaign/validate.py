"""Validate a campaign beyond its schema: structures, compositions, reference method. No job has started yet."""

from collections.abc import Iterator, Set
from pathlib import Path

from ase import Atoms
from pymatgen.core import Composition

from interphase_flows.campaign.anion_chemistry import anion_chemistry
from interphase_flows.campaign.exploration import MeltQuenchSpec
from interphase_flows.campaign.methods import available_method, campaign_methods
from interphase_flows.campaign.production_cells import production_cell_specs
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.structures import AmorphousSpec
from interphase_flows.campaign.transport_grid import TransportGridSpec
from interphase_flows.datasets.readers import label_files, read_file
from interphase_flows.exceptions import CampaignFileError, InterphaseError, TrainingError
from interphase_flows.structures.amorphous.mixtures import composition_on_line, reduced_formula
from interphase_flows.structures.checks import pair_distances_angstrom
from interphase_flows.structures.crystals.library import load_crystal
from interphase_flows.structures.interfaces.builder import InterfaceSpec, best_match
from interphase_flows.structures.interfaces.oriented_cells import parse_facet
from interphase_flows.structures.interfaces.production_cells import build_production_cell, plan_production_cell
from interphase_flows.structures.interfaces.small_interfaces import MIN_FILM_LAYERS, small_interface_specs

MIN_SNAPSHOT_RUNS = 3
MAX_MATCHED_ATOMS = 300
"""Up to this size lattice matching is fast enough for validation; above, the interface job reports a mismatch."""


def check_campaign(campaign: Campaign) -> None:
    """Check that a campaign will not fail inside a job for reasons known from its file.

    Raises
    ------
    CampaignFileError
        The campaign has mistakes; all are listed, each with the key and a remedy.
    """
    mistakes = list(_mistakes(campaign))
    if mistakes:
        lines = "\n".join(f"  {mistake}" for mistake in mistakes)
        raise CampaignFileError(f"campaign {campaign.name} cannot be run:\n{lines}")


def _mistakes(campaign: Campaign) -> Iterator[str]:
    phases: dict[str, Atoms] = {}
    not_ordered = campaign.not_yet_ordered()
    for name in not_ordered:
        yield (
            f"ordering.{name}: {campaign.structure_files[name]} is not ordered yet. Hint: run "
            "campaign.with_ordered_files(FOLDER), as Campaign.from_file does"
        )
    for key in ("phases", "hull_phases"):
        for name in getattr(campaign, key):
            if name in not_ordered:
                continue
            try:
                phases[name] = _load(name, campaign.structure_files)
            except InterphaseError as error:
                yield f"{key}: {name}: {error}"
    for name in campaign.structure_files:
        if name not in campaign.phases and name not in campaign.hull_phases:
            yield f"structure_files.{name}: {name} is not in phases or hull_phases; add it there"
    for key, spec in campaign_methods(campaign).items():
        method = available_method(spec)
        if method is None:
            continue
        for name, atoms in phases.items():
            reason = method.supports(atoms) if key == "reference" or name in campaign.phases else None
            if reason:
                yield f"{key}.method: {spec.method}: {reason}; needed for {name}"
    yield from _committee_mistakes(campaign, phases)
    yield from _label_file_mistakes(campaign)
    if campaign.electrode in phases and campaign.electrolyte in phases:
        ends = phases[campaign.electrode], phases[campaign.electrolyte]
        yield from _formula_mistakes(campaign, *ends)
        yield from _structure_mistakes(campaign, phases)
        yield from _analysis_mistakes(campaign, phases)
        yield from _hull_mistakes(campaign, phases)


def _label_file_mistakes(campaign: Campaign) -> Iterator[str]:
    """Check the files of labels, up to the first frame with a complete label."""
    if campaign.initial_labels is None:
        return
    for name in campaign.initial_labels.files:
        try:
            path, in_folder = label_files(Path(name))[0]
            if not in_folder:
                any(
                    label.raw.energy_eV is not None and len(label.raw.forces_eV_per_angstrom)
                    for label in read_file(path, campaign.initial_labels.keys)
                )
        except InterphaseError as error:
            yield f"initial_labels.files: {error}"


def _committee_mistakes(campaign: Campaign, phases: dict[str, Atoms]) -> Iterator[str]:
    """Check the elements of the loss, and the potential to start from; a package, which is code, is not loaded here."""
    elements = {symbol for name in campaign.phases if name in phases for symbol in phases[name].symbols}
    if unknown := sorted(set(campaign.committee.training.forces_weight_of_element) - elements):
        yield (
            f"committee.training.forces_weight_of_element: no {', '.join(unknown)} in the phases, only "
            f"{', '.join(sorted(elements))}; remove it"
        )
    for file in campaign.committee.start_files:
        yield from _start_mistakes(campaign, Path(file), elements)


def _start_mistakes(campaign: Campaign, path: Path, elements: Set[str]) -> Iterator[str]:
    """Check a potential to start from."""
    where = "committee.start_from"
    if not path.is_file():
        yield f"{where}: {path}: no such file"
    elif not path.name.endswith((".ckpt", ".nequip.zip")):
        yield f"{where}: {path}: not a checkpoint (.ckpt) or package (.nequip.zip) of NequIP"
    elif path.name.endswith(".ckpt"):
        from interphase_flows.potentials.transfer import architecture_of  # takes seconds to import

        try:
            found, types = architecture_of(path)
        except TrainingError as error:
            yield f"{where}: {error}"
            return
        if missing := sorted(elements - set(types)):
            yield f"{where}: the potential has no {', '.join(missing)}, only {', '.join(types)}; choose another one"
        for key, value in campaign.committee.model.model_dump().items():
            if key in found and found[key] != value:
                yield f"committee.model.{key}: {value}, but {found[key]} in {path.name}; use that of the potential"


def _load(name: str, structure_files: dict[str, str]) -> Atoms:
    try:
        return load_crystal(name, structure_files)
    except InterphaseError as error:
        if name in structure_files:
            raise
        raise CampaignFileError(
            f"{str(error).split(', or give a structure file')[0]}, or give its file under structure_files"
        ) from error


def _production_cell_mistakes(campaign: Campaign, ends: tuple[Atoms, Atoms]) -> Iterator[str]:
    """Check that every production cell can be built; only those with a narrow gap are built, where atoms may overlap."""
    spec, names = campaign.production.interface, (campaign.electrode, campaign.electrolyte)
    if spec is None:
        return
    elements = {symbol for atoms in ends for symbol in atoms.symbols}
    is_narrow = spec.gap_angstrom < max(pair_distances_angstrom(elements).values())
    check = build_production_cell if is_narrow else plan_production_cell
    found: dict[str, None] = {}
    try:
        cells = production_cell_specs(spec, campaign.structures.interfaces, names, ends, campaign.structure_files)
    except InterphaseError as error:
        yield f"production.interface: {error}"
        return
    for cell in cells:
        try:
            check(cell, *ends)
        except InterphaseError as error:
            found[f"production.interface: {error}"] = None  # shifts of a cell share their mistakes
    yield from found


def _formula_mistakes(campaign: Campaign, *ends: Atoms) -> Iterator[str]:
    """Check that electrode and electrolyte are named by their formulas, with which reactions are balanced."""
    for role, atoms in zip(("electrode", "electrolyte"), ends, strict=True):
        name, found = getattr(campaign, role), reduced_formula(atoms)
        try:
            is_same = Composition(name).reduced_formula == Composition(found).reduced_formula
        except ValueError:
            is_same = False
        if not is_same:
            yield f"{role}: {name}: its structure is {found}; name the phase by its formula"


def _structure_mistakes(campaign: Campaign, phases: dict[str, Atoms]) -> Iterator[str]:
    spec, ends = campaign.structures, (campaign.electrode, campaign.electrolyte)
    if spec.interfaces.size == "smallest" and not spec.interfaces.facets:
        yield from _small_interface_mistakes(campaign, (phases[ends[0]], phases[ends[1]]))
    yield from _facet_mistakes(campaign, *(phases[end] for end in ends))
    yield from _production_cell_mistakes(campaign, (phases[ends[0]], phases[ends[1]]))
    n_runs = len(spec.interfaces.snapshots.temperatures_K)
    if n_runs < MIN_SNAPSHOT_RUNS and campaign.initial_labels is None:
        yield (
            f"structures.interfaces.snapshots.temperatures_K: {n_runs} trajectories cannot be split into training, "
            f"validation and test sets; give at least {MIN_SNAPSHOT_RUNS}"
        )
    exploration, grid = campaign.exploration, campaign.transport_grid
    cells: list[tuple[str, int, AmorphousSpec | MeltQuenchSpec | TransportGridSpec]] = [
        ("structures.amorphous", spec.amorphous.n_per_fraction, spec.amorphous),
        ("exploration.melt_quench", exploration.n_melt_quench_walkers, exploration.melt_quench),
    ]
    if grid is not None:
        cells.append(("transport_grid", grid.n_per_fraction, grid))
    for key, n, block in cells:
        for fraction in block.electrode_fractions if n else []:
            try:
                composition_on_line(fraction, block.n_atoms, *(reduced_formula(phases[end]) for end in ends))
            except InterphaseError as error:
                yield f"{key}: {error}"
    if spec.dimers.n_distances and spec.dimers.min_distance_fraction < campaign.gates.min_distance_fraction:
        yield (
            f"structures.dimers.min_distance_fraction: {spec.dimers.min_distance_fraction} is below "
            f"gates.min_distance_fraction ({campaign.gates.min_distance_fraction}), which rejects them; raise it"
        )
    if spec.dimers.isolated_atoms and campaign.reference.method == "chgnet":
        yield (
            "structures.dimers.isolated_atoms: CHGNet is not valid for an atom without neighbours; set it to false, or "
            "choose another reference method"
        )
    n_needed = _min_initial_labels(campaign, phases)
    if spec.max_first_labels is not None and spec.max_first_labels < n_needed and campaign.labels_generated_structures:
        yield (
            f"structures.max_first_labels: {spec.max_first_labels} is less than the {n_needed} labels that are "
            "always computed (one structure of every phase, cell and trajectory, and the dimers); raise it"
        )


def _small_interface_mistakes(campaign: Campaign, ends: tuple[Atoms, Atoms]) -> Iterator[str]:
    spec, pair = campaign.structures.interfaces, (campaign.electrode, campaign.electrolyte)
    is_own = not set(pair) & campaign.structure_files.keys()
    smallest = InterfaceSpec(*pair, film_layers=MIN_FILM_LAYERS, max_strain=spec.max_strain, max_atoms=spec.max_atoms)
    if not small_interface_specs(smallest, None if is_own else ends):
        yield (
            f"structures.interfaces.size: smallest: no faces of {pair[0]} and {pair[1]} match within "
            f"max_strain={spec.max_strain} and max_atoms={spec.max_atoms}; raise either, or choose coherent"
        )


def _facet_mistakes(campaign: Campaign, electrode: Atoms, electrolyte: Atoms) -> Iterator[str]:
    spec = campaign.structures.interfaces
    for facet in spec.facets:
        film_miller, substrate_miller = parse_facet(facet)
        if (0, 0, 0) in (film_miller, substrate_miller):
            yield f"structures.interfaces.facets: {facet}: (000) is not a face; give three indices, not all zero"
        elif spec.max_atoms <= MAX_MATCHED_ATOMS:
            wanted = InterfaceSpec(
                film_miller=film_miller,
                substrate_miller=substrate_miller,
                film_layers=MIN_FILM_LAYERS if spec.size == "smallest" else InterfaceSpec.film_layers,
                max_strain=spec.max_strain,
                max_atoms=spec.max_atoms,
            )
            if best_match(wanted, electrode, electrolyte)[2] is None:
                yield (
                    f"structures.interfaces.facets: {facet}: no match within max_strain={spec.max_strain} and "
                    f"max_atoms={spec.max_atoms}; raise either, or choose other faces"
                )


def _min_initial_labels(campaign: Campaign, phases: dict[str, Atoms]) -> int:
    """Return the number of initial structures that are always labelled: one of every origin, and the dimers."""
    s = campaign.structures
    scaled = s.equations_of_state
    of_phases = (scaled.n_volumes, s.vacancies.n_per_phase, s.slabs.n_per_phase)
    n_faces_and_gaps = max(1, len(s.interfaces.facets)) * max(1, len(s.interfaces.gaps_angstrom))
    elements = {symbol for name in campaign.phases if name in phases for symbol in phases[name].symbols}
    n_pairs = len(elements) * (len(elements) + 1) // 2
    return (
        len(campaign.phases) * (1 + sum(n > 0 for n in of_phases))
        + 2 * (scaled.n_volumes * scaled.n_rattled_per_volume > 0)
        + len(s.amorphous.electrode_fractions) * s.amorphous.n_per_fraction
        + len(s.interfaces.snapshots.temperatures_K)
        + n_faces_and_gaps * s.interfaces.n_as_built
        + n_pairs * s.dimers.n_distances
        + len(elements) * s.dimers.isolated_atoms
    )


def _analysis_mistakes(campaign: Campaign, phases: dict[str, Atoms]) -> Iterator[str]:
    elements = {symbol for name in campaign.phases if name in phases for symbol in phases[name].symbols}
    are_known = True
    for key in ("anion_centre_elements", "ligand_elements"):
        for symbol in getattr(campaign.analysis, key) or ():
            if symbol not in elements:
                are_known = False
                yield f"analysis.{key}: {symbol}: not in the phases, only {', '.join(sorted(elements))}; remove it"
    try:
        if are_known:
            anion_chemistry(campaign.analysis, phases[campaign.electrolyte])
    except InterphaseError as error:
        yield f"analysis: {error}"


def _hull_mistakes(campaign: Campaign, phases: dict[str, Atoms]) -> Iterator[str]:
    needed = {symbol for role in ("electrode", "electrolyte") for symbol in phases[getattr(campaign, role)].symbols}
    pure = {next(iter(set(atoms.symbols))) for atoms in phases.values() if len(set(atoms.symbols)) == 1}
    for element in sorted(needed - pure):
        yield f"hull_phases: the convex hull needs the pure element {element}; add it to phases or hull_phases"
