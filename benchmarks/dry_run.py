"""Compare what a dry run plans with what the campaign then takes, stage by stage.

Run: ``python benchmarks/dry_run.py FOLDER [--campaigns quickstart medium large]``. ``quickstart`` is the campaign of the
tutorial; ``medium`` and ``large`` have another architecture (24 features, angular momenta up to 2) and production cells
of about 400 and 3,000 atoms, with few epochs and steps. They take 5 to 20 minutes on two cores. Each begins with
the plan, as ``interphase run --dry-run`` makes it, in an empty folder below FOLDER; finished ones are only compared.

Measured are the wall times that documents of results record, which add up over processes, and the time of the command.
Both grow with other load on the machine. The plan has the loop at its largest number of iterations; a campaign that ends
earlier takes less. Ratios are measured over planned time; the goal is 1.5 for the quickstart and 2 for the others.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs import stages
from interphase_flows.costs.budget import known_label_costs
from interphase_flows.costs.campaign_plan import plan_campaign
from interphase_flows.costs.time_left import LABEL_STAGES, ROLES
from interphase_flows.runners.speed_measurement import campaign_speed
from interphase_flows.runtime.atomic_files import write_json_atomic
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import open_workspace

QUICKSTART = Path(__file__).parents[1] / "workflows" / "li_li7p3s11_quickstart.yaml"
N_WORKERS = 2
LABELS = "labels"
COMMAND = "command"
CELLS_ANGSTROM = {"medium": (16.0, 16.0, 12.0), "large": (36.0, 30.0, 16.0)}
"""Thickness of electrode and electrolyte, and width, of the production cells."""


def campaign_document(kind: str) -> dict[str, object]:
    """Return the quickstart, or a campaign with another architecture and production cell."""
    document = YAML(typ="safe").load(QUICKSTART)
    if kind != "quickstart":
        electrode, electrolyte, width = CELLS_ANGSTROM[kind]
        document["name"] = kind
        document["committee"] |= {"model": {"n_features": 24, "l_max": 2, "n_layers": 3, "cutoff_angstrom": 5.0}}
        document["committee"]["training"] |= {"max_epochs": 6, "warm_start_epochs": 2}
        document["production"]["interface"] |= {
            "electrode_angstrom": electrode,
            "electrolyte_angstrom": electrolyte,
            "lateral_angstrom": width,
        }
        document["production"] |= {"n_replicas": 1, "n_segments": 1, "steps_per_segment": 300}
        del document["transport_grid"]
    return document


def planned_s(document: dict[str, object], settings: Settings) -> dict[str, float]:
    """Return the planned time of each group of stages on one core, and of the command with its workers."""
    campaign = Campaign(**document)
    speed = campaign_speed(campaign, settings, N_WORKERS)
    found: dict[str, float] = {LABELS: 0.0, COMMAND: 0.0}
    for stage in plan_campaign(campaign, known_label_costs(settings, campaign), speed):
        group = LABELS if stage.stage in LABEL_STAGES else stage.stage
        found[group] = found.get(group, 0.0) + stage.cost_s
        found[COMMAND] += stage.wall_s(N_WORKERS)
    return found


def measured_s(name: str, settings: Settings) -> dict[str, float]:
    """Return the recorded time of each group of stages, in seconds of one process."""
    with open_workspace(settings, name, read_only=True) as workspace:
        ledger, own = workspace.ledger, workspace.own

        def spent(kind: str, **criteria: object) -> float:
            return sum(each.get("wall_time_s") or 0.0 for each in ledger.find(kind, own | criteria, ["wall_time_s"]))

        found = {
            stages.INITIAL_DYNAMICS: spent("structure_sets"),
            LABELS: spent("labels"),
            stages.TRAINING: spent("models"),
        }
        for stage, roles in ROLES.items():
            found[stage] = spent("segments", role={"$in": list(roles)})
        return found


def run(kind: str, folder: Path) -> None:
    """Plan and run a campaign, unless its folder has the results, and print planned and measured times."""
    folder.mkdir(parents=True, exist_ok=True)
    file, result = folder / "campaign.yaml", folder / "dry_run.json"
    settings = Settings(root=folder / "runs")
    if not result.is_file():
        document = campaign_document(kind)
        YAML().dump(document, file)
        planned = planned_s(document, settings)
        start = time.perf_counter()
        command = [
            "-m",
            "interphase_flows.cli",
            "run",
            str(file),
            "--root",
            str(settings.root),
            "--workers",
            str(N_WORKERS),
        ]
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        taken = {**measured_s(str(document["name"]), settings), COMMAND: time.perf_counter() - start}
        write_json_atomic(result, {"planned_s": planned, "measured_s": taken})
    found = json.loads(result.read_text(encoding="utf-8"))
    print(f"\n{kind:24}{'planned, s':>12}{'measured, s':>12}{'ratio':>8}")
    for group, taken_s in found["measured_s"].items():
        expected_s = found["planned_s"].get(group, 0.0)
        if expected_s:
            print(f"{group:24}{expected_s:12.0f}{taken_s:12.0f}{taken_s / expected_s:8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--campaigns", nargs="+", choices=["quickstart", *CELLS_ANGSTROM], default=["quickstart", *CELLS_ANGSTROM]
    )
    options = parser.parse_args()
    for kind in options.campaigns:
        run(kind, options.folder / kind)
