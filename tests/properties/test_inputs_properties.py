"""Arguments of jobs survive jobflow's JSON without a change, and potentials have equal keys only if they are equal."""

import json

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given
from hypothesis import strategies as st
from monty.json import MontyDecoder, jsanitize

from interphase_flows.jobs.inputs import PortableAtoms
from interphase_flows.jobs.potentials import potential_key
from interphase_flows.reference.spec import CalculatorSpec

ALPHABET = "aZ09 .,/\\\"'\n\t\0ßéÅ語🔋"
"""Explicit, since Hypothesis takes seconds to build its table of all characters."""
SCALARS = st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | st.text(ALPHABET, max_size=8)


@st.composite
def labelled_atoms(draw) -> Atoms:
    n, rng = draw(st.integers(1, 5)), np.random.default_rng(draw(st.integers(0, 2**32)))
    atoms = Atoms(
        numbers=rng.integers(1, 90, n),
        positions=rng.normal(size=(n, 3)) * 10.0 ** draw(st.integers(-6, 6)),
        cell=rng.random((3, 3)),
        pbc=rng.random(3) > 0.5,
        info=draw(st.dictionaries(st.sampled_from(["origin", "split", "note"]), SCALARS)),
    )
    if draw(st.booleans()):
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), forces=rng.normal(size=(n, 3)))
    return atoms


@given(labelled_atoms())
def test_atoms_survive_json_to_the_last_bit(atoms):
    stored = json.loads(json.dumps(jsanitize(PortableAtoms.of(atoms).as_dict(), strict=True)))
    again = MontyDecoder().process_decoded(stored)
    for name in ("numbers", "positions", "cell", "pbc"):
        assert np.array_equal(np.asarray(getattr(again, name)), np.asarray(getattr(atoms, name)))
    assert again.info == atoms.info
    assert (again.calc is None) == (atoms.calc is None)
    if atoms.calc is not None:
        assert again.get_potential_energy() == atoms.get_potential_energy()
        assert np.array_equal(again.get_forces(), atoms.get_forces())


@given(*[st.dictionaries(st.text("ab", max_size=2), SCALARS, max_size=2)] * 2)
def test_calculators_have_equal_keys_for_equal_arguments_only(first, second):
    keys = [potential_key(CalculatorSpec(name="some.Calculator", arguments=each)) for each in (first, second)]
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (keys[0] == keys[1]) == same
