"""Jobs that `qlaunch -r` gave to the queue one by one, and whose queue job will never run them.

Workers of this package take jobs when they run; only FireWorks' own command binds a job to a queue job before.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from interphase_flows.runners.fireworks.consistency import Mended
from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD
from interphase_flows.runners.slurm.commands import job_record

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad


def cancel_lost_reservations(launchpad: "LaunchPad", dry_run: bool = False) -> Iterator[Mended]:
    """Make jobs ready again whose queue job is gone or has ended without taking them.

    Raises
    ------
    SettingsError
        There are reservations, and Slurm does not answer.
    """
    fields = {"fw_id": 1, "name": 1, "launches": 1, CAMPAIGN_FIELD: 1}
    for firework in launchpad.fireworks.find({"state": "RESERVED", "launches.0": {"$exists": True}}, fields):
        launch_id = firework["launches"][-1]
        launch = launchpad.launches.find_one({"launch_id": launch_id, "state": "RESERVED"})
        history = launch["state_history"] if launch else []
        job_id = next((state["reservation_id"] for state in history if "reservation_id" in state), None)
        if job_id is None:
            continue  # it is being handed to the queue just now
        record = job_record(str(job_id))
        if record is not None and record.is_alive:
            continue
        if not dry_run:
            launchpad.cancel_reservation(launch_id)
        end = "is unknown to Slurm" if record is None else f"ended as {record.state}"
        told = f"its queue job {job_id} {end}; it is ready again"
        yield Mended(firework["fw_id"], firework["name"], firework["spec"].get("campaign", ""), told)
