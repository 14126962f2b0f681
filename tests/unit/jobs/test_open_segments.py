"""Segments in a flow without a campaign: own structures, own potentials."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from jobflow import Flow, run_locally
from monty.json import MontyDecoder, jsanitize
from pymatgen.core import Structure

from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.jobs.inputs import PortableAtoms
from interphase_flows.jobs.potentials import potential_key
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.reference.spec import CalculatorSpec
from interphase_flows.schemas.segment import SegmentDoc

pytestmark = [
    pytest.mark.usefixtures("empty_folder"),
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),  # jobflow 0.4 still calls it
]

EMT_SPEC = CalculatorSpec(name="ase.calculators.emt.EMT")
SPHERES = CalculatorSpec(name="tiny_training.Spheres")
SHORT = SegmentMaker(
    dynamics=DynamicsSpec(temperature_K=300),
    n_steps=10,
    frame_interval_steps=5,
    uncertainty_interval_steps=5,
    checkpoint_interval_steps=5,
)


def copper():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def run_flow(*jobs) -> list[SegmentDoc]:
    done = run_locally(Flow(list(jobs)), create_folders=True, ensure_success=True, log=False)
    return [done[job.uuid][1].output for job in jobs]


def run(*arguments, maker=SHORT) -> SegmentDoc:
    return SegmentMaker.make.original(maker, *arguments)


def test_run_of_two_segments_in_separate_folders(empty_folder):
    """The second one finds the checkpoint of the first; one potential alone has no uncertainty."""
    first = SHORT.make(copper(), EMT_SPEC)
    second = SHORT.make(first.output, EMT_SPEC)
    segments = run_flow(first, second)
    assert [s.stop_reason for s in segments] == ["finished", "finished"]
    assert [(s.first_step, s.last_step, s.run_id) for s in segments] == [(0, 10, "run"), (10, 20, "run")]
    assert segments[0].uncertainty_eV_per_angstrom == []
    assert segments[0].n_candidates == 0
    assert segments[0].n_temperatures == 3
    with RunFrames([Path(s.trajectory.path) for s in segments]) as frames:
        assert frames.n_frames == 5
    assert len({Path(s.trajectory.path).parents[3] for s in segments}) == 2


def test_segment_at_constant_pressure_records_volume_and_normal_stress():
    dynamics = DynamicsSpec(ensemble="npt", temperature_K=300, axes="isotropic", pressure_GPa=2.0, bulk_modulus_GPa=140)
    segment = run(copper(), EMT_SPEC, maker=replace(SHORT, dynamics=dynamics))
    assert segment.stop_reason == "finished"
    assert segment.pressure_target_GPa == 2.0
    assert segment.volume_mean_angstrom3 == pytest.approx(copper().get_volume(), rel=0.02)
    assert segment.volume_std_angstrom3 > 0
    assert segment.normal_stress_std_GPa > 0
    constant_volume = run(copper(), EMT_SPEC)
    assert (constant_volume.pressure_target_GPa, constant_volume.volume_mean_angstrom3) == (None, None)
    with RunFrames([Path(segment.trajectory.path)]) as frames:
        assert frames.cell(0)[0, 0] != frames.cell(-1)[0, 0]


def test_committee_of_calculators_selects_frames_and_stops():
    other = CalculatorSpec(name="tiny_training.Spheres", arguments={})
    lj = CalculatorSpec(name="ase.calculators.lj.LennardJones", arguments={"sigma": 2.2, "epsilon": 0.3, "rc": 4.0})
    maker = replace(SHORT, select_force_std_eV_per_angstrom=1e-6)
    segment = run(copper(), [other, lj], maker=maker)
    assert segment.n_candidates > 0
    assert len(segment.uncertainty_eV_per_angstrom) == 3
    stopping = replace(maker, stop_force_std_eV_per_angstrom=1e-5)
    assert run(copper(), [other, lj], maker=stopping).stop_reason == "uncertain"


def test_structure_of_pymatgen_is_a_start():
    atoms = copper()
    structure = Structure(atoms.cell.array, atoms.get_chemical_symbols(), atoms.positions, coords_are_cartesian=True)
    segment = run(structure, SPHERES)
    assert (segment.stop_reason, segment.n_atoms) == ("finished", 4)


def test_fields_name_the_run_without_a_walker():
    maker = replace(SHORT, role="production", run_id="replica-2", seed=2)
    segment = run(copper(), EMT_SPEC, maker=maker)
    assert (segment.role, segment.run_id, segment.seed) == ("production", "replica-2", 2)
    after = run(segment, EMT_SPEC)
    assert (after.role, after.run_id, after.seed) == ("production", "replica-2", 2)
    fresh = run(segment, EMT_SPEC, maker=replace(SHORT, is_new_run=True, run_id="other"))
    assert (fresh.run_id, fresh.first_step) == ("other", 0)


def test_key_of_a_potential_depends_on_its_content(empty_folder):
    """Not on the place of a file."""
    (empty_folder / "a.ckpt").write_bytes(b"x")
    (empty_folder / "b.ckpt").write_bytes(b"x")
    (empty_folder / "c.ckpt").write_bytes(b"y")
    assert potential_key("a.ckpt") == potential_key("b.ckpt") == potential_key(["a.ckpt"])
    other = CalculatorSpec(name="ase.calculators.emt.EMT", arguments={"asap_cutoff": True})
    potentials = [
        "a.ckpt",
        "c.ckpt",
        EMT_SPEC,
        other,
        SPHERES,
        [EMT_SPEC, other],
        [other, EMT_SPEC],
        ["a.ckpt", EMT_SPEC],
    ]
    assert len({potential_key(each) for each in potentials}) == len(potentials)


@pytest.mark.parametrize(
    ("potential", "message"),
    [
        ("best.ckpt", r"best.ckpt: no such file. Hint: .*CommitteeMaker"),
        ("model.pth", r"not one of .ckpt, .nequip.zip, .*CalculatorSpec"),
        ("EMT", r"'EMT': not one of"),
        ([], r"potential: \[\] is none"),
        (EMT_SPEC, r"EMT cannot evaluate Li2: .*covers these elements"),
        (CalculatorSpec(name="ase.calculators.emt.EMMT"), r"'ase.calculators.emt.EMMT' cannot be imported"),
        (CalculatorSpec(name="tiny_training.Spheres", arguments={"x": 1}), r"arguments \{'x': 1\} are not accepted"),
    ],
)
def test_unusable_potential_raises_with_a_hint(potential, message):
    with pytest.raises(InputError, match=message):
        run(bulk("Li", cubic=True), potential)


def test_damaged_model_file_raises(empty_folder):
    (empty_folder / "bad.ckpt").write_bytes(b"not a model")
    with pytest.raises(Exception, match=r"bad.ckpt is not a checkpoint of NequIP"):
        run(copper(), "bad.ckpt")


def test_calculator_object_is_rejected_when_the_job_is_made():
    with pytest.raises(InputError, match=r"EMT: a calculator object cannot be stored .*CalculatorSpec"):
        SHORT.make(copper(), EMT())


def test_start_that_is_no_structure_raises():
    with pytest.raises(InputError, match=r"dict: not a structure. Hint"):
        run({"a": 1}, EMT_SPEC)


def test_arguments_survive_serialization_with_all_digits(empty_folder):
    """Relative paths become absolute."""
    (empty_folder / "a.ckpt").write_bytes(b"x")
    atoms = copper()
    atoms.calc = EMT()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.info["origin"] = "crystal/Cu"
    job = SHORT.make([atoms], ["a.ckpt", EMT_SPEC])
    stored = json.loads(json.dumps(jsanitize(job.as_dict(), strict=True, enum_values=True)))
    again = MontyDecoder().process_decoded(stored)
    (found,), potential = again.function_args
    assert np.array_equal(found.positions, atoms.positions)
    assert found.info == {"origin": "crystal/Cu"}
    assert found.get_potential_energy() == energy
    assert np.array_equal(found.get_forces(), forces)
    assert potential == [str(empty_folder / "a.ckpt"), EMT_SPEC]


def test_results_of_other_positions_are_not_stored():
    atoms = copper()
    atoms.calc = EMT()
    atoms.get_forces()
    atoms.rattle(0.1)
    assert PortableAtoms.of(atoms).calc is None
