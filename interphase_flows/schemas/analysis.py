"""Results of analyses.

Each part of the analysis of production trajectories is a separate kind of document, with a schema down to its leaves;
`InterfaceAnalysisDoc` lists the documents that one analysis made.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.pipeline.registry import analysis_part
from interphase_flows.analysis.pipeline.results import TrajectorySummary
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document

R = TypeVar("R", bound=Result)
A = TypeVar("A", bound=Result)


class PartDoc(Document, Generic[R, A]):
    """One part of the analysis of production: the result of every replica, and their average.

    The name of the part is also the kind of the document. Results that do not fit into a document are in the artifact,
    see `with_replicas`, with the series of all parts, named ``run/name``. ``average`` is None for parts that are not
    averaged.
    """

    part: str
    analysis_key: str
    replicas: dict[str, R | Unavailable]
    average: A | Unavailable | None = None
    artifact: ArtifactRef | None = None

    def with_replicas(self, arrays: Mapping[str, NDArray[Any]]) -> "PartDoc[R, A]":
        """Return the document with the results of all replicas, from the arrays of its artifact if need be."""
        archived = arrays.get(archive_name(self.part))
        if self.replicas or archived is None:
            return self
        text = np.asarray(archived, dtype=np.uint8).tobytes()
        replicas = (
            type(self)
            .model_validate_json(b'{"key": "", "part": "", "analysis_key": "", "replicas": ' + text + b"}")
            .replicas
        )
        return self.model_copy(update={"replicas": replicas})


class InterfaceAnalysisDoc(Document):
    """Analysis of the production trajectories: the documents of its parts, and its inputs."""

    input_keys: list[str]
    references_key: str | None
    """Of the reference runs of phases."""
    analysis_settings: InterfaceAnalysisSettings
    trajectories: dict[str, TrajectorySummary]
    """By run."""
    documents: dict[str, str]
    """Key of the document of each part, by part."""
    artifact: ArtifactRef | None = None
    parts: ArtifactRef | None = None
    """File of the documents of all parts, of a job without a campaign."""


class PhaseReferencesDoc(Document):
    """Runs of known phases at temperature, to which the phase classifier is fitted; the runs are in the artifact."""

    committee_key: str
    temperature_K: float
    n_runs: dict[str, int]
    """By phase."""
    recognised_by_bonds: list[str]
    """Phases that are recognised by their bonds."""
    left_out: dict[str, dict[str, float]]
    """By phase: labels of its anions in runs that were left out of the training."""
    artifact: ArtifactRef


@cache
def part_document(part: str) -> type[PartDoc[Any, Any]]:
    """Return the type of the documents of a part.

    Raises
    ------
    KeyError
        No part has this name.
    """
    known = analysis_part(part)
    document: Any = PartDoc.__class_getitem__((known.result, known.average_result or Result))
    return cast(type[PartDoc[Any, Any]], document)


def archive_name(part: str) -> str:
    """Return the name of the array that holds results of replicas as the bytes of JSON."""
    return f"{part}.replicas.json"
