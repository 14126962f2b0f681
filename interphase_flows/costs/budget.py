"""Remaining labels of a campaign and their estimated cost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.history import label_cost_model, without_pretraining
from interphase_flows.costs.model import LabelCostModel, LabelSize, typical_size
from interphase_flows.costs.plan import plan_labels
from interphase_flows.exceptions import InterphaseError
from interphase_flows.reference.registry import reference_method
from interphase_flows.schemas.label import COMPUTED
from interphase_flows.schemas.origin import THERMODYNAMICS, Origin
from interphase_flows.settings import Settings
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import Workspace, campaign_names, open_workspace

# names of the structure sets that are labelled
INITIAL, SELECTION, CUTOUTS, PRODUCTION = "initial structures", "selection", "cutouts", "production audit"
PHASES = THERMODYNAMICS


@dataclass(frozen=True)
class RemainingLabels:
    """Labels that a campaign has yet to compute.

    ``n_selected`` structures are known but not labelled, at most ``n_further`` may follow within the budget. All
    together take ``cost_s`` seconds on one core, within a factor of ``cost_factor`` (one standard deviation), by a fit
    to ``n_fitted`` finished labels.
    """

    n_selected: int
    n_further: int
    cost_s: float
    cost_factor: float
    n_fitted: int


def known_label_costs(settings: Settings, campaign: Campaign) -> LabelCostModel:
    """Return the cost model of a campaign's reference method, fitted to labels of the campaign or of another one here.

    Without labels of the method, or without a database connection, it is the prior.
    """
    try:
        names = campaign_names(settings)
    except InterphaseError:
        names = []
    best = LabelCostModel(campaign.reference.method, cutoff_eV=getattr(campaign.reference, "cutoff_eV", None))
    for name in sorted(names, key=lambda name: (name != campaign.name, name)):
        try:
            with open_workspace(settings, name, read_only=True) as workspace:
                model = _cost_model(workspace, campaign)
        except InterphaseError:  # an unreadable campaign must not prevent a plan
            continue
        if model.n_labels > best.n_labels:
            best = model
        if best.n_labels and name == campaign.name:
            break
    return best


def remaining_labels(workspace: Workspace, campaign: Campaign) -> RemainingLabels:
    """Return the remaining labels of an unfinished campaign."""
    spec, ledger = campaign.reference, workspace.ledger
    own = workspace.own
    sets = ledger.find(
        "structure_sets",
        own | {"name": {"$in": [INITIAL, SELECTION, CUTOUTS, PRODUCTION]}},
        ["key", "name", "entries"],
    )
    by_reference = own | COMPUTED | without_pretraining(campaign, workspace.settings)
    labels = ledger.find("labels", by_reference, ["structure_key", "origin", "status"])
    done = {label["structure_key"] for label in labels}
    entries = [entry for structures in sets for entry in structures["entries"] if entry["key"] not in done]
    done |= _labelled_by_others(workspace, campaign, [entry["key"] for entry in entries])
    selected = [typical_size(spec, entry["formula"]) for entry in entries if entry["key"] not in done]
    parts = _further(campaign, Counter(structures["name"] for structures in sets), labels, len(selected))
    if ledger.count("iterations", own | {"decision": {"$ne": "continue"}}):
        parts[SELECTION] = []  # the loop has ended, perhaps within its budget
    further = [size for sizes in parts.values() for size in sizes]
    model = _cost_model(workspace, campaign)
    expected = model.estimate([*selected, *further])
    return RemainingLabels(len(selected), len(further), expected.cost_s, expected.factor, model.n_labels)


def _labelled_by_others(workspace: Workspace, campaign: Campaign, structure_keys: Sequence[str]) -> set[str]:
    """Return the structures that have a label of other campaigns by the same reference method, which is reused."""
    method_key = _method_key(workspace, campaign)
    if method_key is None or not structure_keys:
        return set()
    criteria = {"structure_key": {"$in": list(structure_keys)}, "method_key": method_key}
    return {label["structure_key"] for label in workspace.find_shared("labels", criteria | COMPUTED, ["structure_key"])}


def _further(
    campaign: Campaign, n_sets: Counter[str], labels: Sequence[JsonDocument], n_selected: int
) -> dict[str, Sequence[LabelSize]]:
    """Return sizes of labels whose structures are not known yet, by purpose."""
    plan = plan_labels(campaign)
    learning = campaign.learning
    per_iteration = learning.labels_per_iteration + learning.audit_labels_per_iteration
    n_iterations = learning.max_iterations - n_sets[SELECTION]
    n_spent = n_selected + sum(
        label["status"] == "accepted" and Origin(label["origin"]).is_in_label_budget for label in labels
    )
    n_initial = 0 if n_sets[INITIAL] else len(plan.initial)
    n_loop = min(n_iterations * per_iteration, learning.max_labels - n_spent - n_initial)
    n_phases = sum(Origin(label["origin"]).family == PHASES for label in labels)
    return {
        INITIAL: plan.initial[:n_initial],
        SELECTION: [plan.interface] * max(0, n_loop),
        CUTOUTS: plan.refinement[n_sets[CUTOUTS] * learning.labels_per_iteration :],
        PRODUCTION: [] if n_sets[PRODUCTION] else plan.production,
        PHASES: plan.phases[n_phases:],
    }


def _cost_model(workspace: Workspace, campaign: Campaign) -> LabelCostModel:
    return label_cost_model(workspace.ledger, campaign.reference, _method_key(workspace, campaign))


def _method_key(workspace: Workspace, campaign: Campaign) -> str | None:
    try:
        return reference_method(campaign.reference, workspace.settings).identity.key
    except InterphaseError:  # the method need not be installed here
        return None
