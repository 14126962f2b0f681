"""A real campaign on a real Slurm and a real database, through faults of every kind, again and again.

    python tests/chaos.py --faults 50 --seed 1 --json chaos.json

runs tiny campaigns one after the other until so many faults have happened, and compares each with the same campaign on
one machine: the same keys of labels, data sets, models, segments, iterations and analyses; nothing twice; no job stuck.
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

from chaos_faults import FAULTS, Victim
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.ledger import Ledger
from mongo_server import MongoServer
from slurm_cluster import SlurmCluster, why_not
from slurm_site import Site, keys_of, keys_of_one_machine
from tiny_campaign import TINY, command

DISK_SIZE = "4g"
CAMPAIGN_ENDS_WITHIN_S = 1500.0
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
      jobs_per_allocation: 3
      wait_for_work_s: 20
    learn:
      kinds: [train, md]
      walltime: "00:10:00"
      memory_gb: 3
      before: ["{python} {hog} {root} &"]
      max_in_queue: 2
      jobs_per_allocation: 3
      wait_for_work_s: 20
"""


@dataclass
class Ordeal:
    """What one campaign went through, and how it ended.

    Parameters
    ----------
    faults
        Kind and what was done, in order.
    recoveries
        What `recover` found and did, in its words.
    seconds
        From submission to the end.
    n_labels
        In its ledger.
    missing, unexpected
        Keys by kind that the campaign on one machine has, or has not.
    jobs
        By FireWorks' states at the end.
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
        """Whether nothing was lost, nothing is there twice and no job is stuck."""
        stuck = sum(n for state, n in self.jobs.items() if state != "done")
        return not self.missing and not self.unexpected and not stuck and self.n_labels > 0


class Cluster:
    """Slurm, a database and a disk of their own; campaigns are put through faults on it, one after the other.

    Parameters
    ----------
    folder
        For everything.
    chance
        Random numbers.
    """

    def __init__(self, folder: Path, chance: random.Random):
        self.folder = folder
        self.chance = chance
        self.n_campaigns = 0

    @contextmanager
    def running(self) -> Iterator["Cluster"]:
        """Start everything, and end it."""
        with (
            SlurmCluster(self.folder / "slurm") as self.slurm,
            MongoServer(self.folder / "mongo") as self.server,
        ):
            self.file = self.folder / "tiny.yaml"
            self.file.write_text(TINY)
            yield self

    def put_through(
        self, kinds: Sequence[str], expected: dict[str, set[str]], pause_s: tuple[float, float], tell=print
    ) -> Ordeal:
        """Run a campaign, harm it by these faults in this order, and see what comes of it."""
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
            victim = Victim(self.slurm, self.server, root, DISK_SIZE, self.chance)
            ordeal = Ordeal()
            began = time.monotonic()
            site.command("submit", str(self.file))
            words = self.folder / f"{database}-launch.txt"
            with words.open("w") as output:
                daemon = subprocess.Popen(
                    command(["launch", "--every", "2"]), env=site.environment(), stdout=output, stderr=output
                )
            try:
                self._harm(victim, kinds, daemon, ordeal, pause_s, tell)
                daemon.wait(CAMPAIGN_ENDS_WITHIN_S)
            finally:
                daemon.kill()
                daemon.wait()
                ordeal.recoveries = [
                    line for line in words.read_text().splitlines() if line.startswith("tiny: ")
                ]
            ordeal.seconds = time.monotonic() - began
            self._compare(site, database, expected, ordeal)
            if not ordeal.is_unharmed:
                tell(words.read_text()[-6000:] + site.logs())
            subprocess.run(["scancel", "--me"], env=self.slurm.environment, check=False, timeout=60)
            return ordeal

    def _harm(self, victim, kinds, daemon, ordeal, pause_s, tell) -> None:
        for kind in kinds:
            done = None
            while done is None:
                victim.pause(*pause_s)
                if daemon.poll() is not None:
                    return
                done = FAULTS[kind](victim)
            ordeal.faults.append((kind, done))
            tell(f"{time.strftime('%H:%M:%S')}  {kind}: {done}", flush=True)

    def _compare(self, site: Site, database: str, expected: dict[str, set[str]], ordeal: Ordeal) -> None:
        settings = MongodbSettings(type="mongodb", host="localhost", port=self.server.port, database=database)
        with closing(Ledger.in_mongodb(settings)) as ledger:
            found = keys_of(ledger)
        ordeal.n_labels = len(found["labels"])
        for kind, keys in expected.items():
            if lost := sorted(keys - found[kind]):
                ordeal.missing[kind] = lost
            if more := sorted(found[kind] - keys):
                ordeal.unexpected[kind] = more
        states: Counter[str] = Counter()
        for row in site.status()["cluster"]["jobs"].values():
            states.update(row)
        ordeal.jobs = {state: n for state, n in states.items() if n}


@contextmanager
def _disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, which may be filled."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        for _ in range(30):  # workers that are being ended still have files open
            if subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(1)
        else:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        with suppress(OSError):
            folder.rmdir()


def drawn(n: int, chance: random.Random) -> list[str]:
    """Draw faults: every kind comes before any comes again."""
    kinds: list[str] = []
    while len(kinds) < n:
        kinds += chance.sample(sorted(FAULTS), len(FAULTS))
    return kinds[:n]


def summary(ordeals: Sequence[Ordeal]) -> dict:
    """Return the figures of all campaigns together."""
    faults = [kind for ordeal in ordeals for kind, _ in ordeal.faults]
    return {
        "n_faults": len(faults),
        "faults": dict(sorted(Counter(faults).items())),
        "n_campaigns": len(ordeals),
        "n_unharmed": sum(ordeal.is_unharmed for ordeal in ordeals),
        "n_recoveries": sum(len(ordeal.recoveries) for ordeal in ordeals),
        "n_labels_lost": sum(len(ordeal.missing.get("labels", ())) for ordeal in ordeals),
        "n_labels_unexpected": sum(len(ordeal.unexpected.get("labels", ())) for ordeal in ordeals),
        "n_jobs_stuck": sum(n for ordeal in ordeals for state, n in ordeal.jobs.items() if state != "done"),
        "seconds": [round(ordeal.seconds) for ordeal in ordeals],
        "campaigns": [asdict(ordeal) for ordeal in ordeals],
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, nargs=2, default=(3.0, 12.0), help="seconds between faults")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    if reason := why_not():
        sys.exit(f"chaos: {reason}")
    chance = random.Random(arguments.seed)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    ordeals: list[Ordeal] = []
    left = drawn(arguments.faults, chance)
    try:
        with Cluster(folder, chance).running() as cluster:
            expected = keys_of_one_machine(cluster.file, folder / "one_machine")
            while left:
                ordeal = cluster.put_through(left, expected, tuple(arguments.pause))
                left = left[len(ordeal.faults) :]
                ordeals.append(ordeal)
                print(
                    f"campaign {len(ordeals)}: {len(ordeal.faults)} faults in {ordeal.seconds:.0f} s, "
                    f"{'unharmed' if ordeal.is_unharmed else f'HARMED: {ordeal}'}",
                    flush=True,
                )
    finally:
        figures = summary(ordeals)
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
        print({name: value for name, value in figures.items() if name != "campaigns"})
        shutil.rmtree(folder, ignore_errors=True)
    return int(figures["n_unharmed"] < figures["n_campaigns"])


if __name__ == "__main__":
    sys.exit(main())
