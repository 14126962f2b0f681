"""Damaged and strange input gives an error of this package or a plausible result, never another exception.

Draws have fixed seeds. INTERPHASE_FUZZ_FACTOR multiplies their number: 10 takes minutes.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase.io import write

from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.template_files import write_templates
from interphase_flows.exceptions import InterphaseError
from interphase_flows.settings import load_settings
from interphase_flows.structures.crystals.library import load_phase, load_structure_file
from trajectory_files import WRITERS, planted

LONGEST_MESSAGE = 20_000
FACTOR = int(os.environ.get("INTERPHASE_FUZZ_FACTOR", "1"))
N_CAMPAIGNS, N_TRAJECTORIES, N_STRUCTURES, N_SETTINGS = 300 * FACTOR, 60 * FACTOR, 60 * FACTOR, 80 * FACTOR
TOKENS = [
    b"nan", b"inf", b"-inf", b"1e39", b"1e-300", b"1e400", b"-1", b"0", b"99999999999999999999", b"*****", b"\0",
    b"\xff\xfe", b"\xef\xbb\xbf", b"?", b".", b"", b" ", b"\n", b"\r\n", b"\t", b"X", b"Li", b"[", b"]", b"{", b"}",
    b"&a", b"*a", b"<<: *a", b"!!binary x", b"? ", b": ", b"- ", b"true", b"null", b"2001-99-99", b"0x1F", b"1_000",
    b"\xc2\xb2", b"\x1b[31m", b"a" * 300,
]  # fmt: skip


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return the content after one to three random changes."""
    for _ in range(int(rng.integers(1, 4))):
        lines = content.split(b"\n")
        kind = int(rng.integers(8))
        at = int(rng.integers(len(content) + 1))
        line = int(rng.integers(len(lines)))
        if kind == 0:  # a flipped bit
            at = min(at, len(content) - 1)
            content = content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]
        elif kind == 1:  # a truncated file
            content = content[:at]
        elif kind == 2:  # a missing block
            content = content[:at] + content[at + int(rng.integers(1, 200)) :]
        elif kind == 3:  # a missing, repeated or exchanged line
            other = int(rng.integers(len(lines)))
            change = int(rng.integers(3))
            new = {0: [], 1: [lines[line], lines[line]], 2: [lines[other]]}[change]
            content = b"\n".join([*lines[:line], *new, *lines[line + 1 :]])
        elif kind == 4:  # an inserted token
            content = content[:at] + TOKENS[int(rng.integers(len(TOKENS)))] + content[at:]
        else:  # another value of a field
            fields = lines[line].split(b" ")
            fields[int(rng.integers(len(fields)))] = TOKENS[int(rng.integers(len(TOKENS)))]
            content = b"\n".join([*lines[:line], b" ".join(fields), *lines[line + 1 :]])
        if not content:
            return b"\n"
    return content


def check(path: Path, original: bytes, n_draws: int, seed: int, read: Callable[[Path], None]) -> int:
    """Read damaged versions of a file; return how many of them were read. Other exceptions name their draw."""
    n_read = 0
    for draw in range(n_draws):
        path.write_bytes(damaged(original, np.random.default_rng([seed, draw])))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(path)
        except InterphaseError as error:
            if len(str(error)) > LONGEST_MESSAGE:
                pytest.fail(f"draw {draw}: a message of {len(str(error))} characters")
        except BaseException as error:
            raise AssertionError(f"draw {draw} of {path.name}: {type(error).__name__}: {error}") from error
        else:
            n_read += 1
    return n_read


def read_trajectory(arguments: dict[str, object]) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        with open_trajectory(path, **arguments) as frames:
            assert frames.n_frames == len(frames.time_fs) > 0
            assert (np.diff(frames.time_fs) > 0).all()
            for frame in range(frames.n_frames):
                positions, cell = frames.positions(frame), frames.cell(frame)
                assert positions.shape == (frames.n_atoms, 3)
                assert np.isfinite(positions).all()
                assert abs(np.linalg.det(cell)) > 0

    return read


@pytest.mark.parametrize("name", ["LAMMPS x", "XDATCAR", "extxyz", "traj", "H5MD", "own"])
def test_damaged_trajectories(name, tmp_path):
    written = WRITERS[name](tmp_path, planted(n_frames=5, n_atoms=12))
    original = written.path.read_bytes()
    n_read = check(written.path, original, N_TRAJECTORIES, 1, read_trajectory(written.arguments))
    assert n_read < N_TRAJECTORIES


@pytest.mark.parametrize("suffix", ["cif", "vasp", "extxyz"])
def test_damaged_structures(suffix, tmp_path):
    path = tmp_path / f"x.{suffix}"
    write(path, load_phase("Li2S"))

    def read(file: Path) -> None:
        atoms = load_structure_file(file)
        assert len(atoms) > 0
        assert np.isfinite(atoms.positions).all()
        assert (atoms.numbers > 0).all()

    assert check(path, path.read_bytes(), N_STRUCTURES // 3, 2, read) < N_STRUCTURES


def test_damaged_campaign_files(tmp_path):
    write_templates(tmp_path)
    (path,) = tmp_path.glob("*campaign*.y*ml")
    check(path, path.read_bytes(), N_CAMPAIGNS, 3, lambda file: Campaign.from_file(file) and None)


SETTINGS = b"""root: runs
store: {type: mongodb, host: db.example.org, port: 27017, database: ours, username: alice}
n_threads: 2
walltime_s: 3600
cluster:
  max_in_queue: 10
  workers:
    all:
      kinds: [dft, train, md, analysis]
      walltime: "04:00:00"
      partition: cpu
      cores: 4
      sbatch: {constraint: milan, exclusive: true}
      before: [module load vasp]
      environment: {OMP_NUM_THREADS: "1"}
"""


def test_damaged_settings(tmp_path, monkeypatch):
    path = tmp_path / "settings.yaml"
    monkeypatch.setenv("INTERPHASE_SETTINGS_FILE", str(path))
    check(path, SETTINGS, N_SETTINGS, 4, lambda file: load_settings() and None)
