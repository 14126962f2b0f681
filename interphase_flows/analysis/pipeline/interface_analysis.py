"""Everything that one trajectory of an interface says of its interphase, part by part.

A part that the trajectory cannot answer says so in words, and the others go on. What is asked is a
`InterfaceAnalysisSettings`; `boundaries` are found for every part but `transport`, because the others rest on them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource, elements_of, require_frames
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.geometry.rdf_cutoffs import PairCutoffs
from interphase_flows.analysis.growth.kinetics import LEAST_FRAMES, GrowthKinetics, thickness_kinetics
from interphase_flows.analysis.interfaces.boundaries import BoundarySeries
from interphase_flows.analysis.interfaces.detection import (
    NO_INTERFACE,
    Interface,
    find_interfaces,
    interfaces_of,
)
from interphase_flows.analysis.interfaces.fluxes import crossings_of, flux_table, passed_of
from interphase_flows.analysis.interfaces.plane_flux import CrossingSeries
from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.passivation.rate_history import rate_history
from interphase_flows.analysis.passivation.trapping_by_interface import trapping_answer
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.analysis.phases.phase_references import PhaseReferences
from interphase_flows.analysis.phases.phases import phases_of
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.analysis.plain import plain
from interphase_flows.analysis.profiles.interface_profiles import analyse_profiles
from interphase_flows.analysis.profiles.results import ProfilesResult
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.analysis.transport.driven_flux import driven_by_gradients
from interphase_flows.analysis.transport.interface_transport import analyse_transport
from interphase_flows.analysis.transport.summary import TransportResult
from interphase_flows.exceptions import AnalysisError

FEW_FOUND = 0.5
"""Share of the cuts with an end, below which boundaries of a frame are told to be unsure."""


@dataclass(frozen=True)
class InterfaceAnalysis:
    """What a trajectory says, in plain numbers, and what replicas are pooled from."""

    values: dict[str, Any]
    """By part: numbers and words that JSON can hold; ``refused`` is why a part has no answer."""
    arrays: dict[str, FloatArray]
    """Series against time, named ``side.quantity``."""
    kinetics: dict[str, GrowthKinetics] = field(default_factory=dict)
    """By interface."""
    histories: dict[str, InterphaseHistory] = field(default_factory=dict)
    """By interface."""
    transport: TransportResult | None = None


def analyse_interface(
    frames: FrameSource,
    question: InterfaceAnalysisSettings,
    *,
    told_as: str = "analyse",
    references: PhaseReferences | None = None,
) -> InterfaceAnalysis:
    """Answer every part that is asked for.

    Parameters
    ----------
    frames
        The trajectory, positions unwrapped. Its first frame is taken as the moment of contact.
    question
        What is asked.
    told_as
        Name of the stages that progress is told by.
    references
        Phases at temperature that atoms are compared with.

    Raises
    ------
    AnalysisError
        The trajectory is empty, holds other elements than the two sides, or has a frame that cannot be read.
    """
    require_frames(frames)
    question.check(frames)
    return _Surveyor(ProgressFrames(frames), question, told_as, references).analyse_interface()


class _Surveyor:
    def __init__(
        self,
        frames: ProgressFrames,
        question: InterfaceAnalysisSettings,
        told_as: str,
        references: PhaseReferences | None,
    ) -> None:
        self.frames, self.question, self.told_as = frames, question, told_as
        self.references = references
        self.cutoffs = PairCutoffs(frames)
        self.values: dict[str, Any] = {}
        self.arrays: dict[str, FloatArray] = {}
        self.interfaces: list[Interface] = []
        self.no_interface = ""
        self.crossings: dict[str, CrossingSeries] = {}
        self.kinetics: dict[str, GrowthKinetics] = {}
        self.histories: dict[str, InterphaseHistory] = {}
        self.transport: TransportResult | None = None

    def analyse_interface(self) -> InterfaceAnalysis:
        parts = self.question.parts
        time_ps = np.asarray(self.frames.time_fs, dtype=float) / 1000.0
        self.values["trajectory"] = {
            "n_frames": self.frames.n_frames,
            "n_atoms": self.frames.n_atoms,
            "elements": list(elements_of(self.frames)),
            "length_ps": float(time_ps[-1] - time_ps[0]),
        }
        self.values["question"] = plain(self.question)
        if set(parts) - {"transport"}:
            boundaries = self._answered("boundaries", self._boundaries)
            self.no_interface = boundaries.get("refused", "")
        answers: dict[str, Callable[[], dict[str, Any] | Result]] = {
            "kinetics": self._kinetics,
            "transport": self._transport,
            "trapping": self._trapping,
            "fluxes": self._fluxes,
            "verdict": self._verdict,
            "profiles": self._profiles,
            "phases": self._phases,
        }
        for name, answer in answers.items():
            if name in parts:
                self._answered(name, answer)
        return InterfaceAnalysis(self.values, self.arrays, self.kinetics, self.histories, self.transport)

    def _answered(self, name: str, answer: Callable[[], dict[str, Any] | Result]) -> dict[str, Any]:
        self.frames.stage = f"{self.told_as} {name}"
        found: dict[str, Any] | Result
        try:
            found = answer()
        except AnalysisError as error:
            if self.frames.damage is not None:
                raise
            found = {"refused": str(error)}
        self.values[name] = plain(found)
        return dict(self.values[name])

    def _boundaries(self) -> dict[str, Any]:
        found, widths, notes = find_interfaces(self.frames, self.question.sides)
        self.interfaces, told = interfaces_of(self.frames, self.question.sides, found)
        notes += told
        if not self.interfaces:
            raise AnalysisError("; ".join(notes))
        return {
            "widths_angstrom": [w for w, t in zip(widths, found.tolerances, strict=True) if np.isfinite(t)],
            "tolerances": [t for t in found.tolerances if np.isfinite(t)],
            "notes": notes,
            "sides": {each.name: self._side(each, found) for each in self.interfaces},
        }

    def _side(self, each: Interface, found: BoundarySeries) -> dict[str, Any]:
        column = found.sides.index(each.name)
        rows = slice(each.first_frame, each.first_frame + len(each.time_ps))
        for name, series in (
            ("time_ps", each.time_ps),
            ("thickness_angstrom", each.thickness_angstrom),
            ("thickness_spread_angstrom", found.thickness_spread_angstrom[rows, column]),
            ("electrode_side_angstrom", each.electrode_side_angstrom),
            ("electrolyte_side_angstrom", each.electrolyte_side_angstrom),
            ("found_share", found.found_share[rows, column]),
            *((f"{side}_left_angstrom", left) for side, left in each.reservoirs.items()),
        ):
            self.arrays[f"{each.name}.{name}"] = series
        few = max(1, len(each.time_ps) // 10)
        last = found.population[rows, column][each.is_found][-few:].mean(axis=0)
        return {
            "thickness_start_angstrom": float(each.thickness_angstrom[:few].mean()),
            "thickness_end_angstrom": float(each.thickness_angstrom[-few:].mean()),
            "spread_over_cuts_angstrom": float(np.nanmedian(found.thickness_spread_angstrom[rows, column])),
            "share_of_unsure_frames": float((found.found_share[rows, column] < FEW_FOUND).mean()),
            "atoms_end": dict(zip(found.elements, last.tolist(), strict=True)),
            "followed_until_ps": float(each.time_ps[-1]),
        }

    def _kinetics(self) -> dict[str, Any]:
        self._require_interfaces()
        return self._by_side(self._growth)

    def _growth(self, each: Interface) -> GrowthKinetics:
        known = each.is_found
        if known.sum() < LEAST_FRAMES:
            raise AnalysisError(
                f"{known.sum()} frames with boundaries; a law of growth needs {LEAST_FRAMES} at least, and a decision "
                "among seven laws more: run longer, or write frames more often"
            )
        found = thickness_kinetics(
            each.time_ps[known],
            each.thickness_angstrom[known],
            reservoirs={name: left[known] for name, left in each.reservoirs.items()},
        )
        self.kinetics[each.name] = found
        return found

    def _transport(self) -> TransportResult:
        self.transport = analyse_transport(
            self.frames, self.question, self.question.transport, self.interfaces, self.no_interface
        )
        return self.transport

    def _trapping(self) -> dict[str, Any]:
        self._require_interfaces()
        return trapping_answer(self.frames, self.question, self.interfaces)

    def _fluxes(self) -> dict[str, Any]:
        self._require_interfaces()
        answer: dict[str, Any] = {"crossings": self._by_side(self._flux_rows)}
        if self.transport is None or isinstance(self.transport.whole, Unavailable):
            answer["gradients"] = {"refused": "no Onsager coefficients, see transport"}
        else:
            try:
                along = onsager_matrix(
                    self.frames, temperature_K=self.question.temperature_K, directions="normal"
                )
                answer["gradients"] = driven_by_gradients(
                    self.frames, along, self.interfaces, self.question.temperature_K
                )
            except AnalysisError as error:
                if self.frames.damage is not None:
                    raise
                answer["gradients"] = {"refused": str(error)}
        return answer

    def _flux_rows(self, each: Interface) -> dict[str, Any]:
        counted = self._crossings(each)
        for name, series in passed_of(each, counted).items():
            self.arrays[f"{each.name}.passed {name}"] = series
        return {"rows": flux_table(each, counted)}

    def _crossings(self, each: Interface) -> CrossingSeries:
        if each.name not in self.crossings:
            self.crossings[each.name] = crossings_of(self.frames, each)
        return self.crossings[each.name]

    def _verdict(self) -> dict[str, Any]:
        self._require_interfaces()
        sides = self._by_side(self._side_verdict)
        state = overall([each.get("state", "undecided") for each in sides.values()])
        return {"state": state, "sides": sides}

    def _side_verdict(self, each: Interface) -> dict[str, Any]:
        counted = self._crossings(each)
        history = InterphaseHistory(
            each.time_ps,
            each.thickness_angstrom,
            passed_of(each, counted),
            each.reservoirs,
            area_nm2=float(counted.area_nm2.mean()),
        )
        self.histories[each.name] = history
        return judged_with_rates([history])

    def _profiles(self) -> ProfilesResult:
        values, arrays = analyse_profiles(self.frames, self.question, self.interfaces, self.cutoffs)
        self.arrays |= arrays
        return values

    def _phases(self) -> dict[str, Any]:
        values, arrays = phases_of(self.frames, self.question, self.interfaces, self.references, self.cutoffs)
        self.arrays |= arrays
        return values

    def _by_side(self, answer: Callable[[Interface], Any]) -> dict[str, dict[str, Any]]:
        found = {}
        for each in self.interfaces:
            try:
                found[each.name] = plain(answer(each))
            except AnalysisError as error:
                if self.frames.damage is not None:
                    raise
                found[each.name] = {"refused": str(error)}
        return found

    def _require_interfaces(self) -> None:
        if not self.interfaces:
            raise AnalysisError(NO_INTERFACE)


def judged_with_rates(histories: Sequence[InterphaseHistory]) -> dict[str, Any]:
    """Return the verdict of an interface in plain numbers, and under ``rates`` what it rests on against time.

    Raises
    ------
    AnalysisError
        As `passivation.verdict.verdict`.
    """
    judged = verdict(histories)
    rates = None if judged.windows_ps is None else rate_history(histories, judged)
    return {**plain(judged), "rates": plain(rates)}


def overall(states: Sequence[str]) -> str:
    """Return the verdict of a cell from those of its interfaces: one that ran out or grows speaks for all."""
    for state in ("depleted", "growing"):
        if state in states:
            return state
    return "passivated" if states and set(states) == {"passivated"} else "undecided"
