"""Verification of a compiled graph before it is stored."""

from collections.abc import Sequence

import torch
from ase import Atoms
from nequip.integrations.ase import NequIPCalculator
from nequip.integrations.utils import basic_transforms

from interphase_flows.potentials.compiled.agreement import check_agreement
from interphase_flows.potentials.compiled.architecture import new_model
from interphase_flows.potentials.compiled.calculator import CompiledGraph, CompiledNequIPCalculator
from interphase_flows.potentials.compiled.check_frames import check_frames
from interphase_flows.potentials.compiled.compiler import GraphFile
from interphase_flows.potentials.quiet import quiet_training
from interphase_flows.potentials.spec import NequIPSpec
from interphase_flows.schemas.compiled_potential import GraphErrors

SEEDS = (2, 3)
"""Seeds of the models with random parameters and statistics that are loaded into the graph."""


def verify_graph(
    graph: GraphFile,
    spec: NequIPSpec,
    elements: Sequence[str],
    device: str,
    n_threads: int,
    frames: Sequence[Atoms] = (),
) -> GraphErrors:
    """Load two models into a graph, one after the other, and compare each with its eager predictions.

    Raises
    ------
    CompilationError
        The predictions differ by more than the tolerances of `agreement`.
    """
    types = sorted(elements)
    found = []
    with quiet_training(n_threads):
        loaded = CompiledGraph(graph.path, device)
        for seed in SEEDS:
            eager = random_calculator(spec, types, seed, device)
            compiled = CompiledNequIPCalculator(loaded, graph.constants, eager)
            # frames of other elements cannot be evaluated by this architecture
            usable = [frame for frame in frames if set(frame.symbols) <= set(types)]
            found.append(check_agreement(compiled, eager, [*check_frames(types, spec.cutoff_angstrom), *usable]))
    return GraphErrors(
        n_frames=found[0].n_frames,
        energy_eV_per_atom=max(each.energy_eV_per_atom for each in found),
        force_eV_per_angstrom=max(each.force_eV_per_angstrom for each in found),
        stress_eV_per_angstrom3=max(each.stress_eV_per_angstrom3 for each in found),
    )


def random_calculator(spec: NequIPSpec, elements: Sequence[str], seed: int, device: str = "cpu") -> NequIPCalculator:
    """Return an eager calculator of a model with random parameters."""
    model = new_model(spec, elements, seed)
    types = sorted(elements)
    transforms = basic_transforms(model.metadata, spec.cutoff_angstrom, types, {name: name for name in types})
    return NequIPCalculator(model, torch.device(device), transforms=transforms)
