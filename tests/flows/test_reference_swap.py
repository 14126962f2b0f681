"""One campaign file with two reference methods: only ``reference`` differs, and their labels are never mixed.

Interfaces would take hours with GPAW; crystals and slabs of up to eight atoms use the same Makers: structures, labels,
dataset, training, committee, iteration.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import BaseModel

from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.committee import CommitteeMaker
from interphase_flows.jobs.datasets import DatasetMaker
from interphase_flows.jobs.iterations import IterationMaker
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker, gather_labels
from interphase_flows.jobs.structures.crystals import CrystalsMaker, SlabsMaker
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.report.collect.campaign_report import write_campaign_report
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.label import LabelBatch, LabelDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from real_gpaw import needs_gpaw

pytestmark = [pytest.mark.slow, needs_gpaw]

CAMPAIGN = """
name: swap
electrode: Li
electrolyte: Li2S
phases: [Li, Li2S, Li3P]
structures:
  crystals: {n_per_phase: 1, min_atoms: 2}
  slabs: {n_per_phase: 2, min_thickness_angstrom: 3, vacuum_angstrom: 6, max_atoms: 8}
committee:
  n_members: 2
  model: {n_features: 4, n_layers: 1, cutoff_angstrom: 4.0}
  training: {max_epochs: 3}
"""

D = TypeVar("D", bound=BaseModel)

REFERENCES = {
    "chgnet": "reference: chgnet\n",
    # coarse for speed: the test compares flows, not numbers
    "gpaw": "reference: {method: gpaw, cutoff_eV: 250, k_density_per_inverse_angstrom: 1, gamma_above_atoms: 12}\n",
}
N_STRUCTURES = 12


@dataclass(frozen=True)
class Finished:
    """Results of one run of the file."""

    campaign: Campaign
    dataset: DatasetDoc
    labels: list[LabelDoc]
    batch: LabelBatch
    iteration: IterationDoc
    report: str


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory):
    """Open one ledger for both, as for campaigns in one database."""
    settings = Settings(root=tmp_path_factory.mktemp("swap"), n_threads=1)
    with Workspace(settings, "swap") as opened, use_workspace(opened):
        yield opened


@pytest.fixture(scope="module")
def finished(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    folder = tmp_path_factory.mktemp("files")
    return {method: run(workspace, method, folder) for method in REFERENCES}


def run(workspace: Workspace, method: str, folder: Path) -> Finished:
    path = folder / f"{method}.yaml"
    path.write_text(CAMPAIGN + REFERENCES[method])
    spec = Campaign.from_file(path)
    crystals = CrystalsMaker(spec=spec.structures.crystals).make(spec.phases, spec.seed)
    slabs = SlabsMaker(spec=spec.structures.slabs).make(spec.phases)
    labeller = LabelSetMaker(label_maker=LabelMaker(reference=spec.reference, gates=spec.gates))
    labels = [labeller.make(each.output) for each in (crystals, slabs)]
    batch = gather_labels([each.output for each in labels])
    dataset = DatasetMaker(
        reference=spec.reference, gates=spec.gates, cutoff_angstrom=spec.committee.model.cutoff_angstrom
    ).make(batch.output, None, spec.seed)
    trainer = TrainMaker(spec=spec.committee)
    members = [trainer.make(dataset.output, k, k, None) for k in range(spec.committee.n_members)]
    committee = CommitteeMaker().make(dataset.output, [each.output for each in members])
    iteration = IterationMaker().make(0, dataset.output, committee.output, None, [], batch.output, [])
    outputs = run_flow(workspace, [crystals, slabs, *labels, batch, dataset, *members, committee, iteration])
    found = as_document(IterationDoc, outputs[iteration.uuid])
    made = as_document(DatasetDoc, outputs[dataset.uuid])
    joined = as_document(LabelBatch, outputs[batch.uuid])
    keys = {*joined.accepted, *joined.rejected}
    stored = [label for label in workspace.ledger.find("labels") if label["key"] in keys]
    state = {
        "spec": spec.model_dump(mode="json"),
        "status": "running",
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    workspace.ledger.set_state("campaigns", "swap", state)
    return Finished(
        campaign=spec,
        dataset=made,
        labels=[as_document(LabelDoc, each) for each in stored],
        batch=joined,
        iteration=found,
        report=write_campaign_report(workspace).read_text(),
    )


def as_document(schema: type[D], stored: dict) -> D:
    """Read a document without the fields that the store adds."""
    return schema.model_validate({name: stored[name] for name in schema.model_fields if name in stored})


def run_flow(workspace: Workspace, jobs: list) -> dict:
    """Run jobs locally and return their outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dependencies of jobflow and NequIP
        from jobflow import Flow, run_locally

        store = workspace.job_store()
        store.connect()
        run_locally(Flow(jobs), store=store, log=False, root_dir=workspace.root, ensure_success=True)
        outputs = {job.uuid: store.get_output(job.uuid, load=True) for job in jobs}
        store.close()
    return outputs


def test_campaigns_differ_in_the_reference_block_only(finished):
    one, other = (each.campaign.model_dump() for each in finished.values())
    assert one.pop("reference") != other.pop("reference")
    assert one == other


@pytest.mark.parametrize("method", REFERENCES)
def test_each_method_completes_an_iteration(finished, method):
    run = finished[method]
    assert len(run.labels) == N_STRUCTURES
    assert not run.batch.rejected, [(label.formula, label.explanation) for label in run.labels]
    assert sum(run.dataset.n_frames.values()) == N_STRUCTURES
    assert all(run.dataset.n_frames.values())
    assert run.iteration.dataset_key == run.dataset.key
    assert run.iteration.errors["test"].n_frames == run.dataset.n_frames["test"]


def test_dataset_records_the_method_of_its_labels(finished):
    chgnet, gpaw = (finished[name].dataset.method for name in ("chgnet", "gpaw"))
    assert (chgnet.name, chgnet.is_surrogate) == ("chgnet", True)
    assert (gpaw.name, gpaw.is_surrogate) == ("gpaw", False)
    assert gpaw.settings["cutoff_eV"] == 250
    assert all(label.is_scf_converged is True for label in finished["gpaw"].labels)
    assert all(label.is_scf_converged is None for label in finished["chgnet"].labels)


def test_labels_datasets_and_iterations_of_two_methods_share_no_key(finished):
    one, other = finished.values()
    assert {label.structure_key for label in one.labels} == {label.structure_key for label in other.labels}
    assert not {label.key for label in one.labels} & {label.key for label in other.labels}
    assert one.dataset.key != other.dataset.key
    assert one.dataset.split_of_origin == other.dataset.split_of_origin
    assert one.iteration.key != other.iteration.key


@pytest.mark.parametrize(("requested", "given"), [("chgnet", "gpaw"), ("gpaw", "chgnet")])
def test_dataset_rejects_labels_of_another_method(finished, workspace, requested, given):
    """As a child of a dataset of the other method, and as a batch of its labels."""
    maker = DatasetMaker(reference=finished[requested].campaign.reference)
    make = DatasetMaker.make.original
    with pytest.raises(InputError, match="labels of one method"):
        make(maker, finished[requested].batch, finished[given].dataset, 1)
    with pytest.raises(InputError, match="labels of one method"):
        make(maker, finished[given].batch, None, 1)


def test_report_marks_only_surrogate_labels_as_surrogate(finished):
    assert "surrogate CHGNet" in finished["chgnet"].report
    without_campaign_file = re.sub(r"<pre\b.*?</pre>", "", finished["gpaw"].report, flags=re.DOTALL)
    assert "surrogate" not in without_campaign_file.lower().replace("no surrogate", "")
    assert "GPAW" in finished["gpaw"].report
