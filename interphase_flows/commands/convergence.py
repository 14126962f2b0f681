"""Run the convergence study of a campaign's reference method on this machine, in the campaign's own folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.table import Table

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.costs.model import LabelCostModel, label_size
from interphase_flows.exceptions import AnalysisError, WalltimeReachedError
from interphase_flows.reference.convergence import Tolerances
from interphase_flows.runners.local import run_jobs
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import open_workspace, use_workspace


@dataclass(frozen=True)
class StudyOptions:
    """What a study sweeps and asks for; see :class:`flows.convergence_study.ConvergenceStudyMaker`."""

    cutoffs_eV: Sequence[float] = (300.0, 350.0, 400.0, 500.0)
    k_densities: Sequence[float] = (2.0, 3.0, 4.0)
    gamma_check_density: float | None = None
    phases: Sequence[str] = ()
    tolerances: Tolerances = field(default_factory=Tolerances)
    max_label_cost_s: float | None = None


@dataclass(frozen=True)
class PlannedPoint:
    """One setting of a study, and roughly what its labels cost on one core."""

    cutoff_eV: float
    k_density_per_inverse_angstrom: float
    what: str
    n_labels: int
    cost_s: float


def plan_convergence_study(campaign: Campaign, options: StudyOptions) -> list[PlannedPoint]:
    """Return the settings of a study and their cost, before anything is labelled.

    Raises
    ------
    InputError
        The method has nothing to converge, or an option is out of range.
    """
    maker = _maker(campaign, options)
    crystals, places = maker.cells(), maker.places()
    planned = []
    for point in maker.points():
        spec = maker.spec_at(point)
        model = LabelCostModel(spec.method, cutoff_eV=point["cutoff_eV"])
        planned.append(
            PlannedPoint(
                cutoff_eV=point["cutoff_eV"],
                k_density_per_inverse_angstrom=point["k_density_per_inverse_angstrom"],
                what=_before_the_phases(maker, point) + ", ".join(point["phases"]),
                n_labels=sum(len(places[name]) for name in point["phases"]),
                cost_s=sum(
                    len(places[name]) * model.estimate_s(label_size(spec, crystals[name]))
                    for name in point["phases"]
                ),
            )
        )
    return planned


def _before_the_phases(maker, point) -> str:  # type: ignore[no-untyped-def]
    if point["axis"] != "gamma":
        return ""
    size = max(len(cell) for name, cell in maker.cells().items() if name in point["phases"])
    return "Gamma for " if size >= point["gamma_above_atoms"] else "mesh for "


def plan_table(name: str, planned: Sequence[PlannedPoint]) -> Table:
    """Return the plan of a study for a terminal."""
    table = Table("cutoff", "k per 1/Å", "labels", "of", "cost (one core)", title=name, box=None)
    for point in planned:
        table.add_row(
            f"{point.cutoff_eV:g} eV",
            f"{point.k_density_per_inverse_angstrom:g}",
            str(point.n_labels),
            point.what,
            f"{point.cost_s / 60:.1f} min",
        )
    table.add_row("in all", "", "", "", f"{sum(point.cost_s for point in planned) / 60:.0f} min")
    return table


def run_convergence_study(campaign: Campaign, options: StudyOptions, settings: Settings) -> AnalysisDoc:
    """Run a study to its end, from wherever it stands: labels that are in the ledger are not computed again.

    Raises
    ------
    LockedError
        Another process works on this campaign.
    WalltimeReachedError
        Time ran out; what was labelled is kept.
    AnalysisError
        The study could not be finished; what was labelled is kept.
    """
    check_campaign(campaign)
    maker = _maker(campaign, options)
    maker.points()  # refuses what cannot be studied
    with open_workspace(settings, campaign.name) as workspace, use_workspace(workspace):
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            flow, responses = run_jobs(workspace, maker.make)
        except WalltimeReachedError as stop:
            raise WalltimeReachedError(f"{stop}: the same interphase converge again") from None
        judged = responses.get(flow.jobs[-1].uuid)
        if not judged:
            failures = workspace.ledger.find(
                "failures", {"last_at": {"$gte": began}}, sort={"last_at": 1}, limit=1
            )
            told = "; ".join(str(f["details"].get("explanation", f["reason"])) for f in failures)
            raise AnalysisError(
                f"the convergence study of {campaign.name} was not finished: {told or 'nothing is on record'}. "
                "What was labelled is kept; mend the cause and run it again"
            )
        found: AnalysisDoc = judged[max(judged)].output
        return AnalysisDoc.model_validate(found if isinstance(found, dict) else found.model_dump())


def _maker(campaign: Campaign, options: StudyOptions):  # type: ignore[no-untyped-def]
    from interphase_flows.flows.convergence_study import ConvergenceStudyMaker  # a second to import

    return ConvergenceStudyMaker(
        campaign=campaign,
        cutoffs_eV=options.cutoffs_eV,
        k_densities=options.k_densities,
        gamma_check_density=options.gamma_check_density,
        phases=options.phases,
        tolerances=options.tolerances,
        max_label_cost_s=options.max_label_cost_s,
    )
