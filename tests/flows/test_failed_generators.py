"""Initial data when generators fail: the flow continues without their structures and reports these as missing."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from interphase_flows.campaign import labelled_interfaces
from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import StructureError
from interphase_flows.flows.initial_data import InitialDataMaker
from interphase_flows.jobs.structures import amorphous
from interphase_flows.runners.local.flow_runner import FlowRunner
from interphase_flows.schemas.label import LabelBatch
from interphase_flows.schemas.segment import Walker
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from spheres import Spheres, SpheresSpec

N_SNAPSHOTS, N_WALKERS, N_AUDIT = 3, 2, 1


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with (
        Workspace(Settings(root=tmp_path / "runs", n_threads=1), "unit") as opened,
        use_workspace(opened),
    ):
        yield opened


@pytest.fixture
def spheres(monkeypatch: pytest.MonkeyPatch) -> Spheres:
    """Return the method that ``SpheresSpec`` refers to in this test."""
    method = Spheres()
    monkeypatch.setattr(SpheresSpec, "shared", method, raising=False)
    return method


@pytest.fixture
def campaign(spheres) -> Campaign:
    spec = Campaign.model_validate(
        {
            "name": "unit",
            "phases": ["Li", "Li7P3S11"],
            "structures": {
                "dynamics_method": "reference",
                "crystals": {"n_per_phase": 1, "min_atoms": 4},
                "amorphous": {
                    "electrode_fractions": [0.5],
                    "n_per_fraction": 2,
                    "n_atoms": 22,
                    "melt_steps": 2,
                    "quench_steps": 2,
                    "snapshot_interval_steps": 2,
                },
                "interfaces": {
                    "max_atoms": 66,
                    "snapshots": {
                        "temperatures_K": [300, 400, 500],
                        "n_steps": 2,
                        "snapshot_interval_steps": 2,
                    },
                },
            },
            "exploration": {"n_interface_walkers": N_WALKERS, "n_audit_walkers": N_AUDIT},
        }
    )
    return spec.model_copy(update={"reference": SpheresSpec()})


@pytest.fixture
def plant(monkeypatch):
    """Make the interfaces of some in-plane shifts and the amorphous cells of some seeds fail."""
    build, pack = labelled_interfaces.small_interface, amorphous.mixture_packing

    def failing(shifts=(), seeds=()):
        def small_interface(spec, **rest):
            if spec.seed in shifts:
                raise StructureError(f"planted: interface {spec.seed}")
            return build(spec, **rest)

        def mixture_packing(x_electrode, n_atoms, seed, *ends):
            if seed in seeds:
                raise StructureError(f"planted: cell {seed}")
            return pack(x_electrode, n_atoms, seed, *ends)

        monkeypatch.setattr(labelled_interfaces, "small_interface", small_interface)
        monkeypatch.setattr(amorphous, "mixture_packing", mixture_packing)

    return failing


def outputs(campaign, workspace):
    """Run the flow and return its available outputs."""
    flow = InitialDataMaker.from_campaign(campaign).make()
    store = workspace.job_store()
    store.connect()
    available = {}
    try:
        FlowRunner(workspace, store).run(flow)
        for name, reference in flow.output.items():
            with suppress(ValueError):  # without output: the job failed or was skipped
                available[name] = reference.resolve(store)
    finally:
        store.close()
    return available


def failures(workspace) -> dict[str, list[str]]:
    explanations: dict[str, list[str]] = {}
    for failure in workspace.ledger.find("failures", {}):
        explanations.setdefault(failure["reason"], []).append(failure["details"]["explanation"])
    return explanations


def test_flow_continues_without_a_failed_cell_and_two_failed_interfaces(campaign, workspace, plant):
    """Their frames, trajectory and walker are missing; the other structures are labelled."""
    plant(shifts=(1, N_SNAPSHOTS), seeds=(101,))
    found = outputs(campaign, workspace)
    batch, starts = found["batch"], found["starts"]
    assert isinstance(batch, LabelBatch)
    assert isinstance(starts, StructureSetDoc)
    assert [entry.origin for entry in starts.entries] == [
        "interface/start-0",
        "interface/start-2",
        "interface/start-4",
        "interface/start-5",
        "amorphous x=0.50/102",
        "crystal/Li7P3S11",
    ]
    families = {origin.split("/")[0] for origin in batch.origins.values()}
    assert families == {"crystal", "amorphous x=0.50", "interface"}
    assert set(batch.origins.values()) >= {"interface/300K-201", "interface/500K-203", "amorphous x=0.50/102"}
    assert not {"interface/400K-202", "amorphous x=0.50/101"} & set(batch.origins.values())

    walkers = found["walkers"]
    assert all(isinstance(walker, Walker) for walker in walkers)
    origin_of = {walker.run_id: starts.entries[walker.index].origin for walker in walkers}
    assert origin_of.pop("amorphous-0", "amorphous x=0.50/102") == "amorphous x=0.50/102"
    assert origin_of.pop("crystal-0") == "crystal/Li7P3S11"
    assert origin_of == {"interface-1": "interface/start-4", "audit-2": "interface/start-5"}

    explanations = failures(workspace)
    assert sorted(explanations["StructureError"]) == [
        "planted: cell 101",
        "planted: interface 1",
        "planted: interface 3",
    ]
    assert all(
        "interface snapshots 1, " in text or "amorphous 0" in text for text in explanations["missing_structures"]
    )
    (joined,) = workspace.ledger.find("structure_sets", {"name": "initial structures"})
    assert joined["notes"] == ["missing: amorphous 0", "missing: interface snapshots 1"]


def test_campaign_without_any_interface_labels_nothing_and_records_the_reason(campaign, workspace, plant, spheres):
    plant(shifts=range(100))
    before = spheres.n_labels
    found = outputs(campaign, workspace)
    assert not {"batch", "starts"} & found.keys()
    assert spheres.n_labels == before
    explanations = failures(workspace)
    assert any("none of 6 interfaces could be built" in text for text in explanations["InputError"])
    assert "planted: interface 0" in explanations["StructureError"]


def test_all_starts_and_walkers_exist_if_no_generator_fails(campaign, workspace):
    found = outputs(campaign, workspace)
    assert len(found["starts"].entries) == N_SNAPSHOTS + N_WALKERS + N_AUDIT + 2 + 1  # two amorphous cells, one crystal
    assert found["walkers"] == InitialDataMaker.from_campaign(campaign).walkers()
    assert failures(workspace).keys() <= {"not_converged"}
    (joined,) = workspace.ledger.find("structure_sets", {"name": "initial structures"})
    assert joined["notes"] == []


def test_optional_generators_have_jobs_only_if_requested(campaign):
    def names(**changes: dict[str, object]) -> set[str]:
        structures = campaign.structures.model_copy(
            update={
                block: getattr(campaign.structures, block).model_copy(update=update)
                for block, update in changes.items()
            }
        )
        changed = campaign.model_copy(update={"structures": structures})
        return {job.name for job, _ in InitialDataMaker.from_campaign(changed).make().iterflow()}

    optional = {"equations of state", "rattled cells", "vacancies", "slabs", "dimers"}
    assert not names(equations_of_state={"n_volumes": 0, "n_rattled_per_volume": 1}) & optional
    requested = names(
        equations_of_state={"n_volumes": 3, "n_rattled_per_volume": 1},
        vacancies={"n_per_phase": 1},
        slabs={"n_per_phase": 1},
        dimers={"isolated_atoms": True},
    )
    assert requested >= optional
