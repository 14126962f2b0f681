"""Table of the PAW potential (POTCAR) chosen for each element, so that no licensed file is needed to know the method."""

import functools
import json
from dataclasses import dataclass
from importlib.resources import files

POTCAR_HINT = (
    "Hint: set PMG_VASP_PSP_DIR to the folder of your licensed potentials, in the environment or in "
    "~/.config/.pmgrc.yaml (`pmg config -p <VASP's potpaw folders> <that folder>` arranges them; see docs/vasp.md)"
)


@dataclass(frozen=True)
class Potential:
    """POTCAR of one element: name of its folder, TITEL in its first line, number of valence electrons."""

    symbol: str
    title: str
    valence_electrons: float


@functools.cache
def potentials(release: str) -> dict[str, Potential]:
    """Return the potential of every element in a release, ``PBE_54`` or ``PBE_64``."""
    text = (
        files("interphase_flows.reference.vasp").joinpath("pseudopotentials.json").read_text(encoding="utf-8")
    )
    return {element: Potential(**entry) for element, entry in json.loads(text)[release].items()}
