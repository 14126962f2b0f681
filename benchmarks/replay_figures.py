"""Evaluate a replay from samples during its run and from the database."""

import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from mongo import BenchDatabase
from pymongo import MongoClient

N_PARTS = 8
"""Number of consecutive parts of a campaign with separate costs."""


def launches_by_kind(launchpad: Any) -> dict[str, dict[str, float]]:
    """Return number and median duration of the launches of each kind, including simulated work."""
    names = {each["fw_id"]: each["name"] for each in launchpad.db.fireworks.find({}, {"fw_id": 1, "name": 1})}
    found = launchpad.db.launches.find({}, {"fw_id": 1, "time_start": 1, "time_end": 1})
    times: dict[str, list[float]] = {}
    for launch in found:
        began, ended = (as_time(launch[key]) for key in ("time_start", "time_end"))
        name = names[launch["fw_id"]].partition(",")[0]  # without the iteration
        kind = " ".join(re.sub(r"[^a-z_ ]", " ", name).split())
        times.setdefault(kind, []).append((ended - began).total_seconds())
    return {kind: {"n": len(each), "median_s": float(np.median(each))} for kind, each in sorted(times.items())}


def as_time(value: datetime | str) -> datetime:
    """Return a time from FireWorks, which stores some as text."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def time_shares(samples: Sequence[Mapping[str, float]], slept_s: float, n_workers: int) -> dict[str, Any]:
    """Return fractions of the workers' time and costs per job."""
    first = next(each for each in samples if each["n_running"] or each["n_done"])
    last = samples[-1]
    active = [each for each in samples if each["t_s"] >= first["t_s"]]
    span_s = last["t_s"] - first["t_s"]
    idle = float(np.mean([1 - min(n_workers, each["n_ready"] + each["n_running"]) / n_workers for each in active]))
    n_jobs = int(last["n_done"])
    busy = slept_s / (n_workers * span_s)
    parts = []
    bounds = np.unique(np.linspace(0, len(active) - 1, N_PARTS + 1).astype(int))
    for start, end in itertools.pairwise(bounds):
        one, other = active[start], active[end]
        n_done = other["n_done"] - one["n_done"]
        if n_done:
            parts.append(
                {
                    "n_nodes": int(other["n_nodes"]),
                    "n_jobs": int(n_done),
                    "wall_s_per_job": (other["t_s"] - one["t_s"]) * n_workers / n_done,
                    "cpu_workers_s_per_job": (other["cpu_workers_s"] - one["cpu_workers_s"]) / n_done,
                    "cpu_server_s_per_job": (other["cpu_server_s"] - one["cpu_server_s"]) / n_done,
                }
            )
    return {
        "n_jobs": n_jobs,
        "wall_s": span_s,
        "share_at_work": busy,
        "share_idle": idle,
        "share_overhead": 1 - busy - idle,
        "overhead_s_per_job": (1 - busy - idle) * n_workers * span_s / n_jobs,
        "cpu_workers_s_per_job": (last["cpu_workers_s"] - first["cpu_workers_s"]) / n_jobs,
        "cpu_server_s_per_job": (last["cpu_server_s"] - first["cpu_server_s"]) / n_jobs,
        "parts": parts,
    }


def sizes(database: BenchDatabase) -> dict[str, dict[str, int]]:
    """Return documents, bytes and the largest document of every collection."""
    client: MongoClient[Any] = MongoClient(database.uri)
    raw: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
    found = {}
    for name in (database.name, database.launchpad):
        for collection in sorted(client[name].list_collection_names()):
            lengths = [len(each.raw) for each in client[name].get_collection(collection, codec_options=raw).find()]
            if lengths:
                title = collection if name == database.name else f"fireworks: {collection}"
                found[title] = {"documents": len(lengths), "bytes": sum(lengths), "largest": max(lengths)}
    client.close()
    return found


def format_results(kept: Mapping[str, Any]) -> str:
    """Return the results as text."""
    lines = [f"MongoDB: {kept['server']}"]
    campaign = kept.get("campaign")
    if campaign:
        n_bytes = sum(each["bytes"] for each in campaign["database"].values())
        n_documents = sum(each["documents"] for each in campaign["database"].values())
        lines += [
            f"{campaign['n_labels']} labels in {campaign['n_jobs']} jobs of one workflow by {kept['n_workers']} workers: "
            f"{campaign['wall_s']:.0f} s",
            f"at work {campaign['share_at_work']:.0%}, idle {campaign['share_idle']:.0%}, overhead "
            f"{campaign['share_overhead']:.0%}: {campaign['overhead_s_per_job']:.2f} s of a worker per job "
            f"(CPU: worker {campaign['cpu_workers_s_per_job']:.2f} s, server {campaign['cpu_server_s_per_job']:.2f} s)",
            f"{n_documents} documents, {n_bytes / 1e6:.1f} MB",
            f"{'jobs in the workflow':>22}{'wall':>8}{'worker CPU':>12}{'server CPU':>12}  (s per job)",
        ]
        lines += [
            f"{part['n_nodes']:22}{part['wall_s_per_job']:8.2f}{part['cpu_workers_s_per_job']:12.3f}"
            f"{part['cpu_server_s_per_job']:12.3f}"
            for part in campaign["parts"]
        ]
        lines += [
            f"{kind:30}{each['n']:8} jobs{each['median_s']:10.2f} s in the median"
            for kind, each in campaign["launches"].items()
        ]
        lines += [
            f"{name:30}{size['documents']:8} documents{size['bytes'] / 1e6:10.2f} MB, largest "
            f"{size['largest'] / 1e3:.0f} kB"
            for name, size in campaign["database"].items()
        ]
    if kept["bend"]:
        lines.append("a trivial job in a workflow of many")
        lines.append(f"{'jobs':>8}{'wall':>8}{'worker CPU':>12}{'server CPU':>12}  (s per job)   submission")
    lines += [
        f"{each['n_nodes']:8}{each['wall_s']:8.2f}{each['cpu_worker_s']:12.3f}{each['cpu_server_s']:12.3f}"
        f"{each['submission_s']:24.1f} s"
        for each in kept["bend"]
    ]
    return "\n".join(lines)
