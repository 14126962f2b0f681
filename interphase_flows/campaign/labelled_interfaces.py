"""Labelled interfaces that a campaign file requests."""

from collections.abc import Collection
from dataclasses import replace

from ase import Atoms

from interphase_flows.campaign.structures import InterfaceStructuresSpec
from interphase_flows.structures.crystals.library import phase_names
from interphase_flows.structures.interfaces.builder import BuiltInterface, InterfaceSpec, build_interface
from interphase_flows.structures.interfaces.oriented_cells import parse_facet
from interphase_flows.structures.interfaces.small_interfaces import (
    MIN_FILM_LAYERS,
    fill_with_electrode,
    small_interface,
)


def build_labelled_interface(
    spec: InterfaceStructuresSpec,
    names: tuple[str, str],
    ends: tuple[Atoms, Atoms],
    facet: str | None = None,
    gap_angstrom: float | None = None,
    variant: int = 0,
    replaced: Collection[str] = (),
) -> BuiltInterface:
    """Build one labelled interface of a campaign.

    Parameters
    ----------
    names, ends
        Names and crystals of electrode and electrolyte.
    facet
        Faces such as ``110/001``; by default those of ``spec.size``.
    gap_angstrom
        In Å, by default that of ``spec``.
    variant
        Seed of the in-plane shift of the electrode.
    replaced
        Phases of the library that are replaced by files. Their crystals, like all crystals that are not phases of the
        library, are matched on all faces, phases of the library on selected ones.

    Raises
    ------
    StructureError
        There is no lattice match, or the anions are not molecules.
    OverlappingAtomsError
        The gap is so small that atoms of both sides overlap.
    """
    wanted = InterfaceSpec(
        electrode=names[0],
        electrolyte=names[1],
        gap_angstrom=spec.gap_angstrom if gap_angstrom is None else gap_angstrom,
        max_strain=spec.max_strain,
        max_atoms=spec.max_atoms,
        seed=variant,
    )
    if facet is not None:
        film_miller, substrate_miller = parse_facet(facet)
        wanted = replace(wanted, film_miller=film_miller, substrate_miller=substrate_miller)
    if spec.size == "coherent":
        return build_interface(wanted, *ends)
    smallest = replace(wanted, film_layers=MIN_FILM_LAYERS)
    if facet is None:
        in_library = set(names) <= set(phase_names()) - set(replaced)
        return small_interface(smallest, ends=None if in_library else ends)
    filled = fill_with_electrode(smallest, ends)
    # without a lattice match the unchanged spec raises an error with a hint
    return build_interface(filled[1] if filled else wanted, *ends)
