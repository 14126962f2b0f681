"""Anion species against time, and the reactions between them."""

from collections.abc import Mapping

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.frames import mask_of
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.speciation.anion_species import (
    N_INTACT,
    SINGLE_CODES,
    AnionChemistry,
    Environments,
)
from interphase_flows.analysis.speciation.reaction_counter import ReactionCounter
from interphase_flows.analysis.speciation.results import AnionsResult, Lifetime, ReactionsResult
from interphase_flows.exceptions import AnalysisError

LEAST_FRAMES = 3
"""Consecutive frames that a label must hold; shorter ones are fluctuations of a bond length."""
FORMERS, LIGANDS = "network formers", "anion formers"
ALONE_CODE = SINGLE_CODES[1]
"""Code of an anion former without bonds."""


class AnionCounter:
    """Count anions and the reactions of their atoms, frame by frame.

    Parameters
    ----------
    numbers
        Atomic numbers, (n_atoms,).
    chemistry
        Elements and bonds. Centres and ligands are counted separately, because atoms of one anion change together.
    """

    def __init__(self, numbers: np.ndarray, chemistry: AnionChemistry) -> None:
        self.labels = chemistry.labels
        self._masks = {
            FORMERS: mask_of(numbers, chemistry.anion_centres),
            LIGANDS: mask_of(numbers, chemistry.ligands),
        }
        self._counters = {
            role: ReactionCounter(self.labels, int(mask.sum()), LEAST_FRAMES) for role, mask in self._masks.items()
        }
        self._times: list[float] = []
        self._units: list[np.ndarray] = []
        self._centres: list[np.ndarray] = []

    def add(self, time_ps: float, found: Environments) -> None:
        """Add the next frame."""
        self._times.append(time_ps)
        self._units.append(found.unit_counts)
        self._centres.append(found.n_centres)
        for role, counter in self._counters.items():
            mine = self._masks[role]
            counter.add(time_ps, found.atom_codes[mine], found.atom_units[mine])

    def anions(self) -> AnionsResult:
        """Return counts at the start and at the end, each a mean over a tenth of the frames."""
        units, centres = np.array(self._units, dtype=float), np.array(self._centres, dtype=float)
        few = max(1, len(units) // 10)
        shares = centres / max(1.0, float(centres[0].sum()))
        occurring = units.sum(axis=0) > 0

        def named(values: np.ndarray) -> dict[str, float]:
            return {label: float(x) for label, x, occurs in zip(self.labels, values, occurring, strict=True) if occurs}

        return AnionsResult(
            labels=list(self.labels),
            n_frames=len(units),
            start=named(units[:few].mean(axis=0)),
            end=named(units[-few:].mean(axis=0)),
            centre_share_start=named(shares[:few].mean(axis=0)),
            centre_share_end=named(shares[-few:].mean(axis=0)),
        )

    def reactions(self) -> dict[str, ReactionsResult | Unavailable]:
        """Return the reaction graph of each role: events, rates with intervals, lifetimes."""
        answer: dict[str, ReactionsResult | Unavailable] = {}
        for role, counter in self._counters.items():
            try:
                graph = counter.graph()
            except AnalysisError as error:
                answer[role] = Unavailable.from_error(error)
                continue
            answer[role] = ReactionsResult(
                least_frames=LEAST_FRAMES,
                transitions=graph.transitions(),
                at_risk_atom_ps={
                    label: float(x) for label, x in zip(graph.labels, graph.at_risk_atom_ps, strict=True) if x > 0
                },
                lifetimes={
                    label: Lifetime(median_ps=curve.median_ps, n_stretches=curve.n_stretches, n_ended=curve.n_ended)
                    for label, curve in counter.lifetimes().items()
                },
            )
        return answer

    @property
    def n_atoms(self) -> dict[str, int]:
        """Number of atoms with each role."""
        return {role: int(mask.sum()) for role, mask in self._masks.items()}

    def shares(self) -> dict[str, dict[str, FloatArray]]:
        """Return shares against time: of the network formers in each anion, and of isolated anion formers."""
        units, centres = np.array(self._units, dtype=float), np.array(self._centres, dtype=float)
        n_formers, n_ligands = (self.n_atoms[role] for role in (FORMERS, LIGANDS))
        alone = self.labels[ALONE_CODE]
        return {
            FORMERS: dict(zip(self.labels, (centres / max(1, n_formers)).T, strict=True)),
            LIGANDS: {alone: units[:, ALONE_CODE] / max(1, n_ligands)},
        }

    def intact_share(self) -> FloatArray:
        """Return the fraction of the network formers in anions of an electrolyte, (n_frames,)."""
        centres = np.array(self._centres, dtype=float)
        return np.asarray(centres[:, :N_INTACT].sum(axis=1) / max(1, self.n_atoms[FORMERS]))

    def arrays(self) -> Mapping[str, FloatArray]:
        """Return time series of the number of anions and of the shares."""
        return {
            "phases.anion_time_ps": np.array(self._times),
            "phases.anion_counts": np.array(self._units, dtype=float),
            **{f"phases.centre_share {label}": share for label, share in self.shares()[FORMERS].items()},
        }
