"""Commands in the folder of a site, and what they leave behind."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
from pymongo import MongoClient
from ruamel.yaml import YAML

from interphase_flows.runners.slurm import jobs_in_queue
from slurm_cluster import SlurmCluster
from tiny_campaign import command, environment

ENDS_WITHIN_S = 600.0


@dataclass(frozen=True)
class Place:
    """The folder of a site, in which commands run."""

    folder: Path
    root: Path
    uri: str
    database: str
    slurm: SlurmCluster

    @property
    def password_file(self) -> Path:
        return self.folder.parent / "password"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder if self.folder.exists() else self.folder.parent,
            env=self.environment(),
            timeout=ENDS_WITHIN_S,
        )

    def environment(self) -> dict[str, str]:
        return environment() | {
            **self.slurm.variables,
            "HOME": str(self.folder.parent),
            "INTERPHASE_SETTINGS_FILE": str(self.folder / "settings.yaml"),
        }

    def check(self, *arguments: str) -> dict[str, tuple[bool, str]]:
        """Run the check; return by title whether it passed, and its message."""
        done = self.run(*command(["check", "--cluster", *arguments]))
        assert "Traceback" not in done.stderr, done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith(("ok   ", "FAIL "))]
        found = {}
        for line in lines:
            title, _, message = line[5:].partition(": ")
            found[title] = (line.startswith("ok"), message)
        assert done.returncode == int(not all(passed for passed, _ in found.values())), done.stderr
        return found

    def with_workers(self, workers: dict[str, Any]) -> "Place":
        """Return the same site with other workers."""
        path = self.folder / "settings.yaml"
        yaml = YAML(typ="safe")
        content = yaml.load(path)
        content["cluster"]["workers"] = workers
        folder = self.folder.with_name("other")
        folder.mkdir(exist_ok=True)
        (folder / "settings.yaml").touch(mode=0o600)
        yaml.dump(content, folder / "settings.yaml")
        return Place(folder, self.root, self.uri, self.database, self.slurm)

    def left(self) -> tuple[set[bytes], set[str], list[str]]:
        """Return documents of both databases except counters, files, and Slurm's queue."""
        client: MongoClient[Any] = MongoClient(self.uri)
        documents = {
            bson.encode(document)
            for name in (self.database, f"{self.database}_fireworks")
            for collection in client[name].list_collection_names()
            if collection != "fw_id_assigner"
            for document in client[name][collection].find()
        }
        client.close()
        files = {str(path) for path in self.root.parent.rglob("*")}
        return documents, files, [job.name for job in jobs_in_queue("")]
