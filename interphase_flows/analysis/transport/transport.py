"""How ions move in a trajectory of an interface: L_ij of the whole cell, against time, and slab by slab.

The whole cell, electrode included, is one medium only where no electrode is; its coefficients say how long steps must
be, and from that how long windows. Windows hold `STEPS_PER_WINDOW` steps in three dimensions, an error of some 20 %,
and windows of slabs `STEPS_PER_SLAB_WINDOW`, because the one axis along the normal needs three times as many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interphase_flows.analysis.geometry.frame_slice import FrameSlice
from interphase_flows.analysis.geometry.frames import elements_of
from interphase_flows.analysis.geometry.or_refused import or_refused
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.settings import InterfaceSettings
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.conduction import IonicConduction, ionic_conduction
from interphase_flows.analysis.transport.interface_slabs import common_frames, parts_of, slabs_between
from interphase_flows.analysis.transport.onsager import OnsagerRequest, onsager_matrix
from interphase_flows.analysis.transport.regions import RegionTransport, onsager_regions
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.analysis.transport.settings import TransportSettings, formal_charges
from interphase_flows.analysis.transport.summary import bounds, net_charge, told
from interphase_flows.analysis.transport.windows import OnsagerWindow, onsager_windows, window_bounds
from interphase_flows.exceptions import AnalysisError

STEPS_PER_WINDOW = 60
STEPS_PER_SLAB_WINDOW = 160
MOST_WINDOWS = 8
MOST_SLAB_WINDOWS = 2
"""With eight slabs of four elements a replica tells 120 kB, of the 1 MB that a document of all replicas may have."""
WINDOWS_UNGUIDED = 4
"""Windows of a trajectory that as a whole supports no number."""
LEAST_FOR_A_TREND = 3


@dataclass(frozen=True)
class TransportAnalysis:
    """What is told, and what replicas are pooled from."""

    values: dict[str, Any]
    onsager: OnsagerResult | None
    """Of the whole cell and trajectory."""
    conduction: IonicConduction | None


def transport_answer(
    frames: ProgressFrames,
    settings: InterfaceSettings,
    transport: TransportSettings,
    interfaces: Sequence[Interface],
    no_interface: str,
) -> TransportAnalysis:
    """Measure transport as far as the trajectory supports it.

    Parameters
    ----------
    frames
        The trajectory.
    settings, transport
        The two sides and the temperature; windows, charges and reference frame.
    interfaces
        Those whose boundaries can be followed.
    no_interface
        Why there is none, in words.

    Raises
    ------
    AnalysisError
        Neither the whole trajectory nor a window nor a slab supports a number; or a frame cannot be read.
    """
    return _Transport(frames, settings, transport, interfaces, no_interface).answer()


class _Transport:
    def __init__(
        self,
        frames: ProgressFrames,
        settings: InterfaceSettings,
        transport: TransportSettings,
        interfaces: Sequence[Interface],
        no_interface: str,
    ) -> None:
        self.frames, self.interfaces, self.no_interface = frames, interfaces, no_interface
        self.temperature_K, self.asked = settings.temperature_K, transport
        self.at_rest = transport.elements_at_rest(frames, settings.sides.anions)
        self.charges: dict[str, float] | None = None
        self.charges_words = ""
        try:
            if self.asked.charges_e is not None:
                self.charges, self.charges_words = dict(self.asked.charges_e), "as stated"
            else:
                self.charges, self.charges_words = formal_charges(settings.electrolyte, elements_of(frames))
        except AnalysisError as error:
            self.charges_words = str(error)
        self.whole: OnsagerResult | None = None
        self.length_ps = float(frames.time_fs[-1] - frames.time_fs[0]) / 1000.0
        self.n_numbers = 0

    def answer(self) -> TransportAnalysis:
        values: dict[str, Any] = {
            "frame": self.asked.frame,
            "at_rest": self.at_rest,
            "charges_e": self.charges,
            "charges_from": self.charges_words,
        }
        whole = values["whole"] = or_refused(self.frames, self._whole)
        values["windows"] = or_refused(self.frames, self._windows)
        values["slabs"] = or_refused(self.frames, self._slabs)
        if not self.n_numbers:
            raise AnalysisError(whole["refused"])
        conduction = None
        if self.whole is not None and self.charges is not None:
            charges = {symbol: self.charges[symbol] for symbol in self.whole.species}
            if any(charges.values()) and not net_charge(self.whole, charges)[1]:
                conduction = ionic_conduction(self.whole, charges)
        return TransportAnalysis(values, self.whole, conduction)

    def _whole(self) -> dict[str, Any]:
        self.whole = onsager_matrix(
            self.frames, temperature_K=self.temperature_K, frame=self.asked.frame, at_rest=self.at_rest
        )
        found = self._told(self.whole)
        if self.charges is not None:
            net, is_charged = net_charge(self.whole, self.charges)
            if is_charged:
                found["conduction"] = {
                    "refused": f"these charges add up to {net:.4g} e in the cell: metal of the electrode would count as "
                    "ions, and the number would depend on the frame; look at the slabs, or state charges"
                }
        return found

    def _windows(self) -> dict[str, Any]:
        window_ps, chosen = self._window_ps(STEPS_PER_WINDOW, MOST_WINDOWS, least=2)
        found = onsager_windows(
            self.frames,
            window_ps=window_ps,
            temperature_K=self.temperature_K,
            frame=self.asked.frame,
            at_rest=self.at_rest,
        )
        rows = [
            {"start_ps": each.start_ps, "end_ps": each.end_ps}
            | self._told_or_refused(each.result, each.refusal)
            for each in found
        ]
        answer: dict[str, Any] = {"window_ps": window_ps, "chosen": chosen, "rows": rows}
        if (trend := trend_of(found)) is not None:
            answer["change_per_eV_angstrom_ps_ns"] = bounds(trend)
        return answer

    def _slabs(self) -> dict[str, Any]:
        if not self.interfaces:
            raise AnalysisError(
                "no slabs without boundaries; why there are none is told with them"
                if self.no_interface
                else "no slabs without boundaries, which were not asked for; add the part boundaries"
            )
        first, end = common_frames(self.interfaces)
        window_ps, chosen = self._window_ps(STEPS_PER_SLAB_WINDOW, MOST_SLAB_WINDOWS, least=0)
        followed = FrameSlice(self.frames, first, end - first)
        question = OnsagerRequest(self.temperature_K, None, self.asked.frame, self.at_rest, None, 0.95)
        parts = [parts_of(each) for each in self.interfaces]
        cut = slabs_between(self.frames, self.interfaces, parts)
        window_ps = min(window_ps, float(followed.time_fs[-1] - followed.time_fs[0]) / 1000.0)
        bounds_of_windows = list(window_bounds(followed, window_ps))
        found = onsager_regions(followed, lambda index: cut(first + index), bounds_of_windows, question)
        return {
            "window_ps": window_ps,
            "chosen": chosen,
            "names": list(dict.fromkeys(each.name for each in found)),
            "rows": [self._slab(each) for each in found],
        }

    def _slab(self, each: RegionTransport) -> dict[str, Any]:
        return {
            "name": each.name,
            "start_ps": each.start_ps,
            "end_ps": each.end_ps,
            "lower_angstrom": each.lower_angstrom,
            "upper_angstrom": each.upper_angstrom,
            "n_atoms": each.n_atoms,
            "fraction_staying": each.fraction_staying,
            "in_plane": self._told_or_refused(each.in_plane, each.in_plane_refusal),
            "normal": self._told_or_refused(each.normal, each.normal_refusal),
        }

    def _window_ps(self, steps: int, most: int, least: int) -> tuple[float, str]:
        """Return the length of windows and why, in words."""
        if self.asked.window_ps is not None:
            return self.asked.window_ps, "as stated"
        if self.whole is None:
            return self.length_ps / WINDOWS_UNGUIDED, (
                f"a {WINDOWS_UNGUIDED}th of a trajectory that as a whole supports no number"
            )
        n = min(most, self.whole.n_steps // steps)
        if n < least:
            raise AnalysisError(
                f"{self.length_ps:g} ps hold {self.whole.n_steps} steps of {self.whole.step_ps:g} ps; {least} windows "
                f"of {steps} take {least * steps * self.whole.step_ps:g} ps; run longer, or state a length yourself"
            )
        n = max(n, 1)
        return self.length_ps / n, (
            f"{n} of {max(self.whole.n_steps // n, 1)} steps of {self.whole.step_ps:g} ps"
        )

    def _told_or_refused(self, result: OnsagerResult | None, refusal: str | None) -> dict[str, Any]:
        return {"refused": refusal} if result is None else self._told(result)

    def _told(self, result: OnsagerResult) -> dict[str, Any]:
        self.n_numbers += 1
        return told(result, self.charges)


def trend_of(windows: Sequence[OnsagerWindow]) -> Estimate | None:
    """Return by how much L_ij changes, (n_species, n_species), 1/(eV Å ps) per ns; None for fewer than three windows.

    The slope is that of least squares without weights: the error of a coefficient grows with its value, so
    weights would favour the windows that happen to be low.
    """
    known = [each for each in windows if each.result is not None]
    if len(known) < LEAST_FOR_A_TREND:
        return None
    results = [each.result for each in known if each.result is not None]
    time_ns = np.array([0.5 * (each.start_ps + each.end_ps) for each in known]) / 1000.0
    centred = time_ns - time_ns.mean()
    weights = centred / (centred @ centred)
    value = np.einsum("t,tij->ij", weights, np.array([each.onsager.value for each in results]))
    errors = np.array([each.onsager.standard_error for each in results])
    error = np.sqrt(np.einsum("t,tij->ij", weights**2, errors**2))
    return Estimate.symmetric(value, error, confidence=results[0].confidence)
