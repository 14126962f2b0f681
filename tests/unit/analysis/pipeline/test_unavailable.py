"""Reasons and hints of parts that a trajectory does not support."""

import numpy as np
import pytest
from pydantic import BaseModel

from growing_interphase import growing
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.results import HINT, Unavailable


def bulk(n_frames=2):
    """Return an electrolyte at random places, without an electrode."""
    numbers = np.repeat([3, 15, 16], [70, 30, 110])
    positions = np.random.default_rng(0).random((1, len(numbers), 3)) * 22.0
    return ArrayFrames(numbers, 1000.0 * np.arange(n_frames), np.repeat(positions, n_frames, axis=0), 22.0 * np.eye(3))


def unavailable_in(result):
    """Yield every `Unavailable` of a result."""
    if isinstance(result, Unavailable):
        yield result
    elif isinstance(result, BaseModel):
        for each in vars(result).values():
            yield from unavailable_in(each)
    elif isinstance(result, dict | list | tuple):
        for each in result.values() if isinstance(result, dict) else result:
            yield from unavailable_in(each)


@pytest.mark.parametrize(
    "frames", [bulk(), growing(2.0, n_frames=4, planes_per_angstrom=2)], ids=["without electrode", "short"]
)
def test_reasons_contain_no_hint_and_hints_no_other(frames):
    analysis = analyse_interface(
        frames, InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), 600.0)
    )
    found = list(unavailable_in(dict(analysis.parts)))
    assert len(found) > 5
    for each in found:
        assert HINT not in each.reason + each.hint
        assert each.reason.count("(") == each.reason.count(")")
