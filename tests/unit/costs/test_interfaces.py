"""Interfaces of a campaign that a plan counts: the same as those that its jobs build."""

from pathlib import Path

import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.interfaces import MAX_BUILT_ATOMS, planned_interfaces
from interphase_flows.costs.plan import n_interface_atoms, plan_labels, walker_atoms
from interphase_flows.jobs.structures.interfaces import InterfaceMaker
from interphase_flows.jobs.structures.production_cells import ProductionCellsMaker
from interphase_flows.jobs.structures.structure_sets import load_set
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace

WORKFLOWS = Path(__file__).parents[3] / "workflows"


@pytest.mark.parametrize("name", ["li_li7p3s11_quickstart", "na_na3ps4"])
def test_planned_interfaces_are_those_of_the_jobs(name, tmp_path):
    campaign = Campaign.from_file(WORKFLOWS / f"{name}.yaml")
    ends, interfaces = (campaign.electrode, campaign.electrolyte), campaign.structures.interfaces
    facet = interfaces.facets[0] if interfaces.facets else None
    with Workspace(Settings(root=tmp_path), campaign.name) as workspace, use_workspace(workspace):
        labelled = InterfaceMaker(spec=interfaces, structure_files=campaign.structure_files)
        built = load_set(InterfaceMaker.make.original(labelled, *ends, facet=facet))
        if campaign.production.interface is not None:
            production = ProductionCellsMaker(
                spec=campaign.production.interface, labelled=interfaces, structure_files=campaign.structure_files
            )
            built += load_set(ProductionCellsMaker.make.original(production, *ends))[:1]
    planned = planned_interfaces(campaign)
    assert [each.n_atoms for each in planned] == [len(atoms) for atoms in built]
    assert [each.height_angstrom for each in planned] == pytest.approx([atoms.cell.array[2, 2] for atoms in built])
    assert planned[0].n_atoms == n_interface_atoms(campaign)


def test_sizes_of_labels_and_walkers_follow_from_the_file():
    """The mean of all walkers is not that of the smallest interface of the default."""
    campaign = Campaign.from_file(WORKFLOWS / "li_li7p3s11_vasp.yaml")
    assert {size.n_atoms for size in plan_labels(campaign).loop} == {276}
    quickstart = Campaign.from_file(WORKFLOWS / "li_li7p3s11_quickstart.yaml")
    assert walker_atoms(quickstart) == [84, 84, 84, 45, 42]


def test_shifts_of_a_cell_are_one_entry():
    fields = {
        "facets": ["110/001"],
        "terminations": [0, 1],
        "n_shifts": 3,
        "electrode_angstrom": 20,
        "electrolyte_angstrom": 20,
    }
    campaign = Campaign.model_validate({"name": "unit", "production": {"interface": fields}})
    cells = [each for each in planned_interfaces(campaign) if each.use == "production"]
    assert [each.n_cells for each in cells] == [3, 3]
    assert cells[0].faces == "Li(110)/Li7P3S11(001)"


def test_interface_too_large_to_build_counts_its_limit():
    structures = {"interfaces": {"size": "coherent", "max_atoms": MAX_BUILT_ATOMS + 1}}
    campaign = Campaign.model_validate({"name": "unit", "structures": structures})
    assert n_interface_atoms(campaign) == MAX_BUILT_ATOMS + 1
    assert planned_interfaces(campaign) == []
