"""Cells of production that a campaign file requests."""

from collections.abc import Collection
from dataclasses import replace
from itertools import product

from ase import Atoms

from interphase_flows.campaign.production import ProductionInterfaceSpec
from interphase_flows.campaign.structures import InterfaceStructuresSpec
from interphase_flows.structures.crystals.library import phase_names
from interphase_flows.structures.interfaces.builder import InterfaceSpec
from interphase_flows.structures.interfaces.oriented_cells import parse_facet
from interphase_flows.structures.interfaces.production_cells import ProductionCellSpec
from interphase_flows.structures.interfaces.small_interfaces import SMALLEST, small_interface_specs


def production_cell_specs(
    spec: ProductionInterfaceSpec,
    labelled: InterfaceStructuresSpec,
    names: tuple[str, str],
    ends: tuple[Atoms, Atoms],
    replaced: Collection[str] = (),
) -> list[ProductionCellSpec]:
    """Return the specifications of all cells: facets, then terminations, then in-plane shifts.

    Parameters
    ----------
    names, ends
        Names and crystals of electrode and electrolyte.
    replaced
        Phases of the library that are replaced by files.

    Raises
    ------
    StructureError
        There is no labelled interface whose faces could be used.
    """
    if spec.facets:
        faces = [parse_facet(facet) for facet in spec.facets]
    elif labelled.facets:
        faces = [parse_facet(labelled.facets[0])]
    elif labelled.size == "coherent":
        faces = [(InterfaceSpec.film_miller, InterfaceSpec.substrate_miller)]
    else:
        in_library = set(names) <= set(phase_names()) - set(replaced)
        bounds = replace(SMALLEST, max_strain=labelled.max_strain, max_atoms=labelled.max_atoms)
        bounds = replace(bounds, electrode=names[0], electrolyte=names[1])
        smallest = small_interface_specs(bounds, None if in_library else ends)
        faces = [(each.film_miller, each.substrate_miller) for each in smallest[:1]]
    return [
        ProductionCellSpec(
            electrode=names[0],
            electrolyte=names[1],
            electrode_miller=film,
            electrolyte_miller=substrate,
            electrode_angstrom=spec.electrode_angstrom,
            electrolyte_angstrom=spec.electrolyte_angstrom,
            lateral_angstrom=spec.lateral_angstrom,
            gap_angstrom=spec.gap_angstrom,
            max_strain=spec.max_strain,
            termination=termination,
            seed=shift,
        )
        for (film, substrate), termination, shift in product(faces, spec.terminations, range(spec.n_shifts))
    ]
