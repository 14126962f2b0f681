"""Write docs/chaos.md from docs/data/chaos.json: `python docs/generate_chaos_page.py`."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = HERE / "data" / "chaos.json"
PAGE = HERE / "chaos.md"

HEAD = """\
# Faults, tried for real

<!-- Written by docs/generate_chaos_page.py from docs/data/chaos.json. Do not edit: run it again. -->

`make chaos` puts real campaigns on a real Slurm with two nodes, FireWorks and a database of their own, and harms them at
random instants while they run: labels by CHGNet, trainings, dynamics, active learning, production. Each campaign is then
compared with the same one on one machine. It needs Debian and root; it takes an hour or so.

```console
make chaos FAULTS=50
```

A test does the same with one fault of every kind each time the tests are run.
"""

WHAT = {
    "worker killed": "kill -9 of a worker's process, as for a lack of memory",
    "worker stopped": "SIGSTOP until its job was given to another worker, then SIGCONT",
    "node lost": "kill -9 of a node's slurmd; the job's processes go on",
    "allocation cancelled": "scancel",
    "allocation requeued": "scontrol requeue",
    "walltime": "the walltime of a running allocation is cut short",
    "out of memory": "an allocation takes more memory than it was given, and Slurm kills it",
    "controller restarted": "kill -9 of slurmctld, back after seconds",
    "database restarted": "kill -9 of the database, back after up to 20 s",
    "database gone for a minute": "kill -9 of the database, back after 60 s",
    "disk full": "not a byte can be written to launches, work and artifacts for seconds",
}

REASONS = (
    (r"gave no sign of life", "a silent worker was fenced off"),
    (r"back into the queue", "allocation requeued"),
    (r"CANCELLED", "allocation cancelled"),
    (r"TIMEOUT", "walltime"),
    (r"OUT_OF_MEMORY", "out of memory"),
    (r"NODE_FAIL", "node failed"),
    (r": FAILED", "worker killed"),
    (r"a worker was ended|all that this job waited|a recovery was ended", "FireWorks' books mended"),
)


def why(words: str) -> str:
    """Return the reason of a recovery in a few words."""
    return next((told for pattern, told in REASONS if re.search(pattern, words)), "an error of the machine")


def page(kept: Mapping[str, Any]) -> str:
    """Return the page."""
    faults = "\n".join(f"| {name} | {what} | {kept['faults'].get(name, 0)} |" for name, what in WHAT.items())
    recoveries = Counter(why(words) for campaign in kept["campaigns"] for words in campaign["recoveries"])
    found = "\n".join(f"| {reason} | {n} |" for reason, n in recoveries.most_common())
    n_labels = sum(campaign["n_labels"] for campaign in kept["campaigns"])
    return f"""{HEAD}
## What was kept of a run

{kept["n_faults"]} faults in {kept["n_campaigns"]} campaigns, {n_labels} labels in all:

| what | number |
| --- | --- |
| campaigns that ended with the keys of one machine | {kept["n_unharmed"]} of {kept["n_campaigns"]} |
| labels lost | {kept["n_labels_lost"]} |
| labels recorded twice, or not of the campaign | {kept["n_labels_unexpected"]} |
| jobs stuck | {kept["n_jobs_stuck"]} |
| recoveries | {kept["n_recoveries"]} |

The campaigns took {", ".join(f"{seconds:.0f}" for seconds in kept["seconds"])} s on two busy cores.

| fault | what was done | times |
| --- | --- | --- |
{faults}

A fault that hits between two jobs, or ends before anybody misses anything, needs no recovery. What was found, and run
again or mended:

| found | times |
| --- | --- |
{found}
"""


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(DATA.read_text(encoding="utf-8"))), encoding="utf-8")
