"""The job that compiles potentials, and the compiled graphs that are stored."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from ase import Atoms

from interphase_flows.exceptions import CompilationError
from interphase_flows.jobs.caching import cached_exclusive, stored_document
from interphase_flows.jobs.inputs import JobMaker, open_job
from interphase_flows.potentials.spec import NequIPSpec
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import Deadline, deadline
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.shared_graphs import SharedGraphs
from interphase_flows.storage.workspace import current_workspace

KIND = "compiled_potentials"
ARTIFACTS = "compiled_graphs"
PERMANENT = ("disagrees_with_eager", "other_architecture")
"""Reasons for which a compilation is not repeated; the others depend on the machine: a full disk, a broken compiler."""
LABEL = "compile potentials"


@dataclass
class CompileMaker(JobMaker):
    """Compile the potentials of an architecture once for this type of machine.

    The parameters of any member of any iteration are loaded into the compiled graph, so the job needs no trained
    potential. It runs on a machine of the type that evaluates potentials.

    Parameters
    ----------
    spec
        Architecture of the committee.
    """

    name: str = LABEL
    spec: NequIPSpec = field(default_factory=NequIPSpec)

    @open_job(output_schema=CompiledPotentialDoc)
    def make(self, elements: Sequence[str] | DatasetDoc, frames: Sequence[Atoms] | None = None) -> CompiledPotentialDoc:
        """Return the compiled graph, or the reason why there is none and potentials are evaluated eagerly.

        Parameters
        ----------
        elements
            Elements of the potentials, or their dataset.
        frames
            Frames on which compiled and eager predictions of a model with random parameters are compared, besides
            disordered crystals.
        """
        # importing takes seconds
        from interphase_flows.potentials.compiled.architecture import (
            architecture_key,
            graph_key,
            machine_type,
            new_model,
        )
        from interphase_flows.potentials.compiled.compiler import cpp_compiler

        settings = current_workspace().settings
        types = sorted(set(elements.baseline.elements if isinstance(elements, DatasetDoc) else elements))
        architecture = architecture_key(new_model(self.spec, types, seed=0))
        document = CompiledPotentialDoc(
            key=graph_key(architecture, settings.device, settings.n_threads),
            architecture=architecture,
            elements=types,
            device=settings.device,
            machine=machine_type(settings.device),
            n_threads=settings.n_threads,
            versions={name: version(name) for name in ("nequip", "torch")},
            wall_time_s=0.0,
        )
        if settings.compile_potentials == "never":
            return _without_graph(document, "switched_off", "compile_potentials: never, in the settings")
        if stored := stored_document(KIND, document.key, CompiledPotentialDoc):
            return stored
        shared = _shared()
        if cpp_compiler() is None and (shared is None or shared.get(document.key) is None):
            return _without_graph(document, "no_compiler", "no C++ compiler. Hint: install g++")
        end = deadline(settings)
        try:
            return cached_exclusive(
                KIND,
                document.key,
                CompiledPotentialDoc,
                end,
                LABEL,
                lambda folder: self._compile(document, folder, end, frames or ()),
            )
        except CompilationError as error:
            return _without_graph(document, error.reason, str(error))

    def _compile(
        self, document: CompiledPotentialDoc, folder: Path, end: Deadline, frames: Sequence[Atoms]
    ) -> CompiledPotentialDoc:
        from interphase_flows.potentials.compiled.compiler import GRAPH_SUFFIX, compile_graph
        from interphase_flows.potentials.compiled.verification import verify_graph

        artifacts, shared = current_workspace().artifacts, _shared()
        if shared is not None and (found := shared.get(document.key)):
            other, path = found
            return other.model_copy(update={"artifact": artifacts.put_file(path, ARTIFACTS, GRAPH_SUFFIX)})
        started = time.monotonic()
        emit(LABEL, 0, 1)
        try:
            graph = compile_graph(
                self.spec, document.elements, document.device, document.n_threads, folder, lambda: end.is_over
            )
            errors = verify_graph(graph, self.spec, document.elements, document.device, document.n_threads, frames)
        except CompilationError as error:
            end.check(LABEL)
            if error.reason not in PERMANENT:
                raise
            return _without_graph(document, error.reason, str(error), time.monotonic() - started)
        compiled = document.model_copy(
            update={
                "artifact": artifacts.put_file(graph.path, ARTIFACTS, GRAPH_SUFFIX),
                "constants": graph.constants,
                "errors": errors,
                "wall_time_s": time.monotonic() - started,
            }
        )
        if shared is not None:
            shared.put(compiled, graph.path)
        emit(
            LABEL,
            1,
            1,
            f"{compiled.wall_time_s:.0f} s, forces differ by {errors.force_eV_per_angstrom:.0e} eV/Å",
        )
        return compiled


def stored_graph(checkpoint: Path) -> CompiledPotentialDoc | None:
    """Return the stored graph for the architecture of a potential on this machine; None if there is none."""
    from interphase_flows.potentials.committee import COMPILED, load_calculator
    from interphase_flows.potentials.compiled.architecture import architecture_key, graph_key

    settings = current_workspace().settings
    if settings.compile_potentials == "never" or checkpoint.name.endswith(COMPILED):
        return None
    architecture = architecture_key(load_calculator(checkpoint, settings.device).model)
    key = graph_key(architecture, settings.device, settings.n_threads)
    document = stored_document(KIND, key, CompiledPotentialDoc)
    return document if document is not None and document.artifact is not None else None


def _shared() -> SharedGraphs | None:
    """Return the graphs that campaigns with separate ledgers share."""
    workspace = current_workspace()
    if not workspace.shares_documents or isinstance(workspace.settings.store, MongodbSettings):
        return None
    return SharedGraphs(workspace.settings.root)


def _without_graph(
    document: CompiledPotentialDoc, reason: str, explanation: str, wall_time_s: float = 0.0
) -> CompiledPotentialDoc:
    emit(LABEL, 1, 1, f"evaluated eagerly ({reason})")
    note = f"potentials are evaluated eagerly: {explanation}"
    return document.model_copy(
        update={"reason": reason, "explanation": explanation, "notes": [note], "wall_time_s": wall_time_s}
    )
