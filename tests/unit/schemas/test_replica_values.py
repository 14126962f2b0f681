"""Few replicas are in the document, many in its artifact; both are read as one."""

import io

import numpy as np
import pytest

from interphase_flows.analysis.pipeline.interface_analysis import InterfaceAnalysis
from interphase_flows.jobs.analyse_runs import packed_series
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.replica_values import joined_replicas, split_replicas
from interphase_flows.storage.ledger_entry import MAX_DOCUMENT_BYTES, make_entry

SERIES = {"above.time_ps": np.arange(3.0)}


def replica(seed):
    """Tell about 100 kB, as a long run with eight slabs does."""
    numbers = np.random.default_rng(seed).normal(size=9000).tolist()
    return {"transport": {"rows": numbers}, "kinetics": {"refused": "τ is too short"}, "none": None}


@pytest.mark.parametrize("n_replicas", [1, 3, 16])
def test_replicas_come_back_however_many_there_are(n_replicas):
    runs = {f"replica-{i}": replica(i) for i in range(n_replicas)}
    shown, archived = split_replicas(runs)
    document = AnalysisDoc(key="k", name="growth", rests_on=[], values={"runs": shown, "pooled": {}})
    make_entry("analyses", "k", "c", document)  # refuses what is too large
    packed = packed_series({run: InterfaceAnalysis(each, SERIES) for run, each in runs.items()}, archived)
    with np.load(io.BytesIO(packed)) as archive:
        found, arrays = joined_replicas(document.values["runs"], {name: archive[name] for name in archive})
    assert found == runs
    assert set(arrays) == {f"replica-{i}/above.time_ps" for i in range(n_replicas)}
    assert bool(archived) == (n_replicas == 16)


def test_so_many_would_not_fit_into_a_document():
    assert 16 * len(str(replica(0)["transport"])) > MAX_DOCUMENT_BYTES
