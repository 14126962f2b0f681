"""Fault injection on a real Slurm: one fault of every kind, and the results of one machine."""

import random
from pathlib import Path

import pytest

from chaos import Cluster
from chaos_faults import FAULTS
from mongo_server import MISSING, is_installed
from slurm_cluster import why_not
from slurm_site import keys_under

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(3600)]

SEED = 5


def test_one_fault_of_every_kind_loses_nothing(tmp_path: Path, finished_root: Path) -> None:
    """All keys agree, none occurs twice, and no job is stuck; `make chaos` injects more faults."""
    if reason := why_not():
        pytest.skip(reason)
    if not is_installed():
        pytest.skip(MISSING)
    chance = random.Random(SEED)
    kinds = chance.sample(sorted(FAULTS), len(FAULTS))
    with Cluster(tmp_path, chance).running() as cluster:
        expected = keys_under(finished_root)
        trials = []
        while kinds:
            trial = cluster.run_campaign(kinds, expected, (1.0, 4.0))
            assert trial.is_unharmed, trial
            assert trial.faults, "the campaign ended before the first fault"
            kinds = kinds[len(trial.faults) :]
            trials.append(trial)
    assert sorted(kind for trial in trials for kind, _ in trial.faults) == sorted(FAULTS)
