"""A site for tests: settings, environment, and the command line on a real Slurm."""

import json
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interphase_flows.storage.ledger import Ledger
from slurm_cluster import SlurmCluster
from tiny_campaign import command, environment

ENDS_WITHIN_S = 800.0
COMPARED = (
    "labels",
    "datasets",
    "models",
    "committees",
    "segments",
    "iterations",
    "thermodynamics",
    "learning_curves",
    "production_audits",
    "interface_analyses",
    "growth",
    "phases",
)
"""Kinds of documents whose keys depend neither on the machines of a campaign nor on faults."""


@dataclass(frozen=True)
class Site:
    """Folder and environment from which a campaign runs.

    Parameters
    ----------
    root
        Folder of results, files and logs of allocations.
    slurm
        Running Slurm.
    variables
        Environment variables of every command.
    output
        Output of all commands.
    """

    root: Path
    slurm: SlurmCluster
    variables: dict[str, str]
    output: list[str] = field(default_factory=list)

    @classmethod
    def with_settings(cls, root: Path, slurm: SlurmCluster, settings: str) -> "Site":
        """Write a settings file that only its owner can read, and use it."""
        file = root / "interphase.yaml"
        file.touch(mode=0o600)
        file.write_text(settings)
        variables = {"INTERPHASE_SETTINGS_FILE": str(file), **slurm.variables}
        return cls(root, slurm, variables)

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command(arguments),
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(),
            timeout=ENDS_WITHIN_S,
        )
        self.output.extend((done.stdout, done.stderr))
        assert not check or done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done

    def environment(self) -> dict[str, str]:
        return environment() | self.variables

    def logs(self) -> str:
        found = sorted(self.root.glob("launches/*/*.error"))
        return "\n".join(f"{path.name}:\n{path.read_text()[-1500:]}" for path in found[-3:])

    def status(self, campaign: str = "tiny") -> dict[str, Any]:
        return json.loads(self.command("status", campaign, "--json").stdout)


def keys_of_one_machine(file: Path, root: Path, kinds: Sequence[str] = COMPARED) -> dict[str, set[str]]:
    """Run the campaign tiny on this machine, and return its keys by kind."""
    subprocess.run(
        command(["run", str(file), "--root", str(root)]),
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
        timeout=ENDS_WITHIN_S,
    )
    return keys_under(root, kinds)


def keys_under(root: Path, kinds: Sequence[str] = COMPARED) -> dict[str, set[str]]:
    """Return the keys of the campaign tiny in an embedded ledger, by kind."""
    with closing(Ledger.embedded(root / "tiny" / "ledger.sqlite", read_only=True)) as ledger:
        return keys_of(ledger, kinds)


def keys_of(ledger: Ledger, kinds: Sequence[str] = COMPARED) -> dict[str, set[str]]:
    """Return the keys of a ledger by kind.

    Raises
    ------
    AssertionError
        A key occurs twice.
    """
    found = {}
    for kind in kinds:
        keys = [document["key"] for document in ledger.find(kind, properties=["key"])]
        assert len(keys) == len(set(keys)), f"{kind}: a key occurs twice"
        found[kind] = set(keys)
    return found
