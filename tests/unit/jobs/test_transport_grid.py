"""Transport of one cell, and of all cells of a grid, from trajectories with known coefficients."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
from ase import Atoms

import loop_documents as documents
from interphase_flows.analysis.pipeline.results import TrajectorySummary
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.composition_grid.results import CellTransportResult, CommitteeTrust
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.cell_transport import CellTransportMaker, line_and_rest
from interphase_flows.jobs.transport_grid import GridFitMaker
from interphase_flows.md.trajectory_writer import TrajectoryWriter, pack
from interphase_flows.schemas.analysis import InterfaceAnalysisDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.schemas.transport import CellTransportDoc, TransportGridDoc
from interphase_flows.units import KB_EV_PER_K
from onsager_draws import cell_transport

EDGE_ANGSTROM = 12.0
COUNTS = {"Li": 31, "P": 3, "S": 11}
HOPS_ANGSTROM = {"Li": 0.3, "P": 0.05, "S": 0.1}
"""Per axis and frame of 100 fs."""


def diffusing(
    workspace,
    run_id: str,
    temperature_K: float = 900.0,
    n_frames: int = 800,
    faster_later: float = 1.0,
    **changes,
) -> SegmentDoc:
    """A segment of independent atoms that hop at random."""
    random = np.random.default_rng(sum(run_id.encode()))
    symbols = [symbol for symbol, n in COUNTS.items() for _ in range(n)]
    atoms = Atoms(symbols, random.random((45, 3)) * EDGE_ANGSTROM, cell=[EDGE_ANGSTROM] * 3, pbc=True)
    hops = np.array([HOPS_ANGSTROM[symbol] for symbol in symbols])[:, None]
    folder = workspace.root / f"trajectory-{run_id}"
    writer = TrajectoryWriter(folder, atoms)
    for step in range(n_frames):
        if step == n_frames // 2:
            hops *= faster_later
        atoms.positions += random.normal(size=(45, 3)) * hops
        writer.append(atoms, step=step, time_fs=100.0 * step, temperature_K=temperature_K, potential_energy_eV=0.0)
    writer.flush()
    packed = pack(folder, workspace.root / f"{run_id}.zarr.zip")
    fields = {
        "role": "transport",
        "n_atoms": 45,
        "temperature_target_K": temperature_K,
        "trajectory": workspace.artifacts.put_file(packed, "trajectories", ".zarr.zip"),
        "uncertainty_steps": [0, 100, 200, 300],
        "uncertainty_eV_per_angstrom": [0.01, 0.15, 0.2, 0.4],
    }
    return documents.segment(run_id, **(fields | changes))


def measure(*segments, before=()) -> CellTransportResult:
    document = CellTransportMaker.make.original(
        CellTransportMaker(), "grid-x0.530-0-900K", "grid-x0.530-0", 0.53, 45, 900.0,
        list(before), list(segments), documents.committee(),
    )  # fmt: skip
    return document.result


def test_cell_transport_is_relative_to_sulfur(workspace):
    """Independent atoms: L_LiLi = (N_Li D_Li + N_Li² D_S / N_S) / kTV, L_LiP = N_Li N_P D_S / (N_S kTV)."""
    result = measure(diffusing(workspace, "one"))
    assert result.rejection == ""
    assert result.species == ("Li", "P")
    assert result.x_electrode == pytest.approx(24 / 45)
    onsager = result.coefficients.onsager_per_eV_angstrom_ps
    d = {symbol: hop**2 / (2 * 0.1) for symbol, hop in HOPS_ANGSTROM.items()}
    kTV = KB_EV_PER_K * 900.0 * EDGE_ANGSTROM**3
    truth = np.array(
        [
            [31 * d["Li"] + 31**2 * d["S"] / 11, 31 * 3 * d["S"] / 11],
            [31 * 3 * d["S"] / 11, 3 * d["P"] + 3**2 * d["S"] / 11],
        ]
    )
    assert (onsager.lower <= truth / kTV).all()
    assert (truth / kTV <= onsager.upper).all()
    assert (np.diag(onsager.upper) < 2.5 * np.diag(truth) / kTV).all()


def test_committee_evaluations_are_counted_from_the_melt_on(workspace):
    """Thresholds of 0.1 and 0.3 eV/Å; evaluations of the equilibration count, its frames are not measured."""
    before = documents.segment("melt", uncertainty_eV_per_angstrom=[0.5, 0.05])
    result = measure(diffusing(workspace, "one"), before=[before])
    assert result.trust == CommitteeTrust(n_evaluations=6, n_above_select=4, n_above_stop=2)


def test_short_broken_and_incomplete_runs_are_rejected_with_a_reason(workspace):
    short = measure(diffusing(workspace, "short", n_frames=20))
    assert "supports no transport coefficient" in short.rejection
    broken = measure(
        diffusing(
            workspace,
            "broken",
            stop_reason="runaway_temperature",
            explanation="at step 7: 9000 K, limit 2700 K",
        )
    )
    assert broken.rejection == "the run broke at 900 K (runaway_temperature): at step 7: 9000 K, limit 2700 K"
    assert "a job of this run failed" in measure(diffusing(workspace, "one"), None).rejection
    for result in (short, broken):
        assert result.coefficients is None
        assert result.x_electrode == pytest.approx(24 / 45)


def test_coefficients_of_a_nonstationary_run_are_kept_but_rejected(workspace):
    result = measure(diffusing(workspace, "faster", faster_later=4.0))
    assert "the halves of the run differ" in result.rejection
    assert result.coefficients is not None


def cell(x: float, temperature_K: float, number: int = 0, scale: float = 1.0, **changes) -> CellTransportDoc:
    """A measurement with Arrhenius' law of 0.3 and 0.5 eV for kB T L."""
    value = np.diag(np.exp([1.0, 0.5] - np.array([0.3, 0.5]) / (KB_EV_PER_K * temperature_K) + x))
    value *= 800.0 / temperature_K
    value[0, 1] = value[1, 0] = 0.2 * np.sqrt(value[0, 0] * value[1, 1])
    spread = 0.1 * np.sqrt(np.outer(np.diag(value), np.diag(value)))
    onsager = Estimate(value, value - spread, value + spread, standard_error=spread / 2).scaled(scale)
    result = cell_transport(x, temperature_K, onsager, number, **changes)
    return CellTransportDoc(key=f"{result.run_id}{scale}{changes}", input_keys=[], result=result)


def interphase(workspace, n_replicas: int = 1, others_K: Sequence[float] = ()) -> InterfaceAnalysisDoc:
    """Profiles of 24 slices and 4 time blocks, one half of which has the composition x = 0.4.

    Replicas at other temperatures come first, have more slices and contain nothing.
    """
    line, _ = line_and_rest("Li", "Li7P3S11", {})
    density = 50.0 * np.stack([line.shares(x) for x in np.repeat([0.4, 0.9], 12)], axis=1)
    runs = [f"replica-{number}" for number in range(n_replicas)]
    arrays = {
        "edges_angstrom": np.linspace(0.0, 24.0, 25),
        "block_ps": np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]),
        "block_period_angstrom": np.full(4, 24.0),
        "atoms_per_nm3": np.repeat(density[None], 4, axis=0),
    }
    stored = {f"{run}/profiles.{name}": array for run in runs for name, array in arrays.items()}
    summary = TrajectorySummary(n_frames=4, n_atoms=24, elements=list(line.elements), length_ps=4.0)
    summaries = dict.fromkeys(runs, summary)
    for temperature_K in others_K:
        empty = {"edges_angstrom": np.linspace(0.0, 48.0, 49), "atoms_per_nm3": np.zeros((4, len(line.elements), 48))}
        stored |= {f"at {temperature_K:g} K/profiles.{name}": array for name, array in (arrays | empty).items()}
        summaries[f"at {temperature_K:g} K"] = summary.model_copy(update={"temperature_K": temperature_K})
    buffer = io.BytesIO()
    np.savez(buffer, **stored)
    return InterfaceAnalysisDoc(
        key="interphase",
        input_keys=[],
        references_key=None,
        analysis_settings=InterfaceAnalysisSettings(dict(line.electrode), dict(line.electrolyte), 800.0),
        trajectories=summaries,
        documents={"profiles": "profiles"},
        artifact=workspace.artifacts.put_bytes(buffer.getvalue(), "analyses", ".npz"),
    )


def fit(cells, profile=None) -> TransportGridDoc:
    return GridFitMaker.make.original(GridFitMaker(temperature_K=800.0), cells, profile)


def test_grid_has_the_energies_of_its_cells_and_local_coefficients(workspace):
    cells = [cell(x, t) for x in (0.2, 0.4, 0.6) for t in (700.0, 900.0, 1100.0)]
    document = fit(cells, interphase(workspace))
    result = document.result
    energies = [each.lines["Li"].activation_energy_eV.value for each in result.compositions]
    assert energies == pytest.approx([0.3] * 3)
    assert result.grid.x_electrode == (0.2, 0.4, 0.6)
    assert result.grid.warnings == ()
    assert result.local.species == ("Li", "P", "S")
    assert result.local.profile == "mean over 3 to 4 ps"
    assert 6 <= result.local.n_available < result.local.n_slices == 24
    with np.load(workspace.artifacts.get(document.artifact)) as arrays:
        middle = np.argmin(np.abs(arrays["curve/x_electrode"] - 0.5))
        expected = np.exp(1.0 - 0.3 / (KB_EV_PER_K * 800.0) + 0.5)
        assert arrays["curve/value"][middle, 0, 0] == pytest.approx(expected, rel=1e-3)
        assert np.isfinite(arrays["local/value"][5]).all()
        assert arrays["line/0.2000/Li/lower"].shape == arrays["line/0.2000/Li/temperature_K"].shape


def test_profile_is_of_the_replicas_at_the_temperature_of_production(workspace):
    cells = [cell(x, t) for x in (0.2, 0.4, 0.6) for t in (700.0, 900.0, 1100.0)]
    alone, beside = (fit(cells, interphase(workspace, 2, others_K)) for others_K in ((), (450.0, 900.0)))
    assert beside.result.local == alone.result.local


def test_scatter_between_cells_is_estimated_from_their_runs(workspace):
    """Three cells, the second of which is four times as fast at every temperature."""
    cells = [
        cell(x, t, n, scale=4.0 if n == 1 else 1.0)
        for x in (0.2, 0.4)
        for n in range(3)
        for t in (700.0, 900.0, 1100.0)
    ]
    (first, _) = fit(cells).result.compositions
    assert first.n_cells == 3
    assert first.lines["Li"].notes == ("cells differ by 78 % beyond the errors of their runs",)
    assert first.lines["Li"].error_scale == 1.0


def test_infinite_upper_bounds_survive_storage(workspace):
    """JSON stores infinity as null; the fit still uses the lower bound of the run."""
    cells = [cell(x, t) for x in (0.2, 0.4) for t in (700.0, 900.0, 1100.0)]
    cells[0].result.coefficients.onsager_per_eV_angstrom_ps.upper[1, 1] = np.inf
    stored = [CellTransportDoc.model_validate_json(each.model_dump_json()) for each in cells]
    assert np.isnan(stored[0].result.coefficients.onsager_per_eV_angstrom_ps.upper[1, 1])
    line = fit(stored).result.compositions[0].lines["P"]
    assert line.n_points == 3
    assert line.activation_energy_eV.is_known


def test_a_species_without_arrhenius_lines_is_left_out_of_the_grid(workspace):
    """Phosphorus has a number at two temperatures only; the interphase then lacks it."""
    cells = [cell(x, t) for x in (0.2, 0.4) for t in (700.0, 900.0, 1100.0)]
    for each in cells:
        if each.result.temperature_K == 700.0:
            each.result.coefficients.onsager_per_eV_angstrom_ps.lower[1, 1] = 0.0
    result = fit(cells, interphase(workspace)).result
    assert result.grid.species == ("Li",)
    assert result.grid.notes == ("without P: fewer than 2 compositions have an Arrhenius line of it",)
    assert "above zero, there are 2: 700 K" in result.compositions[0].lines["P"].reason
    assert "all must be of the same elements" in result.local.reason


def test_rejected_and_missing_runs_leave_every_part_unavailable(workspace):
    cells = [cell(0.2, t, rejection="too short") for t in (700.0, 900.0, 1100.0)]
    document = fit([*cells, None])
    result = document.result
    assert "700 K left out: too short" in result.compositions[0].lines["Li"].reason
    assert result.grid.reason.startswith("compositions with an Arrhenius line: Li 0, P 0")
    assert result.local.reason == "there is no composition profile of an interphase"
    assert document.notes == ["1 runs of the transport grid have no result: interphase query failures"]
    with pytest.raises(AnalysisError, match="no cell of the transport grid was measured"):
        fit([None])


def test_cells_of_one_composition_are_fitted_together(workspace):
    """Two cells; a run with evaluations above the stop threshold is named."""
    outside = CommitteeTrust(n_evaluations=100, n_above_select=5, n_above_stop=3)
    cells = [cell(0.2, t, n) for n in range(2) for t in (700.0, 900.0, 1100.0)]
    result = fit([*cells, cell(0.2, 1300.0, 1, trust=outside)]).result
    (composition,) = result.compositions
    assert composition.n_cells == 2
    assert composition.lines["Li"].n_points == 7
    assert composition.trust == CommitteeTrust(n_evaluations=700, n_above_select=35, n_above_stop=3)
    assert result.runs_above_stop == ["grid-x0.200-1-1300K"]


def test_species_at_rest_is_never_an_element_of_the_electrode():
    line, at_rest = line_and_rest("Li", "Li7P3S11", {})
    assert (line.elements, at_rest) == (("Li", "P", "S"), "S")
    with pytest.raises(AnalysisError, match="no species can be at rest"):
        line_and_rest("Li7P3S11", "Li2S", {})
