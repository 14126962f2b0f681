"""Labels of the ledger from which costs are fitted."""

import pytest

from interphase_flows.costs.history import label_cost_model
from interphase_flows.reference.labelling import IS_CONTINUED
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace


def label(key: str, wall_time_s: float, **details) -> LabelDoc:
    return LabelDoc(
        key=key,
        structure_key=key,
        origin="crystal/Li",
        formula="Li2",
        method_name="gpaw",
        method_key="m",
        is_surrogate=False,
        status="accepted",
        numbers=[3, 3],
        cell=[[3.4, 0, 0], [0, 3.4, 0], [0, 0, 3.4]],
        positions=[[0, 0, 0], [1.7, 1.7, 1.7]],
        energy_eV=-3.8,
        wall_time_s=wall_time_s,
        details={"n_electrons": 6.0, "n_k_points": 10, **details},
    )


@pytest.mark.parametrize("is_continued", [False, True])
def test_continued_labels_are_excluded_from_the_cost_model(tmp_path, is_continued):
    """Their time lacks the work before the restart."""
    with Workspace(Settings(root=tmp_path), "costs") as workspace:
        for each in (label("a", 100.0), label("b", 0.01, **{IS_CONTINUED: is_continued})):
            workspace.ledger.put("labels", each.key, each)
        assert label_cost_model(workspace.ledger, GpawSpec(), "m").n_labels == 2 - is_continued
