"""The command `interphase analyse` on trajectory files."""

import json
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from growing_interphase import growing
from interphase_flows import cli

SIDES = ("--electrode", "Li", "--electrolyte", "Li7P3S11", "--temperature-k", "600")


@pytest.fixture
def analyse(monkeypatch, capsys, tmp_path):
    """Run the command in an empty folder; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["interphase", "analyse", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as error:
            code = int(error.code or 0)
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def written(frames, *names, **info):
    for name in names:
        write(
            name,
            [
                Atoms(
                    frames.numbers,
                    np.round(frames.positions(i), 4),
                    cell=frames.cell(i),
                    pbc=True,
                    info={"time_fs": float(frames.time_fs[i])} if not info else {},
                )
                for i in range(frames.n_frames)
            ],
        )


def results_of(folder):
    found = json.loads((folder / "analysis.json").read_text())
    about = found.pop("about")
    return found, about


def test_formats_of_one_trajectory_give_the_same_json(analyse, tmp_path):
    written(growing(2.0, n_frames=5, planes_per_angstrom=2), "run.extxyz", "run.traj")
    for name in ("extxyz", "traj"):
        code, out, err = analyse(f"run.{name}", *SIDES, "--out", name)
        assert code == 0, err
        assert "verdict: undecided" in out
    (one, about), (other, _) = results_of(tmp_path / "extxyz"), results_of(tmp_path / "traj")
    assert one == other
    assert about[0].startswith("run.extxyz; unwrapped: minimum-image steps")
    assert len(one["series"]["above.thickness_angstrom"]) == 5


def test_page_and_figures_are_written_without_external_resources(analyse, tmp_path):
    written(growing(2.0, n_frames=21, planes_per_angstrom=2), "run.traj")
    assert analyse("run.traj", *SIDES)[0] == 0
    page = (tmp_path / "analysis" / "analysis.html").read_text()
    assert "Above: undecided." in page
    assert ">Phases<" in page
    assert "--phases" in page  # hint for assigning atoms to phases
    assert "Growth law" in page
    assert "http" not in page.partition("<body>")[2]
    thick = results_of(tmp_path / "analysis")[0]["boundaries"]["sides"]["above"]["thickness_end_angstrom"]
    assert f"{thick:.3g}" in page
    names = {path.name for path in (tmp_path / "analysis" / "figures").iterdir()}
    assert {"thickness_above.svg", "passed_above.png", "anion_counts.svg", "diffraction.png"} <= names


def test_bulk_electrolyte_has_transport_but_no_interface(analyse, tmp_path):
    rng = np.random.default_rng(0)
    numbers = np.repeat([3, 15, 16], [14, 6, 22])
    walk = rng.normal(0, 0.3, (120, 42, 3)).cumsum(axis=0) + rng.random((42, 3)) * 20.0
    frames = [Atoms(numbers, each, cell=[20.0] * 3, pbc=True) for each in walk]
    write("bulk.traj", frames)
    code, out, err = analyse("bulk.traj", *SIDES, "--frame-interval-fs", "100")
    assert code == 0, err
    found, _ = results_of(tmp_path / "analysis")
    for part in ("boundaries", "growth", "fluxes", "trapping", "verdict"):
        assert found[part]["reason"]
    assert "boundaries: unavailable" in out
    assert found["transport"]["entire_cell"]["onsager_per_eV_angstrom_ps"]["value"][0][0] > 0
    assert (tmp_path / "analysis" / "figures" / "onsager.svg").exists()
    assert found["profiles"]["coordination"]["shells"][0]["name"] == "Li around S"
    assert (tmp_path / "analysis" / "figures" / "profile_density.svg").exists()


def bulk(name, n_frames=200):
    rng = np.random.default_rng(1)
    numbers = np.repeat([3, 15, 16], [14, 6, 22])
    walk = rng.normal(0, 0.3, (n_frames, 42, 3)).cumsum(axis=0) + rng.random((42, 3)) * 20.0
    write(name, [Atoms(numbers, each, cell=[20.0] * 3, pbc=True) for each in walk])


def test_transport_options_are_used_and_reported(analyse, tmp_path):
    bulk("bulk.traj")
    code, out, err = analyse(
        "bulk.traj", *SIDES, "--frame-interval-fs", "100", "--only", "transport", "--window-ps", "6", "--charges",
        "Li=0.9,P=1,S=-0.85", "--frame", "hittorf:S",
    )  # fmt: skip
    assert code == 0, err
    found = results_of(tmp_path / "analysis")[0]["transport"]
    assert [row["end_ps"] for row in found["windows"]["rows"]] == pytest.approx([6.0, 12.0, 18.0])
    assert found["charges_e"] == {"Li": 0.9, "P": 1.0, "S": -0.85}
    assert found["entire_cell"]["onsager_per_eV_angstrom_ps"]["value"][2] == pytest.approx([0, 0, 0], abs=1e-12)
    assert "with charges Li +0.9, P +1, S −0.85 (as specified)" in out
    assert "beyond the hittorf frame" in out
    page = (tmp_path / "analysis" / "analysis.html").read_text()
    assert "Reference frame: hittorf, S at rest." in page
    assert "Ionic conductivity, S/m" in page
    names = {path.name for path in (tmp_path / "analysis" / "figures").iterdir()}
    assert {"onsager.svg", "onsager_trend.svg"} <= names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--charges", "Li=1,P=5"), "not for S"),
        (("--charges", "Li=1,P"), "write Li=1,P=5,S=-2"),
        (("--frame", "hittorf"), "such as hittorf:S"),
        (("--frame", "solvent"), "choose barycentric"),
        (("--window-ps", "-1"), "positive time"),
    ],
)
def test_invalid_transport_options_are_rejected(analyse, options, message):
    bulk("bulk.traj", n_frames=3)
    code, _, err = analyse("bulk.traj", *SIDES, "--frame-interval-fs", "100", *options)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_single_part_is_analysed(analyse, tmp_path):
    written(growing(2.0, n_frames=3, planes_per_angstrom=2), "run.traj")
    assert analyse("run.traj", *SIDES, "--only", "boundaries")[0] == 0
    assert set(results_of(tmp_path / "analysis")[0]) == {"trajectory", "settings", "boundaries", "series"}


def test_profiles_are_analysed_with_the_boundaries(analyse, tmp_path):
    written(growing(2.0, n_frames=12, planes_per_angstrom=2), "run.traj")
    code, out, err = analyse("run.traj", *SIDES, "--only", "profiles")
    assert code == 0, err
    assert "profiles: 60 slices of 1.50 Å in 2 blocks of time" in out
    found = results_of(tmp_path / "analysis")[0]
    assert set(found) == {"trajectory", "settings", "boundaries", "profiles", "series"}
    measured = ("atoms_per_nm3", "g_per_cm3", "mole_fraction", "coordination")
    profiles = {name for name in found["series"] if name.startswith("profiles.")}
    assert profiles == {
        *(f"profiles.{name}{end}" for name in measured for end in ("", "_lower", "_upper")),
        "profiles.edges_angstrom", "profiles.block_ps", "profiles.block_period_angstrom",
        "profiles.coordination_atoms",
        "profiles.interphase_above_angstrom", "profiles.interphase_below_angstrom",
    }  # fmt: skip
    assert found["series"]["profiles.coordination"][0][0][0] is None  # no sulfur in the metal
    page = (tmp_path / "analysis" / "analysis.html").read_text()
    assert "Profiles along the normal" in page
    assert "Heights: the centre of P, S stays in the centre" in page
    assert "Vertical lines are the boundaries" in page
    names = {path.stem for path in (tmp_path / "analysis" / "figures").iterdir()}
    assert {"profile_composition", "profile_density", "profile_coordination"} <= names


def test_options_have_aliases(analyse, tmp_path):
    written(growing(2.0, n_frames=5, planes_per_angstrom=2), "run.extxyz")
    arguments = ("run.extxyz", *SIDES[:4], "--only", "boundaries")
    assert analyse(*arguments, "--temperature", "500")[0] == 0
    assert results_of(tmp_path / "analysis")[0]["settings"]["temperature_K"] == 500.0
    outputs = [analyse(*arguments, "--temperature", "500", name, "2") for name in ("--timestep", "--time-step-fs")]
    assert outputs[0] == outputs[1]
    assert "time" in outputs[0][2]


def test_displacement_and_electrode_order_are_shown(analyse, tmp_path):
    written(growing(2.0, n_frames=3, planes_per_angstrom=2), "run.traj")
    code, out, err = analyse("run.traj", *SIDES, "--only", "displacement,electrode_order")
    assert code == 3, err
    assert "mean squared displacement at the end, Å²: Li 0." in out
    assert "electrode_order: unavailable: the trajectory does not record" in out
    assert "Mean squared displacement" in (tmp_path / "analysis" / "analysis.html").read_text()
    assert (tmp_path / "analysis" / "figures" / "displacement.svg").exists()


def test_small_cell_is_cut_into_narrower_slabs(analyse, tmp_path):
    frames = growing(0.0, n_frames=2, planes_per_angstrom=6)
    frames.cells[2, 2] = 30.0
    frames.all_positions[:, :, 2] /= 3.0
    written(frames, "small.traj")
    frames.cells[2, 2] = 90.0
    code, out, err = analyse("small.traj", *SIDES, "--only", "boundaries")
    assert code == 0, err
    found = results_of(tmp_path / "analysis")[0]["boundaries"]
    assert max(found["widths_angstrom"]) == 7.0
    assert "slabs of 4 to 7 Å instead of 4 to 9 Å" in out
    assert "wider slabs were rejected" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run.traj",), "--temperature-k"),
        (("none.traj", *SIDES), "no such trajectory"),
        (
            ("run.traj", *SIDES, "--only", "thickness"),
            "choose from boundaries, growth, transport, trapping, fluxes, verdict, profiles, phases",
        ),
        (("run.traj", "--electrode", "Na", *SIDES[2:]), "none of the electrode"),
        (("run.traj", *SIDES[:2], "--electrolyte", "Li2S", *SIDES[4:]), "P on neither side"),
        (("run.traj", *SIDES[:2], "--electrolyte", "Qq7", *SIDES[4:]), "Qq"),
        (("replica-0", "--campaign", "none"), "none"),
        (("replica-0", "--campaign", "none", "--phases", "Li2S"), "--phases: for trajectory files, not for --campaign"),
        (
            ("replica-0", "--campaign", "none", "--time-step-fs", "1", "--electrode", "Na", "--not-wrapped"),
            "--electrode, --time-step-fs, --wrapped/--not-wrapped: for trajectory files",
        ),
        (("run.traj", *SIDES, "--only", "growth", "--phases", "Li2S"), "--phases needs"),
        (("run.traj", *SIDES, "--phases", "Li2S,Qq"), "NAME=FILE"),
    ],
)
def test_invalid_input_exits_with_code_2_and_writes_nothing(analyse, tmp_path, arguments, message):
    written(growing(2.0, n_frames=2, planes_per_angstrom=2), "run.traj")
    code, _, err = analyse(*arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "analysis").exists()


def test_transport_needs_neither_electrode_nor_electrolyte(analyse, tmp_path):
    bulk("bulk.traj")
    options = ("--frame", "as-simulated", "--directions", "in-plane", "--step-ps", "0.2", "--confidence", "0.9")
    only = ("--temperature-k", "600", "--frame-interval-fs", "100", "--only", "transport")
    code, out, err = analyse("bulk.traj", *only, "--charges", "Li=1,P=5,S=-2", *options)
    assert code == 0, err
    found = results_of(tmp_path / "analysis")[0]["transport"]
    assert found["frame"] == "as_simulated"
    cell = found["entire_cell"]
    assert cell["step_ps"] == pytest.approx(0.2)
    assert cell["onsager_per_eV_angstrom_ps"]["confidence"] == 0.9
    assert np.shape(cell["advection_angstrom_per_ps"]["value"]) == (3, 2)
    assert cell["conduction"]["net_charge_e"] == 0
    assert "drift of the species, Å/ps, not part of L: " in out
    assert "Drift, Å/ps" in (tmp_path / "analysis" / "analysis.html").read_text()
    table = (tmp_path / "analysis" / "figures" / "onsager.csv").read_text().splitlines()
    assert table[0] == "panel,kind,curve,x,y,value"
    value = cell["onsager_per_eV_angstrom_ps"]["value"][0][0]
    assert any(line.split(",")[-1] and float(line.split(",")[-1]) == pytest.approx(value) for line in table[1:])
    code, out, _ = analyse("bulk.traj", *only)
    assert code == 0
    assert "conductivity: unavailable: charges are unknown without an electrolyte" in out
    code, _, err = analyse("bulk.traj", *only[:-1], "boundaries")
    assert code == 2
    assert "--electrode" in err


def test_unavailable_part_of_only_exits_with_3(analyse):
    bulk("bulk.traj", n_frames=3)
    code, out, _ = analyse("bulk.traj", *SIDES, "--frame-interval-fs", "100", "--only", "boundaries")
    assert code == 3
    assert "boundaries: unavailable: no boundaries, not even with slabs of 2 to 4 Å: no electrode" in out


def test_series_of_an_analysis_is_read_back(analyse, tmp_path):
    """Growth law and verdict of the CSV file are those of the trajectory."""
    written(growing(2.0, n_frames=60, planes_per_angstrom=2), "run.traj")
    code, out, err = analyse("run.traj", *SIDES, "--only", "boundaries,growth,fluxes,verdict")
    assert code == 0, err
    law, verdict = (
        next(line for line in out.splitlines() if line.startswith(f"{part} above")) for part in ("growth", "verdict")
    )
    code, again, err = analyse("analysis/series_above.csv", "--out", "again")
    assert code == 0, err
    assert law.replace("above", "series") in again
    assert verdict.replace("above", "series").split(":")[1] in again
    assert (tmp_path / "again" / "analysis.html").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_ps\n1\n", "no column thickness_angstrom"),
        ("time_ps,thickness_angstrom\n0,1\n1,thick\n", "line 3"),
        ("time_ps,thickness_angstrom\n0,1\n\n44\n", "line 4: 1 fields"),
        ("", "no column time_ps, thickness_angstrom"),
    ],
)
def test_invalid_series_are_rejected(analyse, tmp_path, text, message):
    (tmp_path / "series.csv").write_text(text)
    code, _, err = analyse("series.csv")
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    "options", [("--temperature-k", "600"), ("--step-ps", "2"), ("--export-labels",), ("--electrode", "Na")]
)
def test_options_without_effect_on_a_series_are_rejected(analyse, options):
    code, _, err = analyse("series.csv", "--only", "growth", *options)
    assert code == 2
    assert err.startswith(f"interphase: {options[0]}")
    assert "without effect on a series" in err


def test_several_series_are_rejected(analyse):
    code, _, err = analyse("series_above.csv", "series_below.csv")
    assert code == 2
    assert "2 files; give one series" in err


def test_export_of_labels_without_references_is_rejected(analyse):
    bulk("bulk.traj", n_frames=3)
    code, _, err = analyse("bulk.traj", *SIDES, "--frame-interval-fs", "100", "--export-labels")
    assert code == 2
    assert "--phases" in err
