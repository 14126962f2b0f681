"""Jobs reserved by FireWorks' `qlaunch -r` whose queue job will never run them.

Workers of this package take a job when they run it; only `qlaunch -r` binds a job to a queue job beforehand.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from interphase_flows.runners.fireworks.consistency import Repair
from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD
from interphase_flows.runners.slurm.commands import job_record

if TYPE_CHECKING:
    from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad


def cancel_lost_reservations(launchpad: "RetryingLaunchPad", dry_run: bool = False) -> Iterator[Repair]:
    """Reset jobs to READY whose queue job is gone or ended without running them."""
    fields = {"fw_id": 1, "name": 1, "launches": 1, CAMPAIGN_FIELD: 1}
    for firework in launchpad.fireworks.find({"state": "RESERVED", "launches.0": {"$exists": True}}, fields):
        launch_id = firework["launches"][-1]
        launch = launchpad.launches.find_one({"launch_id": launch_id, "state": "RESERVED"})
        history = launch["state_history"] if launch else []
        job_id = next((state["reservation_id"] for state in history if "reservation_id" in state), None)
        if job_id is None:
            continue  # its submission is in progress
        record = job_record(str(job_id))
        if record is not None and record.is_alive:
            continue
        if not dry_run:
            launchpad.cancel_reservation(launch_id)
        end = "is unknown to Slurm" if record is None else f"ended as {record.state}"
        message = f"its queue job {job_id} {end}; it is ready again"
        yield Repair(firework["fw_id"], firework["name"], firework["spec"].get("campaign", ""), message)
