"""The plan of a campaign, as `interphase run --dry-run` prints it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from interphase_flows.cli.application import PlainConsole, write_line

if TYPE_CHECKING:
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.costs.machine_speed import MachineSpeed
    from interphase_flows.costs.stages import PlannedStage
    from interphase_flows.settings import Settings


def print_plan(campaign: "Campaign", settings: "Settings", measure: bool | None, workers: int | None) -> None:
    """Print the interfaces of a campaign, and the costs of its stages.

    By default (``measure`` is None) the speed of this machine is measured, unless results go to a database, whose
    workers are other machines.
    """
    from interphase_flows.costs.budget import known_label_costs
    from interphase_flows.costs.campaign_plan import plan_campaign
    from interphase_flows.costs.shared_stages import campaign_with_its_loop, without_shared
    from interphase_flows.costs.stages import cluster_workers
    from interphase_flows.runtime.local_workers import default_workers
    from interphase_flows.settings import MongodbSettings

    n_workers = workers or default_workers(settings)
    is_cluster = isinstance(settings.store, MongodbSettings) and workers is None
    speed, basis = _speed(campaign, settings, measure, n_workers)
    costs = known_label_costs(settings, campaign)
    _print_interfaces(campaign)
    stages = plan_campaign(campaign, costs, speed)
    if finished := campaign_with_its_loop(campaign, settings):
        stages = without_shared(stages, finished)
    walls_s = [
        stage.wall_s(cluster_workers(settings.cluster, stage.kind) if is_cluster else n_workers) for stage in stages
    ]
    with_workers = "the cluster" if is_cluster else f"{n_workers} worker{'' if n_workers == 1 else 's'}"
    is_on_gpu = settings.device == "cuda" and speed.device == "cuda"
    for stage in stages:
        write_line(f"{stage.stage}: {stage.amount}")
    title = f"{campaign.name}: {campaign.description}"
    PlainConsole().print(_stage_table(title, stages, walls_s, with_workers, is_on_gpu))
    write_line("Memory is that of one process.")
    if is_cluster:
        write_line(
            "The cluster: all allocations that cluster.workers of the settings allows, without waiting in the queue; a "
            "label uses all cores of its allocation."
        )
    write_line(
        "Dry run: nothing of the campaign was computed. The loop ends earlier if it converges; costs are uncertain by "
        f"the factor given; {_label_basis(campaign, costs.n_labels)}."
    )
    write_line(basis)


def _label_basis(campaign: "Campaign", n_labels: int) -> str:
    if n_labels:
        return f"costs of labels are fitted to {n_labels} labels computed here"
    missing = "no label of this method has been computed here yet"
    if campaign.reference.method == "chgnet":
        return missing
    machine = "; VASP has not been measured, so these are times of GPAW" if campaign.reference.method == "vasp" else ""
    return f"{missing}: their costs are those of default settings on one laptop core{machine}"


def _print_interfaces(campaign: "Campaign") -> None:
    from interphase_flows.costs.interfaces import missing_facets, planned_interfaces

    for each in planned_interfaces(campaign):
        number = f"{each.n_cells} cells, " if each.n_cells > 1 else ""
        write_line(
            f"{each.use}: {each.faces}, {number}{each.n_atoms:,} atoms, strain of the electrode "
            f"{100 * each.film_strain:.1f} %, {each.electrode_angstrom:.0f} Å on {each.electrolyte_angstrom:.0f} Å, "
            f"{each.area_angstrom2:.0f} Å² x {each.height_angstrom:.0f} Å"
        )
    for reason in missing_facets(campaign):
        write_line(f"labelled: not built, the campaign continues without it: {reason}")
    if campaign.production.interface is None:
        write_line("production: in the labelled interface (production.interface is not set)")


def _stage_table(
    title: str, stages: "Sequence[PlannedStage]", walls_s: Sequence[float], with_workers: str, is_on_gpu: bool
) -> Table:
    from interphase_flows.costs.model import format_duration, format_size

    table = Table("stage", title=title, title_justify="left", box=None)
    computing = "one core or GPU" if is_on_gpu else "one core"
    for column in ("labels", computing, with_workers, "within", "memory", "disk"):
        table.add_column(column, justify="right")
    for stage, wall_s in zip(stages, walls_s, strict=True):
        if not stage.cost_s:
            table.add_row(stage.stage, "", "none")
            continue
        table.add_row(
            stage.stage,
            f"{stage.n_labels:,}" if stage.n_labels else "",
            format_duration(stage.cost_s) + (" GPU" if is_on_gpu and stage.is_on_device else ""),
            format_duration(wall_s),
            f"x {stage.cost_factor:.1f}",
            format_size(stage.memory_GB) if stage.memory_GB else "",
            format_size(stage.disk_GB) if stage.disk_GB else "",
        )
    table.add_row(
        "total, at most",
        f"{sum(stage.n_labels for stage in stages):,}",
        format_duration(sum(stage.cost_s for stage in stages)),
        format_duration(sum(walls_s)),
        "",
        format_size(max(stage.memory_GB for stage in stages)),
        format_size(sum(stage.disk_GB for stage in stages)),
    )
    return table


def _speed(
    campaign: "Campaign", settings: "Settings", measure: bool | None, n_workers: int
) -> "tuple[MachineSpeed, str]":
    """Return the speed of this machine, and a line that describes it."""
    from interphase_flows.costs.machine_speed import BUILT_IN, built_in_speed, stored_speed
    from interphase_flows.exceptions import InterphaseError
    from interphase_flows.settings import EmbeddedSettings

    if measure is None:
        measure = isinstance(settings.store, EmbeddedSettings)
    built_in, description = built_in_speed(campaign), "Speeds are built-in figures of a laptop core"
    if built_in != BUILT_IN:
        description += " for the default architecture, not that of this campaign"
    speed = stored_speed(campaign, settings)
    if measure:
        from interphase_flows.cli.progress_display import shown_progress
        from interphase_flows.runners.speed_measurement import campaign_speed

        try:
            with shown_progress(PlainConsole(stderr=True)):
                speed = campaign_speed(campaign, settings, n_workers)
        except InterphaseError as error:  # a plan needs no measurement
            return built_in, f"{description}: {error}"
    if speed is None:
        return built_in, f"{description}; --measure measures this machine."
    cells = ", ".join(f"{1 / step.step_s:.3g} steps/s at {step.n_atoms:,} atoms" for step in speed.steps)
    notes = "".join(f"; {note}" for note in speed.notes)
    at_once = "one process" if speed.n_processes == 1 else f"{speed.n_processes} processes at the same time"
    return speed, f"Measured on this machine, {speed.evaluation}, {at_once}: {cells}{notes}."
