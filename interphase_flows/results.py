"""Results of a campaign in Python: typed documents, labelled frames, committees and trajectories.

::

    from interphase_flows.results import CampaignResults

    with CampaignResults("my_campaign") as results:
        for label in results.labels("energy_eV<0", status="accepted", sort="-created_at", limit=10):
            print(label.formula, label.energy_eV)

Access is read-only. Documents are streamed, and are never all in memory.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from ase import Atoms
from numpy.typing import NDArray

from interphase_flows.analysis.io.npz import open_npz
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.stored import stored_specification
from interphase_flows.datasets.frames import labelled_atoms, read_extxyz
from interphase_flows.exceptions import InputError
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.failure import FailureDoc
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.kinds import document_kinds, document_schema
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.model import CommitteeDoc, ModelDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.settings import Settings, load_settings
from interphase_flows.storage.campaign_choice import only_campaign
from interphase_flows.storage.ledger import KINDS, LEDGER_FIELDS
from interphase_flows.storage.ledger_backend import Criteria, JsonDocument
from interphase_flows.storage.queries import (
    check_fields,
    count,
    fields_of,
    parse_sort,
    stream,
)
from interphase_flows.storage.workspace import open_workspace

if TYPE_CHECKING:
    from interphase_flows.potentials.committee import NequIPCommittee
    from interphase_flows.schemas.analysis import InterfaceAnalysisDoc, PartDoc, PhaseReferencesDoc
    from interphase_flows.schemas.transport import CellTransportDoc, TransportGridDoc


class CampaignResults:
    """Read-only access to the documents and files of a campaign; a context manager.

    Methods that return documents take filters in two forms, all of which must match: strings as for ``interphase query``
    (``"energy_eV<0"``, ``"origin~amorphous"``, ``"errors.test.n_frames>10"``), and keywords with the value of a field
    (``status="accepted"``) or several values (``role=["audit", "explore"]``). ``sort`` names fields, with ``-`` for
    descending order (oldest first by default); ``limit`` is the maximum number of documents, 0 for no limit.

    Campaigns share results. Documents are those that this campaign uses, also if another one has computed them;
    ``campaign="mine"`` selects those that a campaign computed first.

    Parameters
    ----------
    campaign
        Name of the campaign; if None, that of the settings, else the only one.
    settings
        Settings with the location of campaigns; those of this machine if None.

    Raises
    ------
    InputError
        No campaign is named, and there are several or none. Methods: a field or filter is invalid.
    StorageError
        The campaign does not exist; the message lists the existing ones.
    """

    def __init__(self, campaign: str | None = None, settings: Settings | None = None) -> None:
        settings = load_settings() if settings is None else settings
        name = campaign or settings.campaign or only_campaign(settings)
        self._workspace = open_workspace(settings, name, read_only=True)
        self.campaign = self._workspace.campaign
        self.artifacts = self._workspace.artifacts
        self.settings = self._workspace.settings

    def labels(self, *filters: str, **options: Any) -> Iterator[LabelDoc]:
        """Yield labels: energy, forces and stress of one structure each, accepted or rejected."""
        return self._documents("labels", *filters, **options)

    def structure_sets(self, *filters: str, **options: Any) -> Iterator[StructureSetDoc]:
        """Yield sets of generated or selected structures, with their origins."""
        return self._documents("structure_sets", *filters, **options)

    def datasets(self, *filters: str, **options: Any) -> Iterator[DatasetDoc]:
        """Yield datasets with their splits."""
        return self._documents("datasets", *filters, **options)

    def models(self, *filters: str, **options: Any) -> Iterator[ModelDoc]:
        """Yield trained potentials."""
        return self._documents("models", *filters, **options)

    def committees(self, *filters: str, **options: Any) -> Iterator[CommitteeDoc]:
        """Yield committees with their errors and thresholds."""
        return self._documents("committees", *filters, **options)

    def segments(self, *filters: str, **options: Any) -> Iterator[SegmentDoc]:
        """Yield segments of molecular dynamics."""
        return self._documents("segments", *filters, **options)

    def iterations(self, *filters: str, **options: Any) -> Iterator[IterationDoc]:
        """Yield iterations of the active-learning loop."""
        return self._documents("iterations", *filters, **options)

    def phase_references(self, *filters: str, **options: Any) -> Iterator["PhaseReferencesDoc"]:
        """Yield runs of known phases at temperature, which the labels of atoms are learned from."""
        return self._documents("phase_references", *filters, **options)

    def cell_transport(self, *filters: str, **options: Any) -> Iterator["CellTransportDoc"]:
        """Yield Onsager coefficients of amorphous cells, one document for each cell and temperature."""
        return self._documents("cell_transport", *filters, **options)

    def transport_grids(self, *filters: str, **options: Any) -> Iterator["TransportGridDoc"]:
        """Yield transport grids; their arrays are read by :meth:`arrays`."""
        return self._documents("transport_grids", *filters, **options)

    def documents(self, kind: str, *filters: str, **options: Any) -> Iterator[Document]:
        """Yield documents of any kind with a schema, such as ``thermodynamics`` or ``production_audits``.

        Raises
        ------
        InputError
            The kind has no schema.
        """
        if kind not in document_kinds():
            raise InputError(f"unknown kind {kind!r}; kinds are {', '.join(document_kinds())}")
        return self._documents(kind, *filters, **options)

    def parts(self, part: str, *filters: str, **options: Any) -> Iterator["PartDoc[Any, Any]"]:
        """Yield one part of interface analyses, such as ``growth``, with the typed results of all replicas."""
        for found in self._documents(part, *filters, **options):
            yield found if found.replicas else found.with_replicas(self.arrays(found))

    def interface_analysis(self) -> "InterfaceAnalysisDoc | None":
        """Return the analysis of this campaign's production; None before it has ended, or if it failed."""
        key = None if self.result is None else self.result.analysis_keys.get("interface_analysis")
        return None if key is None else self._get("interface_analyses", key)

    def part(self, part: str) -> "PartDoc[Any, Any] | None":
        """Return one part of the analysis of this campaign's production, such as ``phases``; None if there is none."""
        key = None if self.result is None else self.result.analysis_keys.get(part)
        return None if key is None else next(self.parts(part, key=key), None)

    def failures(self, *filters: str, **options: Any) -> Iterator[FailureDoc]:
        """Yield results that could not be computed, with the reason."""
        return (FailureDoc.model_validate(found) for found in self._found("failures", *filters, **options))

    def count(self, kind: str, *filters: str, **fields: Any) -> int:
        """Count the matching documents of a kind."""
        return count(self._workspace.ledger, kind, filters, self._criteria(kind, filters, (), fields))

    @property
    def specification(self) -> Campaign:
        """The campaign file, with defaults; an InputError if it is damaged or of another version."""
        return stored_specification(self._workspace.ledger.get("campaigns", self.campaign) or {})

    @property
    def result(self) -> CampaignResult | None:
        """Keys of the documents that are the result of this campaign; None before it has ended."""
        state = self._workspace.ledger.get("campaigns", self.campaign) or {}
        return CampaignResult.model_validate(state["result"]) if "result" in state else None

    def iteration(self) -> IterationDoc:
        """Return the last iteration of this campaign: that of its result, else the newest.

        Raises
        ------
        InputError
            No iteration has ended.
        """
        result = self.result
        if result is not None:
            return self._get("iterations", result.iteration_keys[-1])
        # by time, not by index: a campaign whose file was changed has iterations of both versions
        newest = next(self.iterations(sort="-created_at", limit=1), None)
        if newest is None:
            raise InputError(f"campaign {self.campaign} has no iteration yet: its first committee is not trained")
        return newest

    def dataset(self, key: str | None = None) -> DatasetDoc:
        """Return a dataset by its key; that of the last iteration if None."""
        return self._get("datasets", key or self.iteration().dataset_key)

    def committee(self, key: str | None = None) -> CommitteeDoc:
        """Return a committee by its key; that of the last iteration if None."""
        return self._get("committees", key or self.iteration().committee_key)

    def label_frames(self, *filters: str, **options: Any) -> Iterator[Atoms]:
        """Yield accepted labels as atoms with energy (eV), forces (eV/Å) and stress (eV/Å³).

        ``info`` has ``label_key``, ``origin`` and ``method``.
        """
        for label in self.labels(*filters, **{"status": "accepted"} | options):
            yield labelled_atoms(label)

    def dataset_frames(self, key: str | None = None) -> list[Atoms]:
        """Return the frames of a dataset, by default of the last iteration; ``info["split"]`` is the split."""
        return read_extxyz(self.artifacts.get(self.dataset(key).artifact))

    def load_committee(self, key: str | None = None) -> "NequIPCommittee":
        """Load a committee, by default of the last iteration.

        ``dynamics_calculator`` is for ASE, ``predict_all(atoms)`` returns the predictions of all members.
        """
        from interphase_flows.potentials.committee import NequIPCommittee  # takes seconds to import

        paths = [self.artifacts.get(model.checkpoint) for model in self.committee(key).models]
        return NequIPCommittee(paths, self.settings.device, self.settings.n_threads)

    def trajectory(self, run_id: str, **fields: Any) -> RunFrames:
        """Open the unwrapped frames of a run over all its segments; a context manager.

        Parameters
        ----------
        run_id
            The run, such as ``replica-0``.
        fields
            Further fields of its segments, if several runs have that name: ``committee_key=...``.

        Raises
        ------
        InputError
            The run does not exist, has no stored frames, or is not unique.
        """
        segments = self.run_segments(run_id, **fields)
        return RunFrames([self.artifacts.get(s.trajectory) for s in segments if s.trajectory])

    def run_segments(self, run_id: str, **fields: Any) -> list[SegmentDoc]:
        """Return the segments of a run that have frames, in order; arguments and errors as for `trajectory`."""
        selected: JsonDocument = {"run_id": run_id} | fields
        result = self.result
        if result is not None:
            keys = [*result.exploration_keys, *result.production_keys, *self._grid_segments(result)]
            selected.setdefault("key", keys)
        segments = [s for s in self.segments(sort="first_step", **selected) if s.trajectory is not None]
        if not segments:
            raise InputError(
                f"campaign {self.campaign} has no trajectory of a run {run_id!r}. Hint: list the runs by interphase "
                "query segments"
            )
        for before, after in pairwise(segments):
            if after.first_step < before.last_step:
                raise InputError(
                    f"campaign {self.campaign}: several runs are named {run_id!r}. Hint: select one by "
                    "committee_key=... or role=..."
                )
        return segments

    def arrays(
        self, analysis: "InterfaceAnalysisDoc | PartDoc[Any, Any] | TransportGridDoc"
    ) -> dict[str, NDArray[Any]]:
        """Return the arrays of a result by name; empty if it has none."""
        if analysis.artifact is None:
            return {}
        with open_npz(self.artifacts.get(analysis.artifact)) as archive:
            return {name: archive[name] for name in archive.files}

    def close(self) -> None:
        """Close the store; the next access opens it again."""
        self._workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._workspace.__exit__(kind, error, traceback)

    def _get(self, kind: str, key: str) -> Any:
        found = self._workspace.ledger.get_as(kind, key, document_schema(kind))
        if found is None:
            raise InputError(f"campaign {self.campaign}: {kind} {key} is not in the ledger. Hint: resume the campaign")
        return found

    def _grid_segments(self, result: CampaignResult) -> list[str]:
        """Return the keys of the segments of the transport grid."""
        grid = result.analysis_keys.get("transport_grid")
        if grid is None:
            return []
        cells = self.cell_transport(key=self._get("transport_grids", grid).input_keys)
        return list(dict.fromkeys(key for cell in cells for key in cell.input_keys))

    def _documents(self, kind: str, *filters: str, **options: Any) -> Iterator[Any]:
        """Yield documents as the schema of their kind; for the options see the class."""
        found = self._found(kind, *filters, **options)
        schema = document_schema(kind)
        return (
            schema.model_validate(
                {f: v for f, v in document.items() if f in schema.model_fields or f not in LEDGER_FIELDS}
            )
            for document in found
        )

    def _found(
        self, kind: str, *filters: str, sort: str | Sequence[str] = (), limit: int = 0, **fields: Any
    ) -> Iterator[JsonDocument]:
        # checked here rather than at the first document, so that errors are raised at the call
        order = [sort] if isinstance(sort, str) else list(sort)
        criteria = self._criteria(kind, filters, order, fields)
        return stream(self._workspace.ledger, kind, filters, limit, order, criteria)

    def _criteria(self, kind: str, filters: Sequence[str], order: Sequence[str], fields: Criteria) -> JsonDocument:
        if kind not in KINDS:
            raise InputError(f"unknown kind {kind!r}; kinds are {', '.join(KINDS)}")
        check_fields(kind, [*fields, *fields_of(filters), *(parse_sort(order) or {})])
        return self._workspace.own | {
            field: {"$in": list(value)} if isinstance(value, list | tuple | set | frozenset) else value
            for field, value in fields.items()
        }
