"""What labels of a method have cost so far, as the ledger knows it."""

from interphase_flows.costs.model import LabelCostModel, measured_size, typical_size
from interphase_flows.reference.labelling import IS_CONTINUED
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.storage.ledger import Ledger

__all__ = ["MAX_LABELS_OF_FIT", "label_cost_model"]

MAX_LABELS_OF_FIT = 400
"""The newest; more would tell nothing more, and take time to read."""


def label_cost_model(ledger: Ledger, spec: MethodSpec, method_key: str | None = None) -> LabelCostModel:
    """Costs of labels by a method, fitted to those of the ledger.

    Parameters
    ----------
    ledger
        Also labels of other campaigns count: they cost the same.
    spec
        The reference method's block of a campaign.
    method_key
        Only labels of this very method, version and settings; those of any settings if None.
    """
    chosen = {"method_name": spec.method} if method_key is None else {"method_key": method_key}
    found = ledger.find(
        "labels",
        # what failed has stopped early or tried for long, and says nothing of what a label costs
        chosen | {"status": "accepted"},
        ["numbers", "formula", "details", "wall_time_s"],
        sort={"created_at": -1},
        limit=MAX_LABELS_OF_FIT,
    )
    # part of the work of a label that was continued is not in its time: minutes would be taken for milliseconds
    found = [d for d in found if not (d.get("details") or {}).get(IS_CONTINUED)]
    sizes = [
        measured_size(d["numbers"], d.get("details") or {}, typical_size(spec, d["formula"])) for d in found
    ]
    times_s = [d["wall_time_s"] for d in found]
    return LabelCostModel(spec.method, sizes, times_s, getattr(spec, "cutoff_eV", None))
