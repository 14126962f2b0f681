"""Documents and arrays of the parts of an interface analysis: written by its job, and read again."""

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import bson
import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.io.npz import open_npz
from interphase_flows.analysis.pipeline.registry import analysis_part
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached, stored_document
from interphase_flows.schemas.analysis import InterfaceAnalysisDoc, PartDoc, archive_name, part_document
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.storage.archive import decompressed
from interphase_flows.storage.workspace import current_workspace

MOST_INLINE_BYTES = 500_000
"""Results of replicas that are larger go to the artifact: a document of the ledger holds 1 MB."""


def store_part(
    analysis_key: str,
    part: str,
    replicas: Mapping[str, Result | Unavailable],
    analyses: Sequence[InterfaceAnalysis],
    artifact: ArtifactRef,
) -> PartDoc[Any, Any]:
    """Record the document of a part and return it."""
    key = content_key(part, analysis=analysis_key)
    schema = part_document(part)

    def compute() -> PartDoc[Any, Any]:
        average: Result | Unavailable | None = None
        known = analysis_part(part)
        if known.average_result is not None:
            try:
                average = known.average(analyses)
            except AnalysisError as error:
                average = Unavailable.from_error(error)
        return schema(
            key=key,
            part=part,
            analysis_key=analysis_key,
            replicas=dict(replicas),
            average=average,
            artifact=artifact,
        )

    return cached(part, key, schema, compute)


def packed_parts(parts: Mapping[str, PartDoc[Any, Any]]) -> bytes:
    """Return the documents of all parts as compressed JSON."""
    texts = ", ".join(f'"{part}": {document.model_dump_json()}' for part, document in parts.items())
    return gzip.compress(f"{{{texts}}}".encode(), mtime=0)


def load_parts(analysis: InterfaceAnalysisDoc) -> dict[str, PartDoc[Any, Any]]:
    """Return the documents of all parts of an analysis, with the results of every replica, by part."""
    workspace = current_workspace()
    arrays = {}
    if analysis.artifact is not None:
        with open_npz(workspace.artifacts.get(analysis.artifact)) as archive:
            arrays = {name: archive[name] for name in archive.files if name.endswith(archive_name(""))}
    stored: dict[str, Any] = {}
    if analysis.parts is not None:
        path = workspace.artifacts.get(analysis.parts)
        stored = json.loads(decompressed(path.read_bytes(), f"results in {path}"))
    found: dict[str, PartDoc[Any, Any]] = {}
    for part, key in analysis.documents.items():
        schema = part_document(part)
        document = schema.model_validate(stored[part]) if part in stored else stored_document(part, key, schema)
        if document is not None:
            found[part] = document.with_replicas(arrays)
    return found


def fits_inline(replicas: Mapping[str, Result | Unavailable]) -> bool:
    """Return whether the results of all replicas fit into the document of their part."""
    dumped = {run: each.model_dump(mode="json") for run, each in replicas.items()}
    return len(bson.encode(dumped)) <= MOST_INLINE_BYTES


def arrays_of_runs(
    analyses: Mapping[str, InterfaceAnalysis], archived: Mapping[str, Mapping[str, Result | Unavailable]]
) -> dict[str, NDArray[Any]]:
    """Return the series of all runs, named ``run/name``, and archived results."""
    arrays: dict[str, NDArray[Any]] = {
        f"{run}/{name}": array for run, each in analyses.items() for name, array in each.arrays.items()
    }
    for part, replicas in archived.items():
        texts = ", ".join(f'"{run}": {each.model_dump_json()}' for run, each in replicas.items())
        arrays[archive_name(part)] = np.frombuffer(f"{{{texts}}}".encode(), dtype=np.uint8)
    return arrays
