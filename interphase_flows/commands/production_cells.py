"""Build the production cells of a campaign as files, before anything runs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

from interphase_flows.campaign.production_cells import production_cell_specs
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.exceptions import InputError
from interphase_flows.report.figures.structure_scene import draw_scene, scene_of
from interphase_flows.report.inputs.interphase import StructureView
from interphase_flows.runtime.atomic_files import atomic_path
from interphase_flows.structures.crystals.library import load_crystal
from interphase_flows.structures.interfaces.builder import ELECTRODE, BuiltInterface
from interphase_flows.structures.interfaces.production_cells import build_production_cell, plan_production_cell

MAX_DRAWN_ATOMS = 5000
"""A drawing of a wider cell shows one of its repeated parts."""


@dataclass(frozen=True)
class WrittenCell:
    """A production cell and its files."""

    built: BuiltInterface
    structure: Path
    """Extended XYZ with the array ``side``: 0 in the electrode, 1 in the electrolyte."""
    picture: Path


def write_production_cells(campaign: Campaign, folder: Path) -> list[WrittenCell]:
    """Build the production cells of a campaign, and write each as a file and a picture.

    Raises
    ------
    InputError
        The campaign has no production cells.
    CampaignFileError
        The campaign has mistakes.
    StorageError
        The folder cannot be written.
    """
    spec = campaign.production.interface
    if spec is None:
        raise InputError(
            f"campaign {campaign.name}: production.interface is missing, so production runs in the labelled cell. Hint: "
            "add the line `interface: {}` to the block `production`, for a cell with the default lengths"
        )
    check_campaign(campaign)
    names = (campaign.electrode, campaign.electrolyte)
    ends = (load_crystal(names[0], campaign.structure_files), load_crystal(names[1], campaign.structure_files))
    written = []
    specs = production_cell_specs(spec, campaign.structures.interfaces, names, ends, campaign.structure_files)
    for number, cell in enumerate(specs):
        built = build_production_cell(cell, *ends)
        structure, picture = (folder / f"{campaign.name}-cell-{number}{suffix}" for suffix in (".extxyz", ".png"))
        with atomic_path(structure) as temporary:
            write(temporary, built.atoms, format="extxyz")
        with atomic_path(picture) as temporary:
            drawn = _drawn(built.atoms, plan_production_cell(cell, *ends).repeats)
            draw_scene(scene_of(_view(drawn, picture.stem))).savefig(temporary, format="png", dpi=150)
        written.append(WrittenCell(built, structure, picture))
    return written


def _drawn(atoms: Atoms, repeats: tuple[int, int]) -> Atoms:
    """Return the atoms to draw: all, or of a large cell the first of the repeated parts."""
    if len(atoms) <= MAX_DRAWN_ATOMS:
        return atoms
    part = atoms[: len(atoms) // (repeats[0] * repeats[1])]
    part.set_cell(np.diag([1 / repeats[0], 1 / repeats[1], 1.0]) @ atoms.cell.array)
    return part


def _view(atoms: Atoms, title: str) -> StructureView:
    return StructureView(
        title=title,
        symbols=atoms.get_chemical_symbols(),
        positions=atoms.positions,
        cell=atoms.cell.array,
        from_electrode=atoms.arrays["side"] == ELECTRODE,
    )
