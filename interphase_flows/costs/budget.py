"""What the labels of a campaign will still cost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.history import label_cost_model
from interphase_flows.costs.model import LabelCostModel, LabelSize, typical_size
from interphase_flows.costs.plan import plan_labels
from interphase_flows.exceptions import InterphaseError
from interphase_flows.reference.registry import reference_method
from interphase_flows.schemas.origin import THERMODYNAMICS, Origin
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, campaign_names, open_workspace

# names that the jobs give to the sets of structures that are labelled
INITIAL, SELECTION, PRODUCTION = "initial structures", "selection", "production audit"
PHASES = THERMODYNAMICS


@dataclass(frozen=True)
class LabelsToCome:
    """Labels that a campaign has still to pay for.

    ``n_chosen`` structures are known and not labelled yet, ``n_at_most`` more may follow within the budget; both
    together take ``cost_s`` on one core, within a factor of ``cost_factor`` (one standard deviation), by a fit to
    ``n_fitted`` labels that are done.
    """

    n_chosen: int
    n_at_most: int
    cost_s: float
    cost_factor: float
    n_fitted: int


def known_label_costs(settings: Settings, campaign: Campaign) -> LabelCostModel:
    """Return what labels of a campaign's method cost, by those of the campaign, else of another one here.

    With no label of the method, or no database that answers, this is the prior.
    """
    try:
        there = campaign_names(settings)
    except InterphaseError:
        there = []
    best = LabelCostModel(campaign.reference.method, cutoff_eV=getattr(campaign.reference, "cutoff_eV", None))
    for name in sorted(there, key=lambda each: (each != campaign.name, each)):
        try:
            with open_workspace(settings, name, read_only=True) as workspace:
                found = _costs(workspace, campaign)
        except InterphaseError:  # a plan is made without what cannot be read
            continue
        if found.n_labels > best.n_labels:
            best = found
        if best.n_labels and name == campaign.name:
            break
    return best


def labels_to_come(workspace: Workspace, campaign: Campaign) -> LabelsToCome:
    """Return what is left to label of a campaign that is not finished."""
    spec, ledger = campaign.reference, workspace.ledger
    own = {"campaign": workspace.campaign}
    sets = [
        found
        for name in (INITIAL, SELECTION, PRODUCTION)
        for found in ledger.find("structure_sets", own | {"name": name}, ["key", "name", "entries"])
    ]
    labels = ledger.find("labels", own, ["structure_key", "origin", "status"])
    done = {label["structure_key"] for label in labels}
    chosen = [
        typical_size(spec, entry["formula"])
        for found in sets
        for entry in found["entries"]
        if entry["key"] not in done
    ]
    parts = _further(campaign, Counter(found["name"] for found in sets), labels, len(chosen))
    if ledger.count("iterations", own | {"decision": {"$ne": "continue"}}):
        parts[SELECTION] = []  # the loop has ended, with or without its budget
    further = [size for sizes in parts.values() for size in sizes]
    model = _costs(workspace, campaign)
    expected = model.estimate([*chosen, *further])
    return LabelsToCome(len(chosen), len(further), expected.cost_s, expected.factor, model.n_labels)


def _further(
    campaign: Campaign, n_sets: Counter[str], labels: Sequence[dict[str, Any]], n_chosen: int
) -> dict[str, Sequence[LabelSize]]:
    """Return labels whose structures are not known yet, by what they are for."""
    plan = plan_labels(campaign)
    learning = campaign.learning
    per_iteration = learning.labels_per_iteration + learning.audit_labels_per_iteration
    n_iterations = learning.max_iterations - n_sets[SELECTION]
    n_spent = n_chosen + sum(
        label["status"] == "accepted" and Origin(label["origin"]).is_in_label_budget for label in labels
    )
    n_initial = 0 if n_sets[INITIAL] else len(plan.initial)
    n_loop = min(n_iterations * per_iteration, learning.max_labels - n_spent - n_initial)
    n_phases = sum(Origin(label["origin"]).family == PHASES for label in labels)
    return {
        INITIAL: plan.initial[:n_initial],
        SELECTION: [plan.interface] * max(0, n_loop),
        PRODUCTION: [] if n_sets[PRODUCTION] else plan.production,
        PHASES: plan.phases[n_phases:],
    }


def _costs(workspace: Workspace, campaign: Campaign) -> LabelCostModel:
    try:
        method_key = reference_method(campaign.reference, workspace.settings).identity.key
    except InterphaseError:  # the machine that asks need not have the method
        method_key = None
    return label_cost_model(workspace.ledger, campaign.reference, method_key)
