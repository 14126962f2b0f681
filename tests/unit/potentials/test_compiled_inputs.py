"""Inputs of compiled graphs, which interpret any tensor as double precision."""

import numpy as np
import pytest
import torch
from ase.build import bulk

from interphase_flows.potentials.committee import CompiledModelCalculator
from interphase_flows.potentials.compiled.calculator import CompiledNequIPCalculator
from interphase_flows.potentials.compiled.neighbour_list import NeighbourList
from interphase_flows.potentials.compiled.verification import random_calculator
from tiny_training import SPEC


@pytest.mark.parametrize(
    ("kind", "pairs"),
    [
        (CompiledNequIPCalculator, None),
        (CompiledNequIPCalculator, NeighbourList(SPEC.cutoff_angstrom)),
        (CompiledModelCalculator, None),
    ],
)
@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_inputs_are_in_double_precision_for_any_default_type_of_torch(default, kind, pairs):
    """CHGNet and other packages set the default type to single precision."""
    eager = random_calculator(SPEC, ["Li"], seed=1)
    compiled = kind.__new__(kind)
    compiled.__dict__.update(vars(eager) | {"_pairs": pairs})
    atoms = bulk("Li", cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        data = compiled.atoms_to_data(atoms)
        assert torch.get_default_dtype() == default
    finally:
        torch.set_default_dtype(before)
    assert {value.dtype for value in data.values() if value.is_floating_point()} == {torch.float64}
    np.testing.assert_array_equal(data["pos"].numpy(), atoms.positions)
