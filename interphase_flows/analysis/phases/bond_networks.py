"""Whether a network of bonds between mobile cations and network formers crosses an interphase.

Network formers of whole anions of the electrolyte, such as P of PS4, are left out: cations near them are no path for
electrons. A network crosses if it comes within a bond of both boundaries, which are not known better than that. In a
layer thinner than four bonds a single network former with its cations does, so nothing is said of it.
"""

from collections.abc import Sequence

import numpy as np
from ase.data import covalent_radii

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.frames import mask_of, numbers_of
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.layers import layer_of
from interphase_flows.analysis.phases.percolation import percolation_sweep
from interphase_flows.analysis.phases.results import NetworkCrossing, PercolationResult
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.speciation.anion_species import N_INTACT
from interphase_flows.analysis.speciation.element_roles import Roles
from interphase_flows.exceptions import AnalysisError

FACTORS = np.linspace(1.10, 1.36, 7)
"""Cut-offs over the sum of the covalent radii (Li-P: 2.6 to 3.2 Å)."""
BOND_FACTOR = 1.21
"""A network that begins at a longer distance is none of bonds: in Li3P, P-Li are 2.5 to 2.8 Å, 1.05 to 1.21."""
LEAST_BONDS = 4
"""Thickness over the longest bond: one to come near each side, and two of one atom with its neighbours."""
CROSSED = 0.5
"""Share of the frames in which a network has to cross to count."""


class NetworkSweep:
    """Takes frames; keeps in how many of them a network crosses each interphase, by cut-off."""

    def __init__(self, numbers: np.ndarray, roles: Roles, interfaces: Sequence[Interface]) -> None:
        self._numbers, self._roles, self._interfaces = numbers, roles, interfaces
        self._formers = mask_of(numbers, roles.network_formers)
        radii = [
            float(covalent_radii[a] + covalent_radii[b])
            for a in numbers_of(roles.mobile_cations)
            for b in numbers_of(roles.network_formers)
        ]
        longest = max(radii)
        self.cutoffs_angstrom = [round(float(f) * longest, 2) for f in FACTORS]
        self._least_angstrom = LEAST_BONDS * self.cutoffs_angstrom[-1]
        self.bond_angstrom = round(BOND_FACTOR * longest, 2)
        self._spans: dict[str, list[list[bool]]] = {each.name: [] for each in interfaces}
        self._largest: dict[str, list[list[float]]] = {each.name: [] for each in interfaces}
        self._too_thin = dict.fromkeys(self._spans, 0)
        self._thickness: dict[str, list[float]] = {each.name: [] for each in interfaces}

    def add(
        self,
        frame: int,
        positions: np.ndarray,
        cell: np.ndarray,
        anion_codes: np.ndarray,
        period_angstrom: float,
        drift: float,
    ) -> None:
        """Take a frame; how far everything has moved is a fraction of the cell."""
        whole = self._formers & (anion_codes >= 0) & (anion_codes < N_INTACT)
        kept = ~whole
        free = self._formers & kept
        for each in self._interfaces:
            layer = layer_of(each, frame, period_angstrom, drift)
            if layer is None:
                continue
            thick = (layer[1] - layer[0]) * period_angstrom
            self._thickness[each.name].append(thick)
            if thick < self._least_angstrom:
                self._too_thin[each.name] += 1
                continue
            if not free.any():
                self._spans[each.name].append([False] * len(FACTORS))
                self._largest[each.name].append([0.0] * len(FACTORS))
                continue
            sweep = percolation_sweep(
                np.asarray(positions)[kept],
                cell,
                self._numbers[kept],
                first=self._roles.mobile_cations,
                second=self._roles.network_formers,
                cutoffs_angstrom=self.cutoffs_angstrom,
                layer=layer,
            )
            self._spans[each.name].append([bool(step.spans) for step in sweep])
            self._largest[each.name].append([step.largest_share for step in sweep])

    def values(self) -> PercolationResult:
        """Return the sweep and its meaning in words, by interface."""
        pair = (
            f"{'/'.join(sorted(self._roles.mobile_cations))}-{'/'.join(sorted(self._roles.network_formers))}"
        )
        sides: dict[str, NetworkCrossing | Unavailable] = {}
        for name, rows in self._spans.items():
            if len(rows) < max(1, self._too_thin[name]):
                try:
                    self._refuse(name)
                except AnalysisError as error:
                    sides[name] = Unavailable.from_error(error)
                continue
            share = np.array(rows, dtype=float).mean(axis=0)
            onset, state, reason = conduction_by_network(
                self.cutoffs_angstrom, share, self.bond_angstrom, pair
            )
            sides[name] = NetworkCrossing(
                n_frames=len(rows),
                n_too_thin=self._too_thin[name],
                crossing_share=share.tolist(),
                largest_share=np.array(self._largest[name]).mean(axis=0).tolist(),
                onset_angstrom=onset,
                state=state,
                reason=reason,
            )
        return PercolationResult(
            pair=pair,
            cutoffs_angstrom=self.cutoffs_angstrom,
            bond_angstrom=self.bond_angstrom,
            sides=sides,
        )

    def _refuse(self, name: str) -> None:
        thick = self._thickness[name]
        if not thick:
            raise AnalysisError("no frame of the last third has both boundaries of this interphase")
        raise AnalysisError(
            f"the interphase is {np.median(thick):.1f} Å thick; below {self._least_angstrom:.1f} Å, four of the longest "
            "bonds, one atom with its neighbours comes within a bond of both sides"
        )


def conduction_by_network(
    cutoffs_angstrom: Sequence[float], crossing_share: FloatArray, bond_angstrom: float, pair: str
) -> tuple[float | None, str, str]:
    """Return the shortest cut-off at which a network crosses, what that makes the interphase, and why."""
    crossed = np.flatnonzero(np.asarray(crossing_share) >= CROSSED)
    if not len(crossed):
        return None, "ionic", f"no network of {pair} bonds crosses it, up to {cutoffs_angstrom[-1]:g} Å"
    onset = float(cutoffs_angstrom[int(crossed[0])])
    if onset <= bond_angstrom:
        reason = f"a network of {pair} bonds crosses it from {onset:g} Å on and would leak electrons"
        return onset, "mixed-conducting", reason
    reason = (
        f"a network of {pair} neighbours crosses it from {onset:g} Å on, which is longer than a bond "
        f"({bond_angstrom:g} Å)"
    )
    return onset, "undecided", reason
