"""Write docs/scaling.md from docs/data/campaign_replay.json, workflow_sizes.json and fireworks_overhead.json.

Run: `python docs/generate_scaling_page.py`, after the benchmarks of the page, which write those files.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markdown_table import table

from interphase_flows.jobs.labels import MOST_JOBS

HERE = Path(__file__).parent
DATA = {name: HERE / "data" / f"{name}.json" for name in ("campaign_replay", "workflow_sizes", "fireworks_overhead")}
PAGE = HERE / "scaling.md"

BSON_LIMIT_BYTES = 16 * 1024**2
"""Maximum size of a document in MongoDB."""
MANY = 100_000
LEAST_BYTES = 10_000
"""Smaller collections are left out of the page."""
WAYS = {
    "ours": "this package: `interphase work`",
    "jobflow on FireWorks": "jobflow on FireWorks, `rlaunch rapidfire`",
    "the same, store in the job": "the same, with a job store in every job",
    "FireWorks' PyTask": "a PyTask, without jobflow and outputs",
}

HEAD = """\
# Scaling to many jobs

<!-- Written by docs/generate_scaling_page.py from docs/data/campaign_replay.json, workflow_sizes.json and
fireworks_overhead.json. Do not edit. -->

Use this page to plan campaigns of thousands of labels: it shows the overhead of the workflow engine per job, how it
grows with the size of a workflow, and how to reduce it. The following commands repeat the measurements and write this
page:

```console
python benchmarks/fireworks_overhead.py --keep docs/data/fireworks_overhead.json
python benchmarks/campaign_replay.py --sizes --keep docs/data/campaign_replay.json
python benchmarks/campaign_replay.py --labels 0 --keep docs/data/workflow_sizes.json
python docs/generate_scaling_page.py
```

**Machine.** {machine}, shared with other work; {server}. This server implements MongoDB's protocol in Python and runs
on the same cores; mongod needs only a small part of its CPU time. The CPU time of the worker is therefore
representative, the CPU time of the server is an upper bound, and ratios are more reliable than wall times. Set
`MONGODB_URI` to measure another server.
"""

CHANGES = """\
## What to change for a hundred thousand jobs

Apply these steps in order; each is needed only if the previous ones are not enough.

1. **Packing.** The overhead of a job grows with the number of jobs in its workflow, so half as many jobs have a quarter
   of this overhead in total. Labels are packed into jobs of up to ten minutes or 25 labels. A set that would fill more
   than {most_jobs} such jobs is packed into longer jobs instead (`LabelSetMaker`, `MOST_JOBS` in `jobs/labels.py`).
   Prefer a few large iterations (`learning.labels_per_iteration`) to many small ones, and a few long segments to many
   short ones. {packed}
2. **Several campaigns.** Every campaign is a separate workflow, and the cost of a job depends only on its own workflow.
   Campaigns in one database share the ledger, so no structure is labelled twice.
3. **Several LaunchPads.** Set a different `cluster.launchpad_database` for each group of campaigns: their workers then
   query different collections, while the ledger in `store.database` remains shared. Run
   `interphase launch` for each group.
4. **A mongod near the workers,** with its data on a fast local disk. A trivial job needs {round_trips:.0f} sequential
   round trips: every millisecond of latency adds {round_trips:.0f} ms to every job.
5. **[jobflow-remote](https://matgenix.github.io/jobflow-remote/)** runs [single flows](jobflow_remote.md). It
   requires an older pymongo than `constraints.txt` pins, and therefore a separate environment. Routing, recovery and
   `interphase launch` work with FireWorks only. A complete campaign has not been run with it.
"""


def per_job(overhead: Mapping[str, Any]) -> list[str]:
    """Return the section on the overhead of a job and of a submission."""
    jobs, submission = overhead["jobs"], overhead["submission"]
    ratio, submitted = jobs["ours_over"]["jobflow on FireWorks"], submission["ours_over"]
    n_jobs, n_rounds = jobs["n_jobs"], jobs["n_rounds"]
    lines = ["## Overhead per job", ""]
    lines += [f"A trivial job in a workflow of {n_jobs}; medians of {n_rounds} alternating rounds:", ""]
    lines += table(
        ["run by", "wall (ms)", "CPU of the worker (ms)", "CPU of the server (ms)", "round trips"],
        [
            [WAYS[way], *(f"{times[clock]:.0f}" for clock in ("wall", "cpu", "server_cpu", "round_trips"))]
            for way, times in jobs["ways"].items()
        ],
    )
    return [
        *lines,
        f"This package relative to jobflow on FireWorks: **{ratio['wall']:.2f}** of the wall time, {ratio['cpu']:.2f}",
        f"of the worker's CPU time, {ratio['round_trips']:.2f} of the round trips (target 1.3). Submitting",
        f"{submission['n_jobs']} jobs, including the conversion of the flow, takes",
        f"**{submitted['wall']:.2f}** times as long as FireWorks' `add_wf` of the converted workflow (target 2).",
        "",
    ]


def growth(sizes: Mapping[str, Any]) -> list[str]:
    """Return the section on the size of a workflow."""
    bend = sizes["bend"]
    first, last = bend[0], bend[-1]
    most = BSON_LIMIT_BYTES * last["n_nodes"] / last["workflow_bytes"]
    lines = [
        "## Overhead against the size of a workflow",
        "",
        "FireWorks stores the links and the states of all jobs of a workflow in one document. Twice per job it reads the",
        "entire document and writes it back, under a lock that other workers wait for. The table shows the cost of a",
        f"trivial job; one further job collects the outputs of every {MOST_JOBS} jobs:",
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
        f"The cost of a job is a constant plus about {1e6 * slope_s:.0f} µs of the worker's CPU per job in its",
        f"workflow, so the cost of a workflow is quadratic. Extrapolated, {MANY:,} jobs that are added one after the",
        f"other take {one_h:.0f} h of the workers' CPU time in one workflow, and {ten_h:.1f} h in ten workflows.",
        f"Only one worker at a time holds the lock. Above about {most:,.0f} jobs the document",
        "exceeds MongoDB's limit of 16 MB.",
        "",
    ]


def campaign(kept: Mapping[str, Any]) -> list[str]:
    """Return the section on the replayed campaign."""
    measured, options = kept["campaign"], kept["options"]
    per_job, scale, cores = options["labels_per_job"], options["scale"], options["cores"]
    n_first, n_iterations = measured["n_first_labels"], options["iterations"]
    n_bytes = sum(each["bytes"] for each in measured["database"].values())
    lines = [
        f"## A campaign of {measured['n_labels']:,} labels",
        "",
        "`benchmarks/campaign_replay.py` runs the flows of this package, with their packing, routing, ledger and",
        f"artifacts, in {kept['n_workers']} processes of `interphase work`. Only the calculations are replaced: each",
        f"waits for the time recorded with GPAW divided by {scale:.0f} (and for labels also by {cores} cores), and",
        f"writes documents of the same kinds and sizes. The campaign has {n_first:,} initial labels, then {n_iterations}",
        f"iterations, each added by the previous one, with {per_job} labels per job, and production at the end. Relaxed",
        "phases and analyses, about twenty jobs, are left out.",
        "",
    ]
    label_s = measured["launches"]["label structures"]["median_s"]
    lines += table(
        ["quantity", "value"],
        [
            ["jobs, all in one workflow", f"{measured['n_jobs']:,}"],
            ["CPU of the workers, per job", f"{measured['cpu_workers_s_per_job']:.2f} s"],
            ["CPU of the server, per job", f"{measured['cpu_server_s_per_job']:.2f} s"],
            [
                "overhead per job",
                f"{measured['overhead_s_per_job']:.1f} s of a worker, on this shared machine",
            ],
            [f"duration of a job of {per_job} labels", f"{label_s:.1f} s (median)"],
            ["fraction of the workers' time without a ready job", f"{measured['share_idle']:.0%}"],
            ["fraction of simulated work, at this scale", f"{measured['share_at_work']:.0%}"],
            ["documents in the database", f"{n_bytes / 1e6:.0f} MB"],
        ],
    )
    lines += [
        "While a single job collects labels, tests a committee or decides, no other job is ready. The table shows",
        "consecutive parts of the campaign as its workflow grew; the first parts have the most labels:",
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
            for part in measured["parts"]
        ],
    )
    lines += [line for note in kept.get("notes", []) for line in (note, "")]
    lines += ["Contents of the database:", ""]
    lines += table(
        ["collection", "documents", "MB", "largest (kB)"],
        [
            [name, f"{each['documents']:,}", f"{each['bytes'] / 1e6:.1f}", f"{each['largest'] / 1000:.0f}"]
            for name, each in measured["database"].items()
            if each["bytes"] > LEAST_BYTES
        ],
    )
    return [
        *lines,
        f"This is {n_bytes / measured['n_labels'] / 1000:.0f} kB per label. The document of a label contains positions",
        "and forces, here of 66 atoms. Each labelling job stores only the structures that it labels: with the complete",
        "set in every job, two thousand initial labels would exceed the 16 MB limit of a document.",
        "",
    ]


def page(replay: Mapping[str, Any], sizes: Mapping[str, Any], overhead: Mapping[str, Any]) -> str:
    """Return the page."""
    measured = replay["campaign"]
    n_unpacked = measured["n_jobs"] + measured["n_labels"] - measured["launches"]["label structures"]["n"]
    packed = f"The campaign above has {measured['n_jobs']:,} jobs; with one label per job it would have {n_unpacked:,}."
    round_trips = overhead["jobs"]["ways"]["ours"]["round_trips"]
    lines = [HEAD.format(machine=replay["machine"], server=replay["server"])]
    lines += [*per_job(overhead), *growth(sizes), *campaign(replay)]
    lines += [CHANGES.format(packed=packed, round_trips=round_trips, most_jobs=MOST_JOBS)]
    return "\n".join(lines)


if __name__ == "__main__":
    kept = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in DATA.items()}
    text = page(kept["campaign_replay"], kept["workflow_sizes"], kept["fireworks_overhead"])
    PAGE.write_text(text, encoding="utf-8")
