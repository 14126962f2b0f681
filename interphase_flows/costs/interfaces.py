"""Interfaces of a campaign, built or counted before it runs: those that are labelled, and those of production."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from interphase_flows.campaign.labelled_interfaces import build_labelled_interface
from interphase_flows.campaign.production_cells import production_cell_specs
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.structures import InterfaceStructuresSpec
from interphase_flows.exceptions import StructureError
from interphase_flows.structures.crystals.library import load_crystal
from interphase_flows.structures.interfaces.builder import BuiltInterface, assemble_interface, thicknesses_angstrom
from interphase_flows.structures.interfaces.production_cells import PlannedCell, plan_production_cell

MAX_BUILT_ATOMS = 600
"""Above this ``max_atoms`` a labelled interface is not built for a plan: the search of lattice matches takes minutes."""


@dataclass(frozen=True)
class PlannedInterface:
    """An interface of a campaign; those that differ by the in-plane shift only are one, which counts ``n_cells``.

    ``height_angstrom`` is the length of the cell along the normal, which holds two interfaces; ``film_strain`` the
    principal strain of the electrode of largest absolute value.
    """

    use: Literal["labelled", "production"]
    faces: str
    n_cells: int
    n_atoms: int
    film_strain: float
    area_angstrom2: float
    height_angstrom: float
    electrode_angstrom: float
    electrolyte_angstrom: float


def planned_interfaces(campaign: Campaign) -> list[PlannedInterface]:
    """Return the labelled interfaces of a campaign and its production cells.

    Labelled interfaces that cannot be built are left out; see :func:`missing_facets`.

    Raises
    ------
    StructureError
        A production cell cannot be built.
    """
    planned = [_planned("labelled", campaign, built) for built in labelled_interfaces(campaign)]
    plans = production_cell_plans(campaign)
    for first in (each for each in plans if each.interface.seed == 0):
        one = assemble_interface(first.interface, first.match, first.film, first.substrate)
        n_cells = sum(_kind(each) == _kind(first) for each in plans)
        planned.append(_planned("production", campaign, one, n_cells, first.repeats[0] * first.repeats[1]))
    return planned


def labelled_interfaces(campaign: Campaign) -> Sequence[BuiltInterface]:
    """Return the labelled interfaces of a campaign, one for each facet; none if they may be too large to build.

    A campaign continues without an interface that cannot be built, so it is left out here as well.
    """
    return _labelled_of(campaign)[0]


def missing_facets(campaign: Campaign) -> Sequence[str]:
    """Return why labelled interfaces of a campaign cannot be built, one message for each facet concerned."""
    return _labelled_of(campaign)[1]


def production_cell_plans(campaign: Campaign) -> list[PlannedCell]:
    """Return the production cells of a campaign before they are built.

    Raises
    ------
    StructureError
        There is no lattice match.
    """
    spec = campaign.production.interface
    if spec is None:
        return []
    names, files = (campaign.electrode, campaign.electrolyte), campaign.structure_files
    ends = load_crystal(names[0], files), load_crystal(names[1], files)
    cells = production_cell_specs(spec, campaign.structures.interfaces, names, ends, files)
    return [plan_production_cell(cell, *ends) for cell in cells]


def _labelled_of(campaign: Campaign) -> tuple[Sequence[BuiltInterface], Sequence[str]]:
    spec = campaign.structures.interfaces
    if spec.max_atoms > MAX_BUILT_ATOMS:
        return (), ()
    files = tuple(sorted(campaign.structure_files.items()))
    return _labelled(campaign.electrode, campaign.electrolyte, files, spec.model_dump_json(exclude={"snapshots"}))


@lru_cache(maxsize=16)
def _labelled(
    electrode: str, electrolyte: str, files: tuple[tuple[str, str], ...], spec_json: str
) -> tuple[list[BuiltInterface], list[str]]:
    spec, replaced = InterfaceStructuresSpec.model_validate_json(spec_json), dict(files)
    ends = load_crystal(electrode, replaced), load_crystal(electrolyte, replaced)
    gap_angstrom = spec.gaps_angstrom[0] if spec.gaps_angstrom else None
    facets: Sequence[str | None] = spec.facets or [None]
    built, missing = [], []
    for facet in facets:
        try:
            built.append(
                build_labelled_interface(spec, (electrode, electrolyte), ends, facet, gap_angstrom, replaced=replaced)
            )
        except StructureError as error:
            missing.append(f"{facet}: {error}" if facet else str(error))
    return built, missing


def _kind(cell: PlannedCell) -> tuple[object, ...]:
    spec = cell.interface
    return spec.film_miller, spec.substrate_miller, spec.termination


def _planned(
    use: Literal["labelled", "production"],
    campaign: Campaign,
    built: BuiltInterface,
    n_cells: int = 1,
    n_repeats: int = 1,
) -> PlannedInterface:
    electrode_angstrom, electrolyte_angstrom = thicknesses_angstrom(built)
    film, substrate = ("".join(map(str, m)) for m in (built.spec.film_miller, built.spec.substrate_miller))
    return PlannedInterface(
        use=use,
        faces=f"{campaign.electrode}({film})/{campaign.electrolyte}({substrate})",
        n_cells=n_cells,
        n_atoms=built.n_atoms * n_repeats,
        film_strain=built.film_strain,
        area_angstrom2=built.area_angstrom2 * n_repeats,
        height_angstrom=float(built.atoms.cell.array[2, 2]),
        electrode_angstrom=electrode_angstrom,
        electrolyte_angstrom=electrolyte_angstrom,
    )
