"""Onsager transport of an interface trajectory: coefficients of the entire cell, in time windows, and by slab.

The entire cell is a homogeneous medium only if it contains no electrode. Its coefficients determine the coarse-graining
step and hence the default length of the windows: `STEPS_PER_WINDOW` steps in three dimensions give errors of about
20 %. Slabs need `STEPS_PER_SLAB_WINDOW` steps, because the single axis along the normal takes three times as many.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.geometry.frame_slice import FrameSlice
from interphase_flows.analysis.geometry.frames import elements_of
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.settings import InterfaceSettings
from interphase_flows.analysis.results import Unavailable, or_unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.interface_slabs import common_frames, parts_of, slabs_between
from interphase_flows.analysis.transport.onsager import OnsagerOptions, OnsagerRequest, onsager_matrix
from interphase_flows.analysis.transport.regions import (
    OnsagerWindow,
    onsager_regions,
    onsager_windows,
    window_bounds,
)
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.analysis.transport.settings import TransportSettings, formal_charges
from interphase_flows.analysis.transport.summary import (
    OnsagerSummary,
    TransportResult,
    TransportSlab,
    TransportSlabs,
    TransportWindow,
    TransportWindows,
    net_charge,
    summarise_onsager,
)
from interphase_flows.exceptions import AnalysisError

STEPS_PER_WINDOW = 60
STEPS_PER_SLAB_WINDOW = 160
MOST_WINDOWS = 8
MOST_SLAB_WINDOWS = 2
"""Eight slabs of four elements take 120 kB per replica, of the 1 MB that the document of all replicas may have."""
DEFAULT_WINDOWS = 4
"""Windows if the entire trajectory gives no coarse-graining step to choose their length by."""
LEAST_FOR_A_TREND = 3


def analyse_transport(
    frames: ProgressFrames,
    settings: InterfaceSettings,
    transport: TransportSettings,
    interfaces: Sequence[Interface],
    no_interface: str,
) -> TransportResult:
    """Measure Onsager coefficients of the entire cell, in time windows, and by slab between the interfaces.

    `no_interface` is why there are no interfaces; empty if boundaries were not requested. Raises AnalysisError if
    neither the entire trajectory nor a window nor a slab supports a coefficient, or a frame cannot be read.
    """
    return _Transport(frames, settings, transport, interfaces, no_interface).analyse()


@dataclass
class _Transport:
    frames: ProgressFrames
    sides: InterfaceSettings
    settings: TransportSettings
    interfaces: Sequence[Interface]
    no_interface: str

    def __post_init__(self) -> None:
        frames, settings, transport = self.frames, self.sides, self.settings
        self.temperature_K = settings.temperature_K
        self.at_rest = transport.elements_at_rest(frames, settings.anion_elements)
        self.options: OnsagerOptions = {
            "frame": transport.frame,
            "at_rest": self.at_rest,
            "step_ps": transport.step_ps,
            "confidence": transport.confidence,
        }
        self.charges: dict[str, float] | None = None
        try:
            if transport.charges_e is not None:
                self.charges, self.charges_from = dict(transport.charges_e), "as specified"
            else:
                self.charges, self.charges_from = formal_charges(settings.electrolyte, elements_of(frames))
        except AnalysisError as error:
            self.charges_from = str(error)
        self.length_ps = float(frames.time_fs[-1] - frames.time_fs[0]) / 1000.0
        self.n_available = 0

    def analyse(self) -> TransportResult:
        entire_cell = or_unavailable(self.frames, self._measure_entire_cell)
        windows = or_unavailable(self.frames, lambda: self._windows(entire_cell))
        slabs = or_unavailable(self.frames, lambda: self._slabs(entire_cell))
        if not self.n_available:
            assert isinstance(entire_cell, Unavailable)
            raise AnalysisError(str(entire_cell))
        return TransportResult(
            frame=self.settings.frame,
            at_rest=self.at_rest,
            charges_e=self.charges,
            charges_from=self.charges_from,
            entire_cell=entire_cell,
            windows=windows,
            slabs=slabs,
        )

    def _measure_entire_cell(self) -> OnsagerSummary:
        summary = self._summary(self._matrix())
        assert not isinstance(summary, Unavailable)
        if self.charges is None:
            return summary
        net = net_charge(summary.species, summary.n_atoms, self.charges)
        if net is None:
            return summary
        reason = (
            f"the net charge of the cell is {net:.4g} e with these charges, because the metal of the electrode is "
            "counted as ions; the conductivity would depend on the reference frame. Hint: use the slabs, or set other "
            "charges"
        )
        return summary.model_copy(update={"conduction": Unavailable(reason=reason)})

    def _matrix(self) -> OnsagerResult:
        directions = self.settings.directions
        return onsager_matrix(self.frames, temperature_K=self.temperature_K, directions=directions, **self.options)

    def _windows(self, entire_cell: OnsagerSummary | Unavailable) -> TransportWindows:
        window_ps, chosen = self._window_ps(entire_cell, STEPS_PER_WINDOW, MOST_WINDOWS, least=2)
        windows = onsager_windows(
            self.frames,
            window_ps=window_ps,
            temperature_K=self.temperature_K,
            directions=self.settings.directions,
            **self.options,
        )
        rows = tuple(
            TransportWindow(start_ps=each.start_ps, end_ps=each.end_ps, coefficients=self._summary(each.result))
            for each in windows
        )
        return TransportWindows(
            window_ps=window_ps, chosen=chosen, rows=rows, change_per_eV_angstrom_ps_ns=trend_of(windows)
        )

    def _slabs(self, entire_cell: OnsagerSummary | Unavailable) -> TransportSlabs:
        if not self.interfaces:
            raise AnalysisError(
                "slabs need boundaries, which are unavailable for the reason given there"
                if self.no_interface
                else "slabs need boundaries, which were not requested. Hint: add the part boundaries"
            )
        first, end = common_frames(self.interfaces)
        window_ps, chosen = self._window_ps(entire_cell, STEPS_PER_SLAB_WINDOW, MOST_SLAB_WINDOWS, least=0)
        followed = FrameSlice(self.frames, first, end - first)
        request = OnsagerRequest(self.temperature_K, **self.options)
        cut = slabs_between(self.frames, self.interfaces, [parts_of(each) for each in self.interfaces])
        window_ps = min(window_ps, float(followed.time_fs[-1] - followed.time_fs[0]) / 1000.0)
        windows = list(window_bounds(followed, window_ps))
        slabs = onsager_regions(followed, lambda index: cut(first + index), windows, request)
        rows = tuple(
            TransportSlab(
                **vars(each) | {"in_plane": self._summary(each.in_plane), "normal": self._summary(each.normal)}
            )
            for each in slabs
        )
        names = tuple(dict.fromkeys(each.name for each in slabs))
        return TransportSlabs(window_ps=window_ps, chosen=chosen, names=names, rows=rows)

    def _window_ps(
        self, entire_cell: OnsagerSummary | Unavailable, steps: int, most: int, least: int
    ) -> tuple[float, str]:
        """Return the length of the windows and how it was chosen."""
        if self.settings.window_ps is not None:
            return self.settings.window_ps, "as specified"
        if isinstance(entire_cell, Unavailable):
            return self.length_ps / DEFAULT_WINDOWS, (
                f"1/{DEFAULT_WINDOWS} of the trajectory, which supports no coefficients over its entire length"
            )
        n = min(most, entire_cell.n_steps // steps)
        if n < least:
            raise AnalysisError(
                f"the trajectory of {self.length_ps:g} ps has {entire_cell.n_steps} steps of {entire_cell.step_ps:g} ps, "
                f"but {least} windows of {steps} steps need {least * steps * entire_cell.step_ps:g} ps. Hint: run "
                "longer, or set the length of the windows"
            )
        n = max(n, 1)
        return (
            self.length_ps / n,
            f"{n} of {max(entire_cell.n_steps // n, 1)} steps of {entire_cell.step_ps:g} ps",
        )

    def _summary(self, result: OnsagerResult | Unavailable) -> OnsagerSummary | Unavailable:
        if isinstance(result, Unavailable):
            return result
        self.n_available += 1
        return summarise_onsager(result, self.charges)


def trend_of(windows: Sequence[OnsagerWindow]) -> Estimate | None:
    """Return the slope of L_ij, (n_species, n_species), 1/(eV Å ps) per ns; None for fewer than three windows.

    The least-squares fit is unweighted: the error of a coefficient grows with its value, so weights would favour
    windows with low values.
    """
    known = [
        (0.5 * (each.start_ps + each.end_ps), each.result)
        for each in windows
        if not isinstance(each.result, Unavailable)
    ]
    if len(known) < LEAST_FOR_A_TREND:
        return None
    time_ns = np.array([time_ps for time_ps, _ in known]) / 1000.0
    centred = time_ns - time_ns.mean()
    weights = centred / (centred @ centred)
    value = np.einsum("t,tij->ij", weights, np.array([result.onsager.value for _, result in known]))
    errors = np.array([result.onsager.standard_error for _, result in known])
    error = np.sqrt(np.einsum("t,tij->ij", weights**2, errors**2))
    return Estimate.symmetric(value, error, confidence=known[0][1].confidence)
