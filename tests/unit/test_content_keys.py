"""A content key depends on everything that a result depends on, and on nothing else."""

import dataclasses
import datetime
import enum
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from pydantic import BaseModel

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import StorageError


class Model(BaseModel):
    x: float
    names: list[str] = []


@dataclasses.dataclass
class Langevin:
    timestep_fs: float


@dataclasses.dataclass
class Verlet:
    timestep_fs: float


class Colour(enum.Enum):
    RED = "red"


class WithSet(BaseModel):
    x: set[str]


class WithPath(BaseModel):
    x: list[pathlib.Path]


def test_keys_are_equal_in_every_version_and_process():
    """Recorded keys must be found by later versions."""
    assert content_key("labels", a=1, b={"c": [1.5, True, None, "é"]}) == "0e1bb8dcfbd8a945caccf4cfde8f71fb"
    script = "from interphase_flows.content_keys import content_key\nprint(content_key('k', a={'x': 1, 'y': [0.1]}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == content_key("k", a={"y": [0.1], "x": 1})


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}),
        (1, 1.0),
        (0.0, -0.0),
        (10**15, 1e15),
        (np.float64(0.1), 0.1),
        (np.int32(7), 7),
        (np.bool_(True), True),
        (np.array([[1.0, 2.5]]), [[1, 2.5]]),
        ((1, 2), [1, 2]),
        (Model(x=1), {"x": 1, "names": []}),
        (Colour.RED, "red"),
        (np.str_("a"), "a"),
    ],
)
def test_equal_parts_have_equal_keys(one, same):
    """The order of mapping keys and the types of numbers do not matter."""
    assert content_key("k", part=one) == content_key("k", part=same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (False, 0),
        (None, "null"),
        ("1", 1),
        (0.1, np.nextafter(0.1, 1)),
        ([1, 2], [2, 1]),
        ({"x": {"y": 1}}, {"x": 1, "y": 1}),
        ({"x": None}, {}),
        ([[1], [2]], [[1, 2]]),
        (Langevin(1.0), Verlet(1.0)),
        (Langevin(1.0), Langevin(2.0)),
        ("a", "A"),
    ],
)
def test_different_parts_have_different_keys(one, other):
    assert content_key("k", part=one) != content_key("k", part=other)


def test_kind_and_part_names_change_the_key():
    """Also if two parts swap their values."""
    assert content_key("labels", a=1) != content_key("models", a=1)
    assert content_key("k", a=1, b=2) != content_key("k", a=2, b=1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "part = nan.*are not allowed"),
        (np.inf, "are not allowed"),
        ([{"x": float("nan")}], r"part\[0\]\.x = nan"),
        ({1, 2}, "sorted list"),
        (pathlib.Path("a"), "hash of the file"),
        (WithSet(x={"a"}), "sorted list"),
        (WithPath(x=["a"]), r"part\.x\[0\].*hash of the file"),
        ({1: 2}, "must be strings"),
        (datetime.datetime(2024, 1, 1), "no lasting representation"),
        (b"x", "no lasting representation"),
        (1j, "no lasting representation"),
        (Langevin, "no lasting representation"),
        (object(), "no lasting representation"),
    ],
)
def test_a_part_without_a_unique_representation_raises_with_its_path(value, message):
    with pytest.raises(StorageError, match=f"no content key: .*{message}"):
        content_key("k", part=value)
