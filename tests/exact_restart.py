"""Check that 17 + 23 steps of a committee equal 40 steps to the last bit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms

from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinDynamics, LangevinNVT
from interphase_flows.md.segment import SegmentResult, run_segment
from interphase_flows.md.uncertainty_monitor import UncertaintyMonitor
from interphase_flows.potentials.committee import NequIPCommittee
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import strained_and_rattled

MONITOR = UncertaintyMonitor(
    interval_steps=1,
    select_force_std_eV_per_angstrom=0.0,
    stop_force_std_eV_per_angstrom=None,
    close_contact_fraction=0.2,
    max_temperature_factor=50.0,
    grace_factor=50.0,
    max_candidates=3,
    candidate_window_steps=10,
)


def small_start() -> Atoms:
    """Return a rattled crystal of Li2S."""
    return strained_and_rattled(load_phase("Li2S"), 1, 0.0, 0.05, 3, min_atoms=12)[0]


def assert_restart_is_exact(
    folder: Path, load_committee: Callable[[], NequIPCommittee], dynamics: LangevinDynamics
) -> SegmentResult:
    """Compare a run that is stopped at step 17 and resumed with one at once; each loads its committee."""
    start = small_start()

    def segment(name: str, last_step: int | None = None) -> SegmentResult:
        n_calls = 0

        def stop_requested() -> bool:
            nonlocal n_calls
            n_calls += 1
            return n_calls == last_step

        committee = load_committee()
        return run_segment(
            start,
            committee,
            dynamics,
            n_steps=40,
            seed=5,
            folder=folder / name,
            monitor=MONITOR,
            frame_interval_steps=4,
            checkpoint_interval_steps=100,
            stop_requested=stop_requested if last_step else None,
            evaluation=committee.evaluation,
        )

    at_once = segment("at once")
    stopped = segment("in two", last_step=17)
    assert (stopped.stop_reason, stopped.stop_step) == ("walltime", 17)
    resumed = segment("in two")
    assert (at_once.stop_reason, at_once.stop_step) == ("finished", 40)
    one, two = read_checkpoint(at_once.last_good_checkpoint), read_checkpoint(resumed.last_good_checkpoint)
    assert one.state_sha256() == two.state_sha256()
    assert one.generator_state == two.generator_state
    assert (one.cell == start.cell.array).all() == isinstance(dynamics, LangevinNVT)
    np.testing.assert_array_equal(at_once.normal_stress_GPa, resumed.normal_stress_GPa)
    assert at_once.trajectory.read_bytes() == resumed.trajectory.read_bytes()
    np.testing.assert_array_equal(at_once.uncertainty_eV_per_angstrom, resumed.uncertainty_eV_per_angstrom)
    assert [c.step for c in at_once.candidates] == [c.step for c in resumed.candidates]
    return at_once
