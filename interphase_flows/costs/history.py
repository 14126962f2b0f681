"""Cost model of labels, fitted to the ledger; the labels of a campaign by its reference method."""

from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.model import LabelCostModel, measured_size, typical_size
from interphase_flows.exceptions import InterphaseError
from interphase_flows.reference.labelling import IS_CONTINUED
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.schemas.label import COMPUTED
from interphase_flows.settings import Settings
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.ledger_backend import JsonDocument

MAX_LABELS_OF_FIT = 400
"""Newest labels used in a fit; more take time to read and do not improve it."""


def label_cost_model(ledger: Ledger, spec: MethodSpec, method_key: str | None = None) -> LabelCostModel:
    """Return the cost model of a method, fitted to the accepted labels in a ledger, also of other campaigns.

    Only labels of ``method_key`` (method, version and settings) are used; labels of any settings if None.
    """
    chosen = {"method_name": spec.method} if method_key is None else {"method_key": method_key}
    found = ledger.find(
        "labels",
        # times of failed calculations are not representative
        chosen | {"status": "accepted"} | COMPUTED,
        ["numbers", "formula", "details", "wall_time_s"],
        sort={"created_at": -1},
        limit=MAX_LABELS_OF_FIT,
    )
    # the time of a label continued after a restart lacks the work before the restart
    found = [d for d in found if not (d.get("details") or {}).get(IS_CONTINUED)]
    sizes = [measured_size(d["numbers"], d.get("details") or {}, typical_size(spec, d["formula"])) for d in found]
    times_s = [d["wall_time_s"] for d in found]
    return LabelCostModel(spec.method, sizes, times_s, getattr(spec, "cutoff_eV", None))


def without_pretraining(campaign: Campaign, settings: Settings) -> JsonDocument:
    """Return criteria of labels that leave out those of the pre-training, which has the structures of the initial ones.

    Labels by the method of the campaign with other settings are distinguished only where the method is installed.
    """
    spec = campaign.committee.pretraining
    if spec is None:
        return {}
    if spec.reference.method != campaign.reference.method:
        return {"method_name": {"$ne": spec.reference.method}}
    try:
        return {"method_key": {"$ne": reference_method(spec.reference, settings).identity.key}}
    except InterphaseError:
        return {}
