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
# Fault tolerance

<!-- Written by docs/generate_chaos_page.py from docs/data/chaos.json. Do not edit. -->

This page reports how campaigns on a cluster survive faults, and how to repeat the test. `make chaos` starts a private
Slurm with two nodes, FireWorks and a database, runs complete campaigns (CHGNet labels, training, molecular dynamics,
active learning, production) and injects faults at random times. The results are compared with those of the same
campaign on one machine. The command requires root on Debian and takes about an hour.

```console
make chaos FAULTS=50
```

Every run of the test suite injects one fault of each kind.
"""

WHAT = {
    "worker killed": "kill -9 of a worker's process, as by the kernel when memory runs out",
    "worker stopped": "SIGSTOP until its job was reassigned to another worker, then SIGCONT",
    "node lost": "kill -9 of a node's slurmd; the processes of its jobs continue",
    "allocation cancelled": "scancel",
    "allocation requeued": "scontrol requeue",
    "walltime": "the walltime of a running allocation is shortened",
    "out of memory": "an allocation exceeds its memory, and Slurm kills it",
    "controller restarted": "kill -9 of slurmctld, restarted after seconds",
    "database restarted": "kill -9 of the database, restarted after up to 20 s",
    "database gone for a minute": "kill -9 of the database, restarted after 60 s",
    "disk full": "writes to launches, work and artifacts fail for some seconds",
}

REASONS = (
    (r"no heartbeat|gave no sign", "unresponsive worker, fenced"),
    (r"requeued its allocation|back into the queue", "allocation requeued"),
    (r"CANCELLED", "allocation cancelled"),
    (r"TIMEOUT", "walltime"),
    (r"OUT_OF_MEMORY", "out of memory"),
    (r"NODE_FAIL", "node failed"),
    (r": FAILED", "worker killed"),
    (
        r"a worker was (killed|ended)|all parents of this job|a recovery was killed",
        "inconsistent FireWorks records, repaired",
    ),
)


def reason_of(recovery: str) -> str:
    """Return the kind of reason from the message of a recovery."""
    return next((reason for pattern, reason in REASONS if re.search(pattern, recovery)), "transient error")


def page(kept: Mapping[str, Any]) -> str:
    """Return the page."""
    faults = "\n".join(f"| {name} | {what} | {kept['faults'].get(name, 0)} |" for name, what in WHAT.items())
    recoveries = Counter(reason_of(message) for campaign in kept["campaigns"] for message in campaign["recoveries"])
    found = "\n".join(f"| {reason} | {n} |" for reason, n in recoveries.most_common())
    n_labels = sum(campaign["n_labels"] for campaign in kept["campaigns"])
    return f"""{HEAD}
## Results of a recorded run

Campaigns: {kept["n_campaigns"]}, with {n_labels} labels in total; injected faults: {kept["n_faults"]}.

| quantity | number |
| --- | --- |
| campaigns with the same document keys as on one machine | {kept["n_unharmed"]} of {kept["n_campaigns"]} |
| labels lost | {kept["n_labels_lost"]} |
| labels recorded twice or not part of the campaign | {kept["n_labels_unexpected"]} |
| jobs stuck | {kept["n_jobs_stuck"]} |
| recoveries | {kept["n_recoveries"]} |

The campaigns took {", ".join(f"{seconds:.0f}" for seconds in kept["seconds"])} s on two shared cores.

| fault | action | count |
| --- | --- | --- |
{faults}

A fault between two jobs, or one that ends before it is detected, requires no recovery. Recoveries by reason:

| reason | count |
| --- | --- |
{found}
"""


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(DATA.read_text(encoding="utf-8"))), encoding="utf-8")
