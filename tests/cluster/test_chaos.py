"""A campaign on a real Slurm goes through one fault of every kind, and ends in the results of one machine."""

import random
from pathlib import Path

import pytest

from chaos import Cluster
from chaos_faults import FAULTS
from mongo_server import MISSING, is_installed
from slurm_cluster import why_not
from slurm_site import keys_under

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]

SEED = 5


def test_one_fault_of_every_kind_loses_nothing(tmp_path: Path, finished_root: Path) -> None:
    """Same keys of everything; nothing twice, no job stuck; make chaos draws many more."""
    if reason := why_not():
        pytest.skip(reason)
    if not is_installed():
        pytest.skip(MISSING)
    chance = random.Random(SEED)
    kinds = chance.sample(sorted(FAULTS), len(FAULTS))
    with Cluster(tmp_path, chance).running() as cluster:
        expected = keys_under(finished_root)
        ordeals = []
        while kinds:
            ordeal = cluster.put_through(kinds, expected, (1.0, 4.0))
            assert ordeal.is_unharmed, ordeal
            assert ordeal.faults, "the campaign was over before the first fault"
            kinds = kinds[len(ordeal.faults) :]
            ordeals.append(ordeal)
    assert sorted(kind for ordeal in ordeals for kind, _ in ordeal.faults) == sorted(FAULTS)
    assert sum(len(ordeal.recoveries) for ordeal in ordeals) > 0
