"""Amounts of work of stages of a campaign, as text and as numbers of steps."""

from itertools import islice

import numpy as np
from ase.formula import Formula

from interphase_flows.analysis.transport.composition_grid.local_composition import CompositionLine
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.transport_grid import TransportGridSpec
from interphase_flows.md.schedule import undisturbed_legs
from interphase_flows.structures.amorphous.mixtures import composition_on_line, reduced_formula
from interphase_flows.structures.crystals.library import load_crystal


def grid_amount(campaign: Campaign, grid: TransportGridSpec) -> str:
    """Return cells, compositions and steps of a transport grid as text."""
    measured = grid.n_segments * grid.steps_per_segment
    ends = [
        Formula(reduced_formula(load_crystal(name, campaign.structure_files)))
        for name in (campaign.electrode, campaign.electrolyte)
    ]
    line = CompositionLine(*(end.count() for end in ends))
    reached = set()
    for fraction in grid.electrode_fractions:
        atoms = composition_on_line(fraction, grid.n_atoms, *map(str, ends))
        amounts = np.array([float(atoms.get(symbol, 0)) for symbol in line.elements])
        reached.add(f"{line.nearest(amounts, np.zeros(len(amounts)))[0]:.2f}")
    return (
        f"{grid.n_cells} cells of {grid.n_atoms} atoms (x = {', '.join(sorted(reached))}), melted and quenched in "
        f"{grid.melt_steps + grid.quench_steps} steps, each at {len(grid.temperatures_K)} temperatures x "
        f"{grid.equilibration_steps + measured} steps ({measured * grid.timestep_fs / 1000:g} ps measured): "
        f"{grid.n_steps} steps"
    )


def steps_of_melt_and_quench(campaign: Campaign) -> int:
    """Return the steps of one melt-quench walker in the entire loop, if none of its segments ends early."""
    exploration = campaign.exploration
    legs = undisturbed_legs(exploration.melt_quench.stages, exploration.steps_per_iteration)
    return sum(leg.n_steps for leg in islice(legs, campaign.learning.max_iterations))


def melt_quench_amount(campaign: Campaign) -> str:
    """Return numbers and steps of melt-quench walkers as text that follows those of the other walkers."""
    n, spec = campaign.exploration.n_melt_quench_walkers, campaign.exploration.melt_quench
    if not n:
        return ""
    stages = ", ".join(f"{stage.n_steps} steps at {stage.temperature_K:g} K" for stage in spec.stages)
    return (
        f"; {n} more walkers melt and quench packings of {spec.n_atoms} atoms ({stages}): up to "
        f"{steps_of_melt_and_quench(campaign)} steps each"
    )
