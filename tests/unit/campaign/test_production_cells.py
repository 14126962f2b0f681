"""Production cells that a campaign file requests, and the command that builds them."""

import numpy as np
import pytest
from ase.io import read
from matplotlib.image import imread
from pymatgen.analysis.interfaces import zsl
from typer.testing import CliRunner

from interphase_flows.campaign.production_cells import production_cell_specs
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.cli import app
from interphase_flows.costs.plan import production_cell_atoms
from interphase_flows.exceptions import CampaignFileError
from interphase_flows.flows.campaign import CampaignMaker
from interphase_flows.flows.production import ProductionMaker
from interphase_flows.structures.crystals.library import load_phase

ENDS = load_phase("Li"), load_phase("Li7P3S11")
SMALL = {"electrode_angstrom": 12.0, "electrolyte_angstrom": 12.0, "lateral_angstrom": 12.0}


def campaign(**interface) -> Campaign:
    return Campaign(name="cells", production={"interface": {**SMALL, **interface}})


def specs_of(one: Campaign):
    assert one.production.interface is not None
    names = (one.electrode, one.electrolyte)
    return production_cell_specs(one.production.interface, one.structures.interfaces, names, ENDS)


def test_there_is_one_cell_for_every_facet_termination_and_shift():
    one = campaign(facets=["110/001", "110/011"], terminations=[0, 1, 2], n_shifts=2)
    specs = specs_of(one)
    assert len(specs) == len(set(specs)) == one.production.interface.n_cells == 12
    assert [spec.electrolyte_miller for spec in specs[::6]] == [(0, 0, 1), (0, 1, 1)]
    assert [(spec.termination, spec.seed) for spec in specs[:4]] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_default_faces_are_those_of_the_labelled_cell():
    """The smallest Li/Li7P3S11 interface is (110)/(011)."""
    (spec,) = specs_of(campaign())
    assert (spec.electrode_miller, spec.electrolyte_miller) == ((1, 1, 0), (0, 1, 1))


def test_expected_size_is_that_of_the_built_cell(tmp_path):
    (tmp_path / "cells.yaml").write_text(
        "name: cells\nproduction:\n"
        "  interface: {electrode_angstrom: 12, electrolyte_angstrom: 12, lateral_angstrom: 12}\n"
    )
    done = CliRunner().invoke(app, ["build", str(tmp_path / "cells.yaml"), "--to", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    atoms = read(tmp_path / "out" / "cells-cell-0.extxyz")
    assert production_cell_atoms(campaign()) == [len(atoms)]
    assert f"{len(atoms)} atoms" in done.output
    assert "cut anions 0" in done.output
    assert set(np.unique(atoms.arrays["side"])) == {0, 1}
    picture = imread(tmp_path / "out" / "cells-cell-0.png")
    assert np.ptp(picture[:, :, :3]) > 0.5


def test_build_without_production_cell_names_the_missing_block(tmp_path):
    (tmp_path / "cells.yaml").write_text("name: cells\n")
    done = CliRunner().invoke(app, ["build", str(tmp_path / "cells.yaml")])
    assert done.exit_code != 0
    assert "production.interface is missing" in str(done.exception)


def test_cell_without_lattice_match_is_a_mistake_of_the_file():
    with pytest.raises(CampaignFileError, match=r"production\.interface: no match of Li"):
        check_campaign(campaign(max_strain=1e-5))


def test_terminations_and_shifts_share_the_search_for_lattice_matches(monkeypatch):
    """The search takes seconds, and a plan, a dry run and the job need it for each cell."""
    searches = []

    class CountedGenerator(zsl.ZSLGenerator):
        def __call__(self, *vectors):
            searches.append(vectors)
            return super().__call__(*vectors)

    monkeypatch.setattr(zsl, "ZSLGenerator", CountedGenerator)
    one = campaign(facets=["110/001", "110/011"], terminations=[0, 1], n_shifts=2, max_strain=0.0199)
    assert production_cell_atoms(one) == production_cell_atoms(one)
    assert len(searches) == 2


def test_every_mistake_of_the_cells_is_found_before_anything_runs():
    """Terminations that do not exist, on each face, and a gap in which atoms overlap."""
    faces = ["110/001", "110/010"]
    with pytest.raises(CampaignFileError) as raised:
        check_campaign(campaign(facets=faces, terminations=[0, 99], n_shifts=2))
    mistakes = [line for line in str(raised.value).splitlines() if "production.interface: " in line]
    assert len(mistakes) == len(faces)
    assert all("termination=99" in line and "cuts between anions" in line for line in mistakes)
    check_campaign(campaign(terminations=[1]))
    with pytest.raises(CampaignFileError, match=r"production\.interface: .*Hint: increase the gap"):
        check_campaign(campaign(gap_angstrom=1.01, facets=["110/010"]))


def test_every_interface_has_its_replicas_with_different_seeds():
    replicas = ProductionMaker(n_interfaces=2, n_replicas=3).replicas()
    assert [(r.run_id, r.index) for r in replicas[2:4]] == [("interface-0-replica-2", 0), ("interface-1-replica-0", 1)]
    assert len({r.seed for r in replicas}) == 6
    assert [r.run_id for r in ProductionMaker(n_replicas=2).replicas()] == ["replica-0", "replica-1"]


def test_flow_of_a_campaign_builds_cells_only_if_they_are_requested():
    names = [
        {job.name for job, _ in CampaignMaker.from_campaign(one).make().iterflow()}
        for one in (campaign(n_shifts=2), Campaign(name="cells"))
    ]
    assert "production cells" in names[0] - names[1]
    assert "production interface-1-replica-2 segment 1" in names[0]
    assert "production replica-2 segment 1" in names[1]
