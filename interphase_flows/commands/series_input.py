"""Growth law and verdict of a series of thicknesses and crossings from a CSV file, of any program."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.kinetics import GrowthKinetics, thickness_kinetics
from interphase_flows.analysis.growth.results import GrowthResult
from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.passivation.results import VerdictResult
from interphase_flows.analysis.passivation.verdict import Verdict
from interphase_flows.analysis.pipeline.parts.growth import cell_state, verdict_with_rates
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis, TrajectorySummary
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.exceptions import AnalysisError, InputError

TIME, THICKNESS, PASSED = "time_ps", "thickness_angstrom", "passed "
RESERVOIRS = {"electrode": "electrode_left_angstrom", "electrolyte": "electrolyte_left_angstrom"}
SERIES_PARTS = ("growth", "verdict")
ANY_TEMPERATURE_K = 300.0
"""A series has no temperature, and its analysis uses none."""
SIDE = "series"
"""Name of the interface of a series."""


def read_series(path: Path) -> dict[str, FloatArray]:
    """Read the columns of a CSV file by name.

    Raises
    ------
    InputError
        The file cannot be read, lacks a required column, or has a field that is not a number; with its line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV file ({error})") from error
    names = [name.strip() for name in lines[0][1]] if lines else []
    if missing := [name for name in (TIME, THICKNESS) if name not in names]:
        raise InputError(
            f"{path}: no column {', '.join(missing)} in its first line. Hint: name the columns {TIME}, {THICKNESS}, and "
            f"for a verdict {', '.join(RESERVOIRS.values())} and '{PASSED}Li at electrode side' (atoms/nm² since the "
            "first row)"
        )
    table = np.empty((len(lines) - 1, len(names)))
    for values, (number, row) in zip(table, lines[1:], strict=True):
        try:
            values[:] = np.array([float(field or "nan") for field in row]).reshape(len(names))
        except ValueError as error:
            raise InputError(
                f"{path}, line {number}: {len(row)} fields; {len(names)} numbers are required, one for each column"
            ) from error
    return {name: table[:, column] for column, name in enumerate(names)}


def analyse_series(path: Path, parts: Sequence[str]) -> InterfaceAnalysis:
    """Return growth law and verdict of the series of a CSV file.

    Raises
    ------
    InputError
        The file is not such a series, or another part is requested.
    """
    if unknown := [part for part in parts if part not in SERIES_PARTS]:
        raise InputError(f"{path}: a series has no {', '.join(unknown)}; choose from {', '.join(SERIES_PARTS)}")
    columns = read_series(path)
    history: dict[str, InterphaseHistory] = {}
    found: dict[str, Result | Unavailable] = {}
    if "growth" in (parts or SERIES_PARTS):
        found["growth"] = _growth(columns)
    if "verdict" in (parts or SERIES_PARTS):
        found["verdict"] = _verdict(columns, history)
    time_ps = columns[TIME]
    length = float(time_ps[-1] - time_ps[0]) if len(time_ps) else 0.0
    return InterfaceAnalysis(
        TrajectorySummary(n_frames=len(time_ps), n_atoms=0, elements=[], length_ps=length),
        InterfaceAnalysisSettings({}, {}, ANY_TEMPERATURE_K, ("transport",)),
        found,
        {f"{SIDE}.{name}": column for name, column in columns.items()},
        history,
    )


def _reservoirs(columns: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    return {side: columns[name] for side, name in RESERVOIRS.items() if name in columns}


def _growth(columns: Mapping[str, FloatArray]) -> GrowthResult | Unavailable:
    sides: dict[str, GrowthKinetics | Unavailable] = {}
    try:
        sides[SIDE] = thickness_kinetics(columns[TIME], columns[THICKNESS], reservoirs=_reservoirs(columns))
    except AnalysisError as error:
        return Unavailable.from_error(error)
    return GrowthResult(sides=sides)


def _verdict(columns: Mapping[str, FloatArray], history: dict[str, InterphaseHistory]) -> VerdictResult | Unavailable:
    passed = {name.removeprefix(PASSED): column for name, column in columns.items() if name.startswith(PASSED)}
    try:
        history[SIDE] = InterphaseHistory(columns[TIME], columns[THICKNESS], passed, _reservoirs(columns))
        judged: dict[str, Verdict | Unavailable] = {SIDE: verdict_with_rates([history[SIDE]])}
    except AnalysisError as error:
        return Unavailable.from_error(error)
    return VerdictResult(state=cell_state(judged.values()), sides=judged)
