"""Which of VASP's PAW potentials stands for an element, per release.

The choice is the one of pymatgen's ``PBE54Base`` and ``PBE64Base`` (Materials Project: semicore states where bonds
need them, ``Li_sv`` with its 1s electrons); titles and numbers of electrons are those of pymatgen's summary of the
releases, which holds no licensed data.  The table is the project's own file, so that an update of pymatgen cannot
change what a campaign computes, and so that a method is known without the licensed files.
"""

import functools
import json
from dataclasses import dataclass
from importlib.resources import files

Release = str


@dataclass(frozen=True)
class Potential:
    """One POTCAR: its folder's name, the TITEL in its first line, and the electrons it leaves to be computed."""

    symbol: str
    title: str
    valence_electrons: float


@functools.cache
def potentials(release: Release) -> dict[str, Potential]:
    """Return the potential of every element of a release, ``PBE_54`` or ``PBE_64``."""
    text = (
        files("interphase_flows.reference.vasp").joinpath("pseudopotentials.json").read_text(encoding="utf-8")
    )
    return {element: Potential(**entry) for element, entry in json.loads(text)[release].items()}
