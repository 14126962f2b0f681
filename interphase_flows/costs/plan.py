"""Numbers and sizes of the labels of a campaign, predicted from its file."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, cycle, islice
from pathlib import Path

from ase import Atoms
from ase.formula import Formula

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.structures import SlabSpec
from interphase_flows.costs.interfaces import labelled_interfaces, production_cell_plans
from interphase_flows.costs.model import VOLUME_PER_ATOM_ANGSTROM3, LabelSize, label_size, typical_size
from interphase_flows.datasets.readers import label_files
from interphase_flows.structures.amorphous.mixtures import composition_on_line, reduced_formula
from interphase_flows.structures.crystals.library import load_crystal
from interphase_flows.structures.crystals.perturb import WALKER_ATOMS, repeated, walker_supercell
from interphase_flows.structures.interfaces.slabs import slabs

BYTES_PER_IMPORTED_ATOM = 120.0
"""Of a frame with forces, as text of about eight numbers for each atom."""
STEPS_PER_RELAXATION = 40
"""Steps of a relaxation with the reference method; most crystals need fewer."""


@dataclass(frozen=True)
class LabelPlan:
    """Sizes of the labels of each stage, with the loop at its largest number of labels.

    ``interface`` is the size of the labelled interface, ``mixture`` the formula of an equal number of atoms of electrode
    and electrolyte.
    """

    initial: Sequence[LabelSize]
    loop: Sequence[LabelSize]
    refinement: Sequence[LabelSize]
    production: Sequence[LabelSize]
    phases: Sequence[LabelSize]
    interface: LabelSize
    mixture: str


def n_interface_atoms(campaign: Campaign) -> int:
    """Return the number of atoms of the labelled interfaces, the mean over facets; the limit of those too large to build.

    Raises
    ------
    StructureError
        There is no lattice match.
    """
    built = labelled_interfaces(campaign)
    if not built:
        return campaign.structures.interfaces.max_atoms
    return round(sum(each.n_atoms for each in built) / len(built))


def production_cell_atoms(campaign: Campaign) -> list[int]:
    """Return the number of atoms of every production cell; without such cells, of the labelled interface.

    Raises
    ------
    StructureError
        There is no lattice match.
    """
    if campaign.production.interface is None:
        return [n_interface_atoms(campaign)]
    return [cell.n_atoms for cell in production_cell_plans(campaign)]


def walker_atoms(campaign: Campaign) -> list[int]:
    """Return the number of atoms of every walker without those that melt and quench."""
    exploration, s = campaign.exploration, campaign.structures
    n_interfaces = exploration.n_interface_walkers + exploration.n_audit_walkers
    built = [each.n_atoms for each in labelled_interfaces(campaign)] or [n_interface_atoms(campaign)]
    crystals = [
        len(walker_supercell(load_crystal(name, campaign.structure_files), WALKER_ATOMS))
        for name in (campaign.electrolyte, campaign.electrode)[: exploration.n_crystal_walkers]
    ]
    return [
        *islice(cycle(built), n_interfaces),
        *[s.amorphous.n_atoms] * exploration.n_amorphous_walkers,
        *islice(cycle(crystals), exploration.n_crystal_walkers),
    ]


def labelled_atoms_of_production(campaign: Campaign, n_atoms: int) -> int:
    """Return the number of atoms of a label of production: an entire frame, or a cell cut out of a large one."""
    if campaign.production.interface is None:
        return n_atoms
    return min(n_atoms, round(campaign.production.cutouts.edge_angstrom**3 / VOLUME_PER_ATOM_ANGSTROM3))


def plan_labels(campaign: Campaign) -> LabelPlan:
    """Return the labels that a campaign will compute."""
    spec, learning, production = campaign.reference, campaign.learning, campaign.production
    cells = {
        name: load_crystal(name, campaign.structure_files)
        for name in dict.fromkeys([*campaign.phases, *campaign.hull_phases])
    }
    mixture = _half_and_half(campaign, cells)
    built = [label_size(spec, each.atoms) for each in labelled_interfaces(campaign)]
    interfaces = built or [typical_size(spec, mixture, n_interface_atoms(campaign))]
    initial = _initial(campaign, cells, interfaces) if campaign.labels_generated_structures else []
    per_iteration = learning.labels_per_iteration + learning.audit_labels_per_iteration
    n_loop = min(learning.max_iterations * per_iteration, max(0, learning.max_labels - len(initial)))
    n_steps = STEPS_PER_RELAXATION if campaign.thermodynamics.relax_with == "reference" else 1
    sizes = [labelled_atoms_of_production(campaign, n_atoms) for n_atoms in production_cell_atoms(campaign)]
    return LabelPlan(
        initial=initial,
        loop=_cycled(interfaces, n_loop),
        refinement=[typical_size(spec, mixture, min(sizes))]
        * (production.refine_iterations * learning.labels_per_iteration),
        production=[
            typical_size(spec, mixture, n_atoms)
            for n_atoms in sizes
            for _ in range(production.n_replicas * production.audit_labels_per_replica)
        ],
        phases=[label_size(spec, cell) for cell in cells.values() for _ in range(n_steps)],
        interface=interfaces[0],
        mixture=mixture,
    )


def imported_atoms(campaign: Campaign) -> float:
    """Return the approximate number of atoms of all imported frames, from the sizes of their files."""
    if campaign.initial_labels is None:
        return 0.0
    paths = [path for name in campaign.initial_labels.files for path, _ in label_files(Path(name))]
    return sum(path.stat().st_size for path in paths) / BYTES_PER_IMPORTED_ATOM


def _initial(campaign: Campaign, cells: dict[str, Atoms], interfaces: Sequence[LabelSize]) -> list[LabelSize]:
    spec, s = campaign.reference, campaign.structures
    sizes: list[LabelSize] = []
    for name in campaign.phases:
        crystal = label_size(spec, repeated(cells[name], s.crystals.min_atoms))
        sizes += [crystal] * (1 + s.crystals.n_per_phase)
        scaled = s.equations_of_state
        sizes += [label_size(spec, cells[name])] * scaled.n_volumes
        if name in (campaign.electrode, campaign.electrolyte):
            rattled = label_size(spec, repeated(cells[name], scaled.rattled_min_atoms))
            sizes += [rattled] * (scaled.n_volumes * scaled.n_rattled_per_volume)
        if s.vacancies.n_per_phase:
            vacancy = repeated(cells[name], s.vacancies.min_atoms)
            sizes += [label_size(spec, vacancy[1:])] * s.vacancies.n_per_phase
        sizes += [label_size(spec, slab) for slab in _slabs(cells[name], s.slabs)]
    elements = sorted({symbol for name in campaign.phases for symbol in cells[name].symbols})
    box = [s.dimers.box_angstrom] * 3
    for pair in combinations_with_replacement(elements, 2):
        sizes += [label_size(spec, Atoms(list(pair), cell=box, pbc=True))] * s.dimers.n_distances
    if s.dimers.isolated_atoms:
        sizes += [label_size(spec, Atoms([element], cell=box, pbc=True)) for element in elements]
    frames_per_cell = 1 + (s.amorphous.melt_steps + s.amorphous.quench_steps) // s.amorphous.snapshot_interval_steps
    ends = [reduced_formula(cells[name]) for name in (campaign.electrode, campaign.electrolyte)]
    for fraction in s.amorphous.electrode_fractions if s.amorphous.n_per_fraction else []:
        mixed = composition_on_line(fraction, s.amorphous.n_atoms, *ends)
        glass = typical_size(spec, "".join(f"{symbol}{n}" for symbol, n in mixed.items()))
        sizes += [glass] * (s.amorphous.n_per_fraction * frames_per_cell)
    snapshots, n_gaps = s.interfaces.snapshots, max(1, len(s.interfaces.gaps_angstrom))
    for start in _cycled(interfaces, len(snapshots.temperatures_K)):  # trajectories take facets in turn
        sizes += [start] * (snapshots.n_steps // snapshots.snapshot_interval_steps)
    n_faces = max(1, len(s.interfaces.facets))
    sizes += _cycled(interfaces, n_faces * n_gaps * s.interfaces.n_as_built)
    if s.max_first_labels is not None and len(sizes) > s.max_first_labels:
        # the selection depends on the structures; assume that it preserves the distribution of sizes
        step = len(sizes) / s.max_first_labels
        sizes = [sizes[int(index * step)] for index in range(s.max_first_labels)]
    return sizes


def _cycled(sizes: Sequence[LabelSize], n: int) -> list[LabelSize]:
    return list(islice(cycle(sizes), n))


def _slabs(crystal: Atoms, spec: SlabSpec) -> list[Atoms]:
    if not spec.n_per_phase:
        return []
    limits = (spec.max_miller, spec.min_thickness_angstrom, spec.vacuum_angstrom, spec.max_atoms)
    return slabs(crystal, spec.n_per_phase, *limits)


def _half_and_half(campaign: Campaign, cells: dict[str, Atoms]) -> str:
    electrode, electrolyte = (reduced_formula(cells[name]) for name in (campaign.electrode, campaign.electrolyte))
    return f"({electrode}){len(Formula(electrolyte))}({electrolyte}){len(Formula(electrode))}"
