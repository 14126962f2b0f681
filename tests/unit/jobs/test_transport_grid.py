"""What a cell gives, and all cells together, from trajectories whose coefficients are known."""

import io

import numpy as np
import pytest
from ase import Atoms

import loop_documents as documents
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.cell_transport import CellTransportMaker, line_and_rest
from interphase_flows.jobs.transport_grid import GridFitMaker
from interphase_flows.md.trajectory_writer import TrajectoryWriter, pack
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.units import KB_EV_PER_K

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
        writer.append(
            atoms, step=step, time_fs=100.0 * step, temperature_K=temperature_K, potential_energy_eV=0.0
        )
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


def measured(*segments, before=(), run_id="grid-x0.530-0-900K", x=0.53) -> AnalysisDoc:
    return CellTransportMaker.make.original(
        CellTransportMaker(), run_id, x, 45, 900.0, list(before), list(segments), documents.committee()
    )


def test_a_cell_gives_its_coefficients_relative_to_sulfur(workspace):
    """Independent atoms: L_LiLi = (N_Li D_Li + N_Li² D_S / N_S) / kTV, L_LiP = N_Li N_P D_S / (N_S kTV)."""
    values = measured(diffusing(workspace, "one")).values
    assert values["refusal"] == ""
    assert values["species"] == ["Li", "P"]
    assert values["x_electrode"] == pytest.approx(24 / 45)
    found = values["onsager_per_eV_angstrom_ps"]
    d = {symbol: hop**2 / (2 * 0.1) for symbol, hop in HOPS_ANGSTROM.items()}
    kTV = KB_EV_PER_K * 900.0 * EDGE_ANGSTROM**3
    truth = np.array(
        [
            [31 * d["Li"] + 31**2 * d["S"] / 11, 31 * 3 * d["S"] / 11],
            [31 * 3 * d["S"] / 11, 3 * d["P"] + 3**2 * d["S"] / 11],
        ]
    )
    lower, upper = np.array(found["lower"]), np.array(found["upper"])
    assert (lower <= truth / kTV).all()
    assert (truth / kTV <= upper).all()
    assert (np.diag(upper) < 2.5 * np.diag(truth) / kTV).all()


def test_looks_beyond_the_levels_are_counted_from_the_melt_on(workspace):
    """select 0.1, stop 0.3 eV/Å; the equilibration's looks count, its frames do not."""
    before = documents.segment("melt", uncertainty_eV_per_angstrom=[0.5, 0.05])
    values = measured(diffusing(workspace, "one"), before=[before]).values
    assert (values["n_looks"], values["n_above_select"], values["n_above_stop"]) == (6, 4, 2)


def test_a_run_is_refused_in_words(workspace):
    """Too short, broken on the way, lost."""
    short = measured(diffusing(workspace, "short", n_frames=20)).values
    assert "supports no transport coefficient" in short["refusal"]
    broken = diffusing(
        workspace, "broken", stop_reason="runaway_temperature", explanation="at step 7: 9000 K, limit 2700 K"
    )
    assert measured(broken).values["refusal"] == (
        "the run broke at 900 K (runaway_temperature): at step 7: 9000 K, limit 2700 K"
    )
    assert "a job of this run failed" in measured(diffusing(workspace, "one"), None).values["refusal"]
    for values in (short, measured(broken).values):
        assert values["onsager_per_eV_angstrom_ps"] is None
        assert values["x_electrode"] == pytest.approx(24 / 45)


def test_a_run_that_speeds_up_is_no_state(workspace):
    """Its halves differ: the number is shown and not used."""
    values = measured(diffusing(workspace, "faster", faster_later=4.0)).values
    assert "the halves of the run differ" in values["refusal"]
    assert values["onsager_per_eV_angstrom_ps"] is not None


def cell(x: float, temperature_K: float, number: int = 0, **changes) -> AnalysisDoc:
    """A measurement with Arrhenius' law of 0.3 and 0.5 eV for kB T L."""
    value = np.diag(np.exp([1.0, 0.5] - np.array([0.3, 0.5]) / (KB_EV_PER_K * temperature_K) + x))
    value *= 800.0 / temperature_K
    value[0, 1] = value[1, 0] = 0.2 * np.sqrt(value[0, 0] * value[1, 1])
    spread = 0.1 * np.sqrt(np.outer(np.diag(value), np.diag(value)))
    run_id = f"grid-x{x:.3f}-{number}-{temperature_K:g}K"
    values = {
        "run_id": run_id,
        "x_electrode": x,
        "temperature_K": temperature_K,
        "refusal": "",
        "n_looks": 100,
        "n_above_select": 5,
        "n_above_stop": 0,
        "onsager_per_eV_angstrom_ps": {
            "value": value.tolist(),
            "standard_error": (spread / 2).tolist(),
            "lower": (value - spread).tolist(),
            "upper": (value + spread).tolist(),
        },
    }
    return AnalysisDoc(key=f"{run_id}{changes}", name="cell_transport", rests_on=[], values=values | changes)


def interphase(workspace) -> AnalysisDoc:
    """A profile of 24 slices, of which one half is what x = 0.4 is."""
    line, _ = line_and_rest("Li", "Li7P3S11", {})
    density = np.stack([line.shares(x) for x in np.repeat([0.4, 0.9], 12)], axis=1)[None] * 0.05
    buffer = io.BytesIO()
    np.savez(
        buffer,
        time_ps=np.arange(4.0),
        elements=np.array(line.elements),
        bin_edges_angstrom=np.linspace(0.0, 24.0, 25),
        density=np.repeat(density, 4, axis=0),
        density_standard_error=np.full((4, *density.shape[1:]), np.nan),
    )
    artifact = workspace.artifacts.put_bytes(buffer.getvalue(), "analyses", ".npz")
    return AnalysisDoc(key="interphase", name="interphase", rests_on=[], values={}, artifact=artifact)


def fitted(cells, profile=None) -> AnalysisDoc:
    return GridFitMaker.make.original(GridFitMaker(temperature_K=800.0), cells, profile)


def test_all_cells_together_give_energies_a_grid_and_the_interphase(workspace):
    """The numbers that were put in."""
    cells = [cell(x, t) for x in (0.2, 0.4, 0.6) for t in (700.0, 900.0, 1100.0)]
    found = fitted(cells, interphase(workspace))
    energies = [c["lines"]["Li"]["activation_energy_eV"]["value"] for c in found.values["compositions"]]
    assert energies == pytest.approx([0.3] * 3)
    assert found.values["grid"]["x_electrode"] == [0.2, 0.4, 0.6]
    assert found.values["grid"]["warnings"] == []
    local = found.values["local"]
    assert local["species"] == ["Li", "P", "S"]
    assert 6 <= local["n_answered"] < local["n_slices"] == 24
    with np.load(workspace.artifacts.get(found.artifact)) as arrays:
        middle = np.argmin(np.abs(arrays["curve/x_electrode"] - 0.5))
        expected = np.exp(1.0 - 0.3 / (KB_EV_PER_K * 800.0) + 0.5)
        assert arrays["curve/value"][middle, 0, 0] == pytest.approx(expected, rel=1e-3)
        assert np.isfinite(arrays["local/value"][5]).all()
        assert arrays["line/0.2000/Li/lower"].shape == arrays["line/0.2000/Li/temperature_K"].shape


def test_runs_of_a_cell_are_known_as_its_runs(workspace):
    """Three cells, of which the second is four times as fast at every temperature: the lines say what cells differ by."""
    cells = [cell(x, t, n) for x in (0.2, 0.4) for n in range(3) for t in (700.0, 900.0, 1100.0)]
    for each in cells:
        if "-1-" in each.values["run_id"]:
            found = each.values["onsager_per_eV_angstrom_ps"]
            each.values["onsager_per_eV_angstrom_ps"] = {
                k: (4 * np.array(v)).tolist() for k, v in found.items()
            }
    (first, _) = fitted(cells).values["compositions"]
    assert first["n_cells"] == 3
    assert first["lines"]["Li"]["notes"] == ["cells differ by 78 % beyond the errors of their runs"]
    assert first["lines"]["Li"]["error_scale"] == 1.0


def test_a_species_that_does_not_move_leaves_the_grid_to_the_others(workspace):
    """Phosphorus refused at one temperature too many; the interphase then lacks it, and says so."""
    cells = [cell(x, t) for x in (0.2, 0.4) for t in (700.0, 900.0, 1100.0)]
    for each in cells:
        if each.values["temperature_K"] == 700.0:
            each.values["onsager_per_eV_angstrom_ps"]["lower"][1][1] = 0.0
    found = fitted(cells, interphase(workspace)).values
    assert found["grid"]["species"] == ["Li"]
    assert found["grid"]["notes"] == ["without P: fewer than 2 compositions have a line of it"]
    assert "2 temperatures" in found["compositions"][0]["lines"]["P"]["refused"]
    assert "all must be of the same elements" in found["local"]["refused"]


def test_refusals_and_missing_runs_are_told(workspace):
    """All refused: no line, no grid, no interphase, each in words."""
    cells = [cell(0.2, t, refusal="too short") for t in (700.0, 900.0, 1100.0)]
    found = fitted([*cells, None])
    assert (found.values["n_measured"], found.values["n_refused"]) == (0, 3)
    assert "700 K left out: too short" in found.values["compositions"][0]["lines"]["Li"]["refused"]
    assert found.values["grid"]["refused"].startswith("compositions with an Arrhenius line: Li 0, P 0")
    assert found.values["local"]["refused"] == "there is no composition profile of an interphase"
    assert found.notes == ["1 runs of the transport grid left nothing: interphase query failures"]
    with pytest.raises(AnalysisError, match="no cell of the transport grid was measured"):
        fitted([None])


def test_cells_of_one_composition_are_fitted_as_one(workspace):
    """Two of them; one that is outside the potential's trust is counted."""
    cells = [cell(0.2, t, n) for n in range(2) for t in (700.0, 900.0, 1100.0)]
    cells.append(cell(0.2, 1300.0, 1, n_above_stop=3))
    found = fitted(cells).values
    (composition,) = found["compositions"]
    assert composition["n_cells"] == 2
    assert composition["lines"]["Li"]["n_points"] == 7
    assert composition["looks"] == {"n_looks": 700, "n_above_select": 35, "n_above_stop": 3}
    assert found["trust"]["runs_above_stop"] == ["grid-x0.200-1-1300K"]


def test_what_is_at_rest_is_the_electrolytes_own():
    """Never an element of the electrode."""
    line, at_rest = line_and_rest("Li", "Li7P3S11", {})
    assert (line.elements, at_rest) == (("Li", "P", "S"), "S")
    with pytest.raises(AnalysisError, match="no species can be at rest"):
        line_and_rest("Li7P3S11", "Li2S", {})
