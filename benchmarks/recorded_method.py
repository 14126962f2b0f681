"""Recorded durations of a replayed campaign, and a reference method that waits for the recorded times of GPAW."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from pydantic import BaseModel, ConfigDict

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import current_workspace

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded_times.json").read_text())
SLEPT = "slept"
"""Folder below that of the campaign, in which every process lists the times that its jobs waited."""


class Replay(BaseModel):
    """Settings of a replay.

    Parameters
    ----------
    scale
        Recorded seconds per second of waiting.
    cores
        Cores per label; recorded times, on one core, are divided by it.
    labels_per_job
        Number of labels in a job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = 500.0
    cores: int = 32
    labels_per_job: int = 25

    def wait(self, what: str) -> float:
        """Wait for the scaled time of a job of a kind, and return it in seconds."""
        return wait(RECORDED["jobs_s"][what] / self.scale)


def wait(seconds: float) -> float:
    """Wait, and record the time."""
    began = time.perf_counter()
    time.sleep(seconds)
    waited = time.perf_counter() - began
    folder = current_workspace().root / SLEPT
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{os.getpid()}.txt").open("a") as file:
        file.write(f"{waited}\n")
    return waited


def random_of(*seed: object) -> np.random.Generator:
    """Return a random number generator with a seed of any objects."""
    return np.random.default_rng(list(hashlib.sha256(repr(seed).encode()).digest()))


class RecordedSpec(MethodSpec):
    """A reference method that waits for the recorded times of GPAW."""

    implementation: ClassVar[str] = f"{__name__}:RecordedMethod"
    method: Literal["recorded"] = "recorded"
    replay: Replay = Replay()


class RecordedMethod:
    """Labels whose durations are drawn from the recorded distribution of their family.

    Parameters
    ----------
    spec
        Scale and cores of the replay.
    settings
        Settings of this machine; unused.
    """

    def __init__(self, spec: RecordedSpec, settings: Settings):
        self.replay = spec.replay

    @property
    def identity(self) -> MethodIdentity:
        """Identity of the method, independent of the scale."""
        return MethodIdentity(
            name="recorded",
            code="a replay",
            version="1",
            is_surrogate=True,
            settings={},
            key=content_key("method", name="recorded"),
        )

    def calculator(self) -> Calculator:
        """Raise an error: only durations were recorded.

        Raises
        ------
        ReferenceMethodError
            Always.
        """
        raise ReferenceMethodError("a replay waits and computes nothing: it has no calculator", "unsupported")

    def supports(self, atoms: Atoms) -> str | None:
        """Support all atoms."""
        return None

    def label(self, atoms: Atoms, folder: Path | None = None) -> RawLabel:
        """Wait, and return small random forces."""
        random = random_of("label", atoms.positions.tobytes())
        family = RECORDED["labels"].get(atoms.info["origin"].split("/")[0], RECORDED["labels"]["interface"])
        seconds = family["median_s"] * float(np.exp(family["log_std"] * random.standard_normal()))
        wait(seconds / self.replay.cores / self.replay.scale)
        forces = 0.1 * random.standard_normal((len(atoms), 3))
        return RawLabel(
            energy_eV=-4.0 * len(atoms),
            forces_eV_per_angstrom=forces - forces.mean(axis=0),
            stress_eV_per_angstrom3=np.zeros(6),
            is_scf_converged=True,
            details={"n_scf_steps": 14, "n_electrons": 264, "n_k_points": 8, "peak_memory_gb": 1.0},
        )
