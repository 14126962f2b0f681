"""The command that imports labels."""

import json

import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from typer.testing import CliRunner

from interphase_flows.cli import app
from interphase_flows.exceptions import InputError
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.reference.spec import ChgnetSpec
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import load_crystal


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """A file with five labels of CHGNet, the last with a wrong energy."""
    calculator = CHGNetMethod(ChgnetSpec(), Settings()).calculator()
    frames = []
    for seed in range(5):
        frames.append(load_crystal("Li2S", {}))
        frames[-1].rattle(0.05, seed=seed)
        results = {name: calculator.get_property(name, frames[-1]) for name in ("energy", "forces", "stress")}
        results["energy"] += 20.0 * (seed == 4)
        frames[-1].calc = SinglePointCalculator(frames[-1], **results)
        frames[-1].info["config_type"] = f"<b>run</b> {seed}"
    path = tmp_path_factory.mktemp("labels") / "labels.extxyz"
    write(path, frames)
    return path


def test_writes_accepted_and_rejected_labels_and_a_page(labels, tmp_path):
    target = tmp_path / "imported"
    result = CliRunner().invoke(app, ["import", str(labels), "--reference", "chgnet", "--to", str(target)])
    assert result.exit_code == 0, result.output
    assert "4 labels accepted from 4 origins, 1 rejected" in result.output
    accepted = read(target / "accepted.extxyz", ":")
    assert [f.get_potential_energy() for f in accepted] == [f.get_potential_energy() for f in read(labels, ":4")]
    (rejected,) = [json.loads(line) for line in (target / "rejected.jsonl").read_text().splitlines()]
    assert rejected["reason"] == "energy_outlier"
    page = (target / "labels.html").read_text()
    assert "energy_outlier" in page
    assert "<b>run" not in page


def test_accepted_labels_can_be_imported_again_with_their_origins(labels, tmp_path):
    arguments = ["--reference", "chgnet", "--to"]
    CliRunner().invoke(app, ["import", str(labels), *arguments, str(tmp_path / "one")])
    result = CliRunner().invoke(
        app, ["import", str(tmp_path / "one/accepted.extxyz"), *arguments, str(tmp_path / "two")]
    )
    assert "4 labels accepted from 4 origins, 0 rejected" in result.output
    first, second = ((tmp_path / name / "accepted.extxyz").read_text() for name in ("one", "two"))
    assert [f.info["origin"] for f in read(tmp_path / "one/accepted.extxyz", ":")] == [
        f.info["origin"] for f in read(tmp_path / "two/accepted.extxyz", ":")
    ]
    assert len(first.splitlines()) == len(second.splitlines())


def test_an_earlier_import_is_not_replaced(labels, tmp_path):
    arguments = ["import", str(labels), "--reference", "chgnet", "--to", str(tmp_path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    before = (tmp_path / "accepted.extxyz").read_bytes()
    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, InputError)
    assert "contains imported labels already" in str(again.exception)
    assert (tmp_path / "accepted.extxyz").read_bytes() == before


def test_a_campaign_file_as_the_reference_limits_the_elements(labels, tmp_path):
    (tmp_path / "campaign.yaml").write_text("name: sodium\nelectrode: Li\nelectrolyte: Li3P\nphases: [Li, Li3P]\n")
    result = CliRunner().invoke(
        app, ["import", str(labels), "--reference", str(tmp_path / "campaign.yaml"), "--to", str(tmp_path / "out")]
    )
    assert result.exit_code == 3
    assert "0 labels accepted" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reference", "castep"], "no reference method"),
        (["--reference", "chgnet", "--stress-unit", "psi"], "--stress-unit"),
        (["--reference", "chgnet", "--stress-key", "a", "--virial-key", "b"], "not of both"),
        (["--reference", "chgnet", "--energy-key", "nothing"], "no frame has 'nothing'"),
    ],
)
def test_wrong_options_are_explained(labels, tmp_path, options, message):
    result = CliRunner().invoke(app, ["import", str(labels), *options, "--to", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_labels_of_another_level_of_theory_say_so(tmp_path):
    """A frame that claims to be a metal with the energy of nothing is still an import, not a crash."""
    atoms = Atoms("Li2", positions=[[0, 0, 0], [0, 0, 2.9]], cell=[3.4, 3.4, 5.8], pbc=True)
    atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=[[0, 0, 0]] * 2, stress=[0.0] * 6)
    write(tmp_path / "one.extxyz", atoms)
    result = CliRunner().invoke(
        app, ["import", str(tmp_path / "one.extxyz"), "--reference", "chgnet", "--to", str(tmp_path / "out")]
    )
    assert "1 labels accepted" in result.output


def test_labels_without_stress_are_accepted_on_request(labels, tmp_path):
    frames = read(labels, ":4")
    for frame in frames:
        del frame.calc.results["stress"]
    write(tmp_path / "labels.extxyz", frames)
    arguments = ["import", str(tmp_path / "labels.extxyz"), "--reference", "chgnet", "--to"]
    assert CliRunner().invoke(app, [*arguments, str(tmp_path / "one")]).exit_code == 3
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "two"), "--without-stress"])
    assert result.exit_code == 0, result.output
    accepted = read(tmp_path / "two" / "accepted.extxyz", ":")
    assert len(accepted) == 4
    assert "stress" not in accepted[0].calc.results
