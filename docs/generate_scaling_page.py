"""Write docs/scaling.md from docs/data/campaign_replay.json, workflow_sizes.json and fireworks_overhead.json.

Run: `python docs/generate_scaling_page.py`, after the benchmarks of the page, which write those files.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = {
    name: HERE / "data" / f"{name}.json"
    for name in ("campaign_replay", "workflow_sizes", "fireworks_overhead")
}
PAGE = HERE / "scaling.md"

BSON_LIMIT_BYTES = 16 * 1024**2
"""MongoDB takes no larger document."""
MANY = 100_000
LEAST_BYTES = 10_000
"""Collections smaller than this are not on the page."""
WAYS = {
    "ours": "ours: `interphase work`",
    "jobflow on FireWorks": "jobflow on FireWorks, `rlaunch rapidfire`",
    "the same, store in the job": "the same, a job store in every job",
    "FireWorks' PyTask": "a PyTask, without jobflow and its outputs",
}

HEAD = """\
# From a hundred jobs to a hundred thousand

<!-- Written by docs/generate_scaling_page.py from docs/data/campaign_replay.json, workflow_sizes.json and
fireworks_overhead.json. Do not edit: run it again. -->

What the workflow engine costs beside the science, where that grows faster than the campaign, and what to change then.

```console
python benchmarks/fireworks_overhead.py --keep docs/data/fireworks_overhead.json
python benchmarks/campaign_replay.py --sizes --keep docs/data/campaign_replay.json
python benchmarks/campaign_replay.py --labels 0 --keep docs/data/workflow_sizes.json
python docs/generate_scaling_page.py
```

**On what.** {machine}, busy with other work; {server}. That server speaks MongoDB's protocol, but is
written in Python and shares the cores: a mongod takes a small part of its CPU time. Read the CPU of the worker as what
you will have, the CPU of the server as an upper bound, and ratios rather than wall times. With the address of your own
server in `MONGODB_URI` the same commands measure that one.
"""

CHANGES = """\
## What to change for a hundred thousand jobs

In this order; each step is needed only when the one before is not enough.

1. **Pack.** Overhead is per job, and per job it grows with the jobs of the workflow, so half the jobs are a quarter of
   that part of the cost. Labels share a job until it is ten minutes long, 25 at most, and no set of labels becomes more
   than a thousand jobs (`LabelSetMaker` and `MOST_JOBS` in `jobs/labels.py`). Few large iterations
   (`learning.labels_per_iteration`) have fewer jobs around their labels than many small ones, and a few long segments
   are fewer jobs than many short ones. {packed}
2. **Several campaigns instead of one.** Every campaign is a workflow of its own, and the cost of a job depends on its
   own workflow. Campaigns of one database share their ledger: what one has labelled no other labels again.
3. **Several LaunchPads.** With `cluster.launchpad_database` in the settings of each group of campaigns, their workers
   look for jobs in different collections; the ledger in `store.database` stays one. Each has its own
   `interphase launch`.
4. **A mongod near the workers,** with its data on a fast local disk. A trivial job is {round_trips:.0f} round trips,
   one after the other: every millisecond on the way is {round_trips:.0f} ms of every job.
5. **[jobflow-remote](https://matgenix.github.io/jobflow-remote/)** takes the same flows: a job finds its campaign by
   `INTERPHASE_CAMPAIGN`. It pins an older pymongo than this package, so it needs an environment of its own; routing,
   recovery and `interphase launch` are FireWorks' here. This was not tried.
"""


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def per_job(overhead: Mapping[str, Any]) -> list[str]:
    """Return the section on what a job and a submission cost."""
    jobs, submission = overhead["jobs"], overhead["submission"]
    ratio, submitted = jobs["ours_over"]["jobflow on FireWorks"], submission["ours_over"]
    n_jobs, n_rounds = jobs["n_jobs"], jobs["n_rounds"]
    lines = ["## What a job costs", ""]
    lines += [f"A trivial job, of {n_jobs} in a workflow; medians of {n_rounds} rounds in turn:", ""]
    lines += table(
        ["run by", "wall (ms)", "CPU of the worker (ms)", "CPU of the server (ms)", "round trips"],
        [
            [WAYS[way], *(f"{times[clock]:.0f}" for clock in ("wall", "cpu", "server_cpu", "round_trips"))]
            for way, times in jobs["ways"].items()
        ],
    )
    return [
        *lines,
        f"Ours over jobflow on FireWorks: **{ratio['wall']:.2f}** of the wall time, {ratio['cpu']:.2f} of the worker's",
        f"CPU, {ratio['round_trips']:.2f} of the round trips (goal 1.3). Submitting a flow of {submission['n_jobs']}",
        f"jobs, from the flow to the LaunchPad, takes **{submitted['wall']:.2f}** times as long as FireWorks' `add_wf`",
        "of the finished workflow alone (goal 2).",
        "",
    ]


def growth(sizes: Mapping[str, Any]) -> list[str]:
    """Return the section on workflows of many jobs."""
    bend = sizes["bend"]
    first, last = bend[0], bend[-1]
    most = BSON_LIMIT_BYTES * last["n_nodes"] / last["workflow_bytes"]
    lines = [
        "## Where it bends",
        "",
        "FireWorks keeps a workflow in one document: its jobs, their links and states. Twice per job it reads the whole",
        "document and writes it back, under a lock that the other workers wait for. What a trivial job costs in a",
        "workflow of so many, which others gather, a thousand each:",
        "",
    ]
    lines += table(
        [
            "jobs in the workflow",
            "CPU of the worker (s)",
            "CPU of the server (s)",
            "workflow's document (kB)",
        ],
        [
            [
                f"{each['n_nodes']:,}",
                f"{each['cpu_worker_s']:.2f}",
                f"{each['cpu_server_s']:.2f}",
                f"{each['workflow_bytes'] / 1000:.0f}",
            ]
            for each in bend
        ],
    )
    slope_s = (last["cpu_worker_s"] - first["cpu_worker_s"]) / (last["n_nodes"] - first["n_nodes"])
    one_h, ten_h = ((MANY * first["cpu_worker_s"] + slope_s * MANY**2 / (2 * n)) / 3600 for n in (1, 10))
    return [
        *lines,
        f"So a job costs a constant and a part that grows with its workflow, about {1e6 * slope_s:.0f} µs of the",
        f"worker per job that is there, and a whole workflow costs the square of that: {MANY:,} jobs that",
        f"come one after the other are {one_h:.0f} h of the workers' CPU in one workflow, and {ten_h:.1f} h",
        "in ten (by these figures, not measured). The lock lets one worker through at a time. At about",
        f"{most:,.0f} jobs the document is larger than MongoDB takes.",
        "",
    ]


def campaign(kept: Mapping[str, Any]) -> list[str]:
    """Return the section on the replayed campaign."""
    told, options = kept["campaign"], kept["options"]
    per_job, scale, cores = options["labels_per_job"], options["scale"], options["cores"]
    n_first, n_iterations = told["n_first_labels"], options["iterations"]
    n_bytes = sum(each["bytes"] for each in told["database"].values())
    lines = [
        f"## A campaign of {told['n_labels']:,} labels",
        "",
        "`benchmarks/campaign_replay.py` runs the project's own flows, with its packing, routing, ledger and artifacts,",
        f"by {kept['n_workers']} `interphase work` in processes of their own. Only what computes is replaced: it",
        f"waits as long as it was recorded to take with GPAW, divided by {scale:.0f} (labels by {cores} cores more),",
        f"and leaves documents of the same kinds and sizes. {n_first:,} first labels, then {n_iterations}",
        f"iterations, each made by the one before, {per_job} labels to a job; production at the end. Relaxed phases and",
        "answers, about twenty jobs, are left out.",
        "",
    ]
    label_s = told["launches"]["label structures"]["median_s"]
    lines += table(
        ["quantity", "value"],
        [
            ["jobs, all in one workflow", f"{told['n_jobs']:,}"],
            ["CPU of the workers, per job", f"{told['cpu_workers_s_per_job']:.2f} s"],
            ["CPU of the server, per job", f"{told['cpu_server_s_per_job']:.2f} s"],
            ["overhead per job", f"{told['overhead_s_per_job']:.1f} s of a worker, on this busy machine"],
            [f"a job of {per_job} labels, from its start to its end", f"{label_s:.1f} s in the median"],
            ["share of the workers' time that was idle", f"{told['share_idle']:.0%}"],
            ["share that stood for work, at this scale", f"{told['share_at_work']:.0%}"],
            ["documents in the database", f"{n_bytes / 1e6:.0f} MB"],
        ],
    )
    lines += [
        "Idle is a worker for which no job was ready: when one job gathers, judges or decides. Part by part of the",
        "campaign, as its workflow grew; the first parts have the most labels:",
        "",
    ]
    lines += table(
        [
            "jobs in the workflow",
            "jobs done",
            "CPU of the workers (s per job)",
            "CPU of the server (s per job)",
        ],
        [
            [
                f"{part['n_nodes']:,}",
                f"{part['n_jobs']:,}",
                f"{part['cpu_workers_s_per_job']:.2f}",
                f"{part['cpu_server_s_per_job']:.2f}",
            ]
            for part in told["parts"]
        ],
    )
    lines += [line for note in kept.get("notes", []) for line in (note, "")]
    lines += ["What is in the database:", ""]
    lines += table(
        ["collection", "documents", "MB", "largest (kB)"],
        [
            [name, f"{each['documents']:,}", f"{each['bytes'] / 1e6:.1f}", f"{each['largest'] / 1000:.0f}"]
            for name, each in told["database"].items()
            if each["bytes"] > LEAST_BYTES
        ],
    )
    return [
        *lines,
        f"That is {n_bytes / told['n_labels'] / 1000:.0f} kB per label. A label's document holds positions and",
        "forces, of 66 atoms here. The jobs of a set of labels are each written down with their own structures only:",
        "with the whole set in every job, two thousand first labels were more than the 16 MB that MongoDB takes in",
        "a document.",
        "",
    ]


def page(replay: Mapping[str, Any], sizes: Mapping[str, Any], overhead: Mapping[str, Any]) -> str:
    """Return the page."""
    told = replay["campaign"]
    n_unpacked = told["n_jobs"] + told["n_labels"] - told["launches"]["label structures"]["n"]
    packed = f"The campaign above has {told['n_jobs']:,} jobs; with one label to a job it would have {n_unpacked:,}."
    round_trips = overhead["jobs"]["ways"]["ours"]["round_trips"]
    lines = [HEAD.format(machine=replay["machine"], server=replay["server"])]
    lines += [*per_job(overhead), *growth(sizes), *campaign(replay)]
    lines += [CHANGES.format(packed=packed, round_trips=round_trips)]
    return "\n".join(lines)


if __name__ == "__main__":
    kept = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in DATA.items()}
    text = page(kept["campaign_replay"], kept["workflow_sizes"], kept["fireworks_overhead"])
    PAGE.write_text(text, encoding="utf-8")
