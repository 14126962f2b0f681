"""Fault injection into campaigns on a real Slurm and a real database.

    python tests/chaos.py --faults 50 --seed 1 --json chaos.json

runs tiny campaigns until the given number of faults were injected, and compares each with the same campaign on one
machine: the keys of labels, datasets, models, segments, iterations and analyses must agree, no key may occur twice, and
no job may be stuck.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chaos_faults import FAULTS, Target
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.ledger import Ledger
from mongo_server import MongoServer
from slurm_cluster import SlurmCluster, why_not
from slurm_site import Site, keys_of, keys_of_one_machine
from tiny_campaign import TINY, command

DISK_SIZE = "4g"
CAMPAIGN_ENDS_WITHIN_S = 2400.0
SETTINGS = """
root: {root}
artifacts_url: {root}/shared
store: {{type: mongodb, host: localhost, port: {port}, database: {database}}}
cluster:
  signal_before_end_s: 60
  lease_s: 6
  unresponsive_after_s: 12
  workers:
    cpu:
      kinds: [dft, analysis]
      walltime: "00:10:00"
      memory_gb: 3
      before: ["{python} {hog} {root} &"]
      max_in_queue: 2
      jobs_per_allocation: 6
      wait_for_work_s: 40
    learn:
      kinds: [train, md]
      walltime: "00:10:00"
      memory_gb: 3
      before: ["{python} {hog} {root} &"]
      max_in_queue: 2
      jobs_per_allocation: 6
      wait_for_work_s: 40
"""


@dataclass
class Trial:
    """Faults of one campaign, and its outcome.

    Parameters
    ----------
    faults
        Kind and description of each fault, in order.
    recoveries
        Output of `recover`.
    seconds
        Time from submission to the end.
    n_labels
        Number of labels in the ledger.
    missing, unexpected
        Differences of its keys from those of the campaign on one machine, by kind.
    jobs
        Number of jobs by state at the end.
    """

    faults: list[tuple[str, str]] = field(default_factory=list)
    recoveries: list[str] = field(default_factory=list)
    seconds: float = 0.0
    n_labels: int = 0
    missing: dict[str, list[str]] = field(default_factory=dict)
    unexpected: dict[str, list[str]] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)

    @property
    def is_unharmed(self) -> bool:
        """Whether no key is missing or unexpected, and no job is stuck."""
        stuck = sum(n for state, n in self.jobs.items() if state != "done")
        return not self.missing and not self.unexpected and not stuck and self.n_labels > 0


class Cluster:
    """A private Slurm, database and disk on which campaigns run with injected faults.

    Parameters
    ----------
    folder
        Parent of all files.
    chance
        Random number generator.
    """

    def __init__(self, folder: Path, chance: random.Random):
        self.folder = folder
        self.chance = chance
        self.n_campaigns = 0

    @contextmanager
    def running(self) -> Iterator["Cluster"]:
        """Start all servers, and stop them at the end."""
        with (
            SlurmCluster(self.folder / "slurm") as self.slurm,
            MongoServer(self.folder / "mongo") as self.server,
        ):
            self.file = self.folder / "tiny.yaml"
            self.file.write_text(TINY)
            yield self

    def run_campaign(
        self, kinds: Sequence[str], expected: dict[str, set[str]], pause_s: tuple[float, float], report=print
    ) -> Trial:
        """Run a campaign, inject these faults in this order, and compare its results."""
        self.n_campaigns += 1
        database = f"chaos{self.n_campaigns}"
        with _disk(self.folder / database) as root:
            settings = SETTINGS.format(
                root=root,
                port=self.server.port,
                database=database,
                python=sys.executable,
                hog=Path(__file__).with_name("memory_hog.py"),
            )
            site = Site.with_settings(root, self.slurm, settings)
            target = Target(self.slurm, self.server, root, DISK_SIZE, self.chance)
            trial = Trial()
            began = time.monotonic()
            site.command("submit", str(self.file))
            log = self.folder / f"{database}-launch.txt"
            with log.open("w") as output:
                daemon = subprocess.Popen(
                    command(["launch", "--every", "2"]), env=site.environment(), stdout=output, stderr=output
                )
            try:
                self._inject(target, kinds, daemon, trial, pause_s, report)
                daemon.wait(CAMPAIGN_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                report(
                    log.read_text()[-6000:]
                    + site.logs()
                    + target.run("squeue", "--long")
                    + site.command("status", "tiny").stdout
                )
                raise
            finally:
                daemon.kill()
                daemon.wait()
                trial.recoveries = [line for line in log.read_text().splitlines() if line.startswith("tiny: ")]
            trial.seconds = time.monotonic() - began
            self._compare(site, database, expected, trial)
            if not trial.is_unharmed:
                report(log.read_text()[-6000:] + site.logs())
            subprocess.run(["scancel", "--me"], env=self.slurm.environment, check=False, timeout=60)
            return trial

    def _inject(self, target, kinds, daemon, trial, pause_s, report) -> None:
        for kind in kinds:
            done = None
            while done is None:
                target.pause(*pause_s)
                if daemon.poll() is not None:
                    return
                done = FAULTS[kind](target)
            trial.faults.append((kind, done))
            report(f"{time.strftime('%H:%M:%S')}  {kind}: {done}", flush=True)

    def _compare(self, site: Site, database: str, expected: dict[str, set[str]], trial: Trial) -> None:
        settings = MongodbSettings(type="mongodb", host="localhost", port=self.server.port, database=database)
        with closing(Ledger.in_mongodb(settings)) as ledger:
            found = keys_of(ledger)
        trial.n_labels = len(found["labels"])
        for kind, keys in expected.items():
            if lost := sorted(keys - found[kind]):
                trial.missing[kind] = lost
            if more := sorted(found[kind] - keys):
                trial.unexpected[kind] = more
        states: Counter[str] = Counter()
        for row in site.status()["cluster"]["jobs"].values():
            states.update(row)
        trial.jobs = {state: n for state, n in states.items() if n}


@contextmanager
def _disk(folder: Path) -> Iterator[Path]:
    """Mount a separate file system that can be filled."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        for _ in range(30):  # workers that are stopping still have files open
            if subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(1)
        else:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        with suppress(OSError):
            folder.rmdir()


def drawn(n: int, chance: random.Random) -> list[str]:
    """Draw faults in random order; every kind occurs before any is repeated."""
    kinds: list[str] = []
    while len(kinds) < n:
        kinds += chance.sample(sorted(FAULTS), len(FAULTS))
    return kinds[:n]


def summary(trials: Sequence[Trial]) -> dict:
    """Return totals over all campaigns."""
    faults = [kind for trial in trials for kind, _ in trial.faults]
    return {
        "n_faults": len(faults),
        "faults": dict(sorted(Counter(faults).items())),
        "n_campaigns": len(trials),
        "n_unharmed": sum(trial.is_unharmed for trial in trials),
        "n_recoveries": sum(len(trial.recoveries) for trial in trials),
        "n_labels_lost": sum(len(trial.missing.get("labels", ())) for trial in trials),
        "n_labels_unexpected": sum(len(trial.unexpected.get("labels", ())) for trial in trials),
        "n_jobs_stuck": sum(n for trial in trials for state, n in trial.jobs.items() if state != "done"),
        "seconds": [round(trial.seconds) for trial in trials],
        "campaigns": [asdict(trial) for trial in trials],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, nargs=2, default=(3.0, 12.0), help="seconds between faults")
    parser.add_argument("--json", type=Path, help="output file")
    arguments = parser.parse_args()
    if reason := why_not():
        sys.exit(f"chaos: {reason}")
    chance = random.Random(arguments.seed)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    trials: list[Trial] = []
    left = drawn(arguments.faults, chance)
    try:
        with Cluster(folder, chance).running() as cluster:
            expected = keys_of_one_machine(cluster.file, folder / "one_machine")
            while left:
                trial = cluster.run_campaign(left, expected, tuple(arguments.pause))
                left = left[len(trial.faults) :]
                trials.append(trial)
                print(
                    f"campaign {len(trials)}: {len(trial.faults)} faults in {trial.seconds:.0f} s, "
                    f"{'unharmed' if trial.is_unharmed else f'HARMED: {trial}'}",
                    flush=True,
                )
    finally:
        figures = summary(trials)
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
        print({name: value for name, value in figures.items() if name != "campaigns"})
        shutil.rmtree(folder, ignore_errors=True)
    return int(figures["n_unharmed"] < figures["n_campaigns"])


if __name__ == "__main__":
    sys.exit(main())
