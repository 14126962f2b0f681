"""Campaign on this machine with several worker processes, relative to one.

Run: ``python benchmarks/local_workers.py [--workers 2] [--campaign FILE]``; by default the campaign is the quickstart.
Both runs start from nothing, one after the other, with one thread per process. The target is 1.5 with two workers. On the
machine for which it was set, two processes of molecular dynamics alone are 1.65 times as fast as one, and a second thread
of one process gives nothing.

Results: wall time of both runs, import of packages and report included; their ratio; the fraction of the time that
workers were idle; the largest memory of the command and of one worker; whether all document keys are equal.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from interphase_flows.campaign.schema import Campaign
from interphase_flows.settings import load_settings
from interphase_flows.storage.ledger import KINDS, STATE_KINDS
from interphase_flows.storage.workspace import open_workspace

QUICKSTART = Path(__file__).parents[1] / "workflows" / "li_li7p3s11_quickstart.yaml"
POLL_INTERVAL_S = 1.0
TARGET = 1.5


def run(campaign: Path, root: Path, n_workers: int) -> tuple[float, float, float]:
    """Run a campaign; return the wall time in s, and the largest memory in GB of the command and of one worker."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "interphase_flows.cli", "run", campaign, "--root", root, "--workers", str(n_workers)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "INTERPHASE_N_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    parent, peaks_gb = psutil.Process(process.pid), [0.0, 0.0]
    while process.poll() is None:
        try:
            for side, members in enumerate(([parent], parent.children(recursive=True))):
                for each in members:
                    peaks_gb[side] = max(peaks_gb[side], each.memory_info().rss / 1e9)
        except psutil.NoSuchProcess:
            continue
        time.sleep(POLL_INTERVAL_S)
    if process.returncode:
        raise SystemExit(f"interphase run --workers {n_workers} failed (exit code {process.returncode}); run it alone")
    return time.perf_counter() - began, peaks_gb[0], peaks_gb[1]


def keys(root: Path, name: str) -> set[tuple[str, str]]:
    """Return kinds and keys of all results of a campaign."""
    with open_workspace(load_settings(root=root), name, read_only=True) as workspace:
        kinds = set(KINDS) - {*STATE_KINDS, "failures"}
        return {(kind, document["key"]) for kind in kinds for document in workspace.ledger.find(kind)}


def idle_fraction(root: Path, name: str) -> float:
    """Return the fraction of the workers' time without a job."""
    with open_workspace(load_settings(root=root), name, read_only=True) as workspace:
        state = workspace.ledger.get("campaigns", name)
    assert state is not None
    return 1 - float(state["worker_usage"]["busy_s"] / state["worker_usage"]["wall_s"])


def main() -> None:
    """Run the campaign twice and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--workers", type=int, default=2, help="processes of the second run (default: 2)")
    parser.add_argument("--campaign", type=Path, default=QUICKSTART, help="campaign file (default: quickstart)")
    options = parser.parse_args()
    name = Campaign.from_file(options.campaign).name
    with tempfile.TemporaryDirectory() as folder:
        roots = [Path(folder) / "one", Path(folder) / "several"]
        one, several = (run(options.campaign, root, n) for root, n in zip(roots, (1, options.workers), strict=True))
        same = keys(roots[0], name) == keys(roots[1], name)
        print(f"{'workers':>8}{'wall (s)':>10}{'command (GB)':>14}{'worker (GB)':>13}")
        for n_workers, (wall_s, command_gb, worker_gb) in ((1, one), (options.workers, several)):
            print(f"{n_workers:>8}{wall_s:>10.1f}{command_gb:>14.2f}{worker_gb:>13.2f}")
        print(f"ratio {one[0] / several[0]:.2f} (target {TARGET}), workers idle {idle_fraction(roots[1], name):.0%}")
        print(f"document keys {'are equal' if same else 'DIFFER'}")


if __name__ == "__main__":
    main()
