"""Run a convergence study of a campaign's reference method on this machine, in the folder of the campaign."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.table import Table

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.costs.model import LabelCostModel, label_size
from interphase_flows.exceptions import AnalysisError, WalltimeReachedError
from interphase_flows.flows.convergence_study import ConvergenceStudyMaker
from interphase_flows.runners.local.campaign import run_jobs
from interphase_flows.runners.local.job_log import JOB_LOG
from interphase_flows.runners.site_check.machine_checks import require_machine
from interphase_flows.schemas.convergence import ConvergenceStudyDoc, StudyPoint
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import open_workspace, use_workspace

PACKAGES = ("interphase_flows.flows.convergence_study",)
"""Modules that worker processes import when they start; potentials, which take longer, are not needed."""

STUDY = "convergence study"
"""Key of the failure of a study without that of a job."""


@dataclass(frozen=True)
class PlannedPoint:
    """One setting of a study, and the estimated cost of its labels on one core."""

    cutoff_eV: float
    k_density_per_inverse_angstrom: float
    description: str
    n_labels: int
    cost_s: float


def plan_convergence_study(maker: ConvergenceStudyMaker) -> list[PlannedPoint]:
    """Return the settings of a study and their estimated cost."""
    crystals, positions = maker.cells(), maker.places()
    planned = []
    for point in maker.points():
        spec = maker.spec_at(point)
        model = LabelCostModel(spec.method, cutoff_eV=point.cutoff_eV)
        planned.append(
            PlannedPoint(
                cutoff_eV=point.cutoff_eV,
                k_density_per_inverse_angstrom=point.k_density_per_inverse_angstrom,
                description=_mesh_or_gamma(maker, point) + ", ".join(point.phases),
                n_labels=sum(len(positions[name]) for name in point.phases),
                cost_s=sum(
                    len(positions[name]) * model.estimate_s(label_size(spec, crystals[name])) for name in point.phases
                ),
            )
        )
    return planned


def _mesh_or_gamma(maker: ConvergenceStudyMaker, point: StudyPoint) -> str:
    if point.gamma_above_atoms is None:
        return ""
    size = max(len(cell) for name, cell in maker.cells().items() if name in point.phases)
    return "Gamma for " if size >= point.gamma_above_atoms else "mesh for "


def plan_table(name: str, planned: Sequence[PlannedPoint]) -> Table:
    """Return the plan of a study as a table for the terminal."""
    table = Table("cutoff", "k per 1/Å", "labels", "phases", "cost (one core)", title=name, box=None)
    for point in planned:
        table.add_row(
            f"{point.cutoff_eV:g} eV",
            f"{point.k_density_per_inverse_angstrom:g}",
            str(point.n_labels),
            point.description,
            f"{point.cost_s / 60:.1f} min",
        )
    table.add_row("total", "", "", "", f"{sum(point.cost_s for point in planned) / 60:.0f} min")
    return table


def run_convergence_study(
    campaign: Campaign, maker: ConvergenceStudyMaker, settings: Settings, n_workers: int = 1
) -> ConvergenceStudyDoc:
    """Run or resume a study in the workspace of a campaign: labels in the ledger are reused.

    Raises
    ------
    SettingsError
        This machine lacks what a reference method of the campaign needs.
    LockedError
        Another process works on this campaign.
    WalltimeReachedError
        The time limit of this process was reached; finished labels are stored.
    AnalysisError
        The study failed; finished labels are stored.
    DiskFullError
        The disk is full; finished labels are stored.
    """
    check_campaign(campaign)
    require_machine(campaign, settings)
    maker.points()  # raises on options that cannot be studied
    with open_workspace(settings, campaign.name) as workspace, use_workspace(workspace):
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            flow, responses = run_jobs(workspace, maker.make, n_workers, PACKAGES)
        except WalltimeReachedError as stop:
            raise WalltimeReachedError(f"{stop}: repeat the same interphase converge") from None
        by_index = responses.get(flow.jobs[-1].uuid)
        if not by_index:
            failures = workspace.ledger.find("failures", {"last_at": {"$gte": began}}, sort={"last_at": 1}, limit=1)
            reasons = "; ".join(str(f["details"].get("explanation", f["reason"])) for f in failures)
            if not reasons:
                reasons = f"tracebacks of its jobs are in {workspace.root / JOB_LOG}"
                # without a failure the ledger was not writable, and this raises the reason, such as a full disk
                workspace.ledger.record_failure("jobs", STUDY, "no_result", {"explanation": reasons})
            raise AnalysisError(
                f"the convergence study of {campaign.name} failed: {reasons}. "
                "Hint: fix the cause and repeat the command; finished labels are reused"
            )
        document: ConvergenceStudyDoc = by_index[max(by_index)].output
        return ConvergenceStudyDoc.model_validate(document if isinstance(document, dict) else document.model_dump())
