"""The job that compiles potentials, and the compiled graphs that are stored."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ase import Atoms
from ase.data import atomic_numbers

from interphase_flows.exceptions import CompilationError, CorruptArtifactError
from interphase_flows.jobs.caching import cached_exclusive, stored_document
from interphase_flows.jobs.inputs import JobMaker, open_job
from interphase_flows.potentials.compiled import compiler
from interphase_flows.potentials.compiled.graph_keys import (
    architecture_key,
    graph_key,
    machine_type,
    package_versions,
)
from interphase_flows.potentials.spec import NequIPSpec
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import Deadline, deadline
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.shared_graphs import SharedGraphs
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.crystals.library import load_crystal

KIND = "compiled_potentials"
ARTIFACTS = "compiled_graphs"
PERMANENT = ("disagrees_with_eager", "other_architecture")
"""Reasons for which a compilation is not repeated; the others depend on the machine: a full disk, a broken compiler."""
LABEL = "compile potentials"
SWITCHED_OFF = "compile_potentials: never, in the settings"


@dataclass
class CompileMaker(JobMaker):
    """Compile the potentials of an architecture once for this type of machine.

    The parameters of any member of any iteration are loaded into the compiled graph, so the job needs no trained
    potential. It runs on a machine of the type that evaluates potentials.

    Parameters
    ----------
    spec
        Architecture of the committee.
    structure_files
        Structure files of phases by name.
    """

    name: str = LABEL
    spec: NequIPSpec = field(default_factory=NequIPSpec)
    structure_files: dict[str, str] = field(default_factory=dict)

    @open_job(output_schema=CompiledPotentialDoc)
    def make(self, elements: Sequence[str] | DatasetDoc, frames: Sequence[Atoms] | None = None) -> CompiledPotentialDoc:
        """Return the compiled graph, or the reason why there is none and potentials are evaluated eagerly.

        Parameters
        ----------
        elements
            Elements of the potentials, phases with these elements by name, or the dataset.
        frames
            Frames on which compiled and eager predictions of a model with random parameters are compared, besides
            disordered crystals.
        """
        settings = current_workspace().settings
        types = self._elements(elements)
        architecture = architecture_key(self.spec, types)
        document = CompiledPotentialDoc(
            key=graph_key(architecture, settings.device, settings.n_threads),
            architecture=architecture,
            elements=types,
            device=settings.device,
            machine=machine_type(settings.device),
            n_threads=settings.n_threads,
            versions=package_versions(),
            wall_time_s=0.0,
        )
        if settings.compile_potentials == "never":
            return without_graph(document, "switched_off", SWITCHED_OFF)
        if stored := stored_document(KIND, document.key, CompiledPotentialDoc):
            return stored
        shared = _shared()
        if compiler.cpp_compiler() is None and (shared is None or shared.get(document.key) is None):
            return without_graph(document, "no_compiler", "no C++ compiler. Hint: install g++")
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
            return without_graph(document, error.reason, str(error))

    def _elements(self, given: Sequence[str] | DatasetDoc) -> list[str]:
        if isinstance(given, DatasetDoc):
            return sorted(given.baseline.elements)
        crystals = [load_crystal(name, self.structure_files) for name in given if name not in atomic_numbers]
        return sorted({*(name for name in given if name in atomic_numbers), *(s for c in crystals for s in c.symbols)})

    def _compile(
        self, document: CompiledPotentialDoc, folder: Path, end: Deadline, frames: Sequence[Atoms]
    ) -> CompiledPotentialDoc:
        # importing takes seconds
        from interphase_flows.potentials.compiled.verification import verify_graph

        artifacts, shared = current_workspace().artifacts, _shared()
        if shared is not None and (found := shared.get(document.key)):
            other, path = found
            return other.model_copy(update={"artifact": artifacts.put_file(path, ARTIFACTS, compiler.GRAPH_SUFFIX)})
        started = time.monotonic()
        emit(LABEL, 0, 1)
        try:
            graph = compiler.compile_graph(
                self.spec, document.elements, document.device, document.n_threads, folder, lambda: end.is_over
            )
            errors = verify_graph(graph, self.spec, document.elements, document.device, document.n_threads, frames)
        except CompilationError as error:
            end.check(LABEL)
            if error.reason not in PERMANENT:
                raise
            return without_graph(document, error.reason, str(error), time.monotonic() - started)
        compiled = document.model_copy(
            update={
                "artifact": artifacts.put_file(graph.path, ARTIFACTS, compiler.GRAPH_SUFFIX),
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


def usable_graph(compiled: CompiledPotentialDoc) -> Path:
    """Return the compiled graph of a document on this machine.

    Raises
    ------
    CompilationError
        There is none, it is damaged, or it was compiled for another type of machine, device, number of threads or
        version.
    """
    settings = current_workspace().settings
    if compiled.artifact is None:
        raise CompilationError(compiled.explanation, compiled.reason or "compilation_failed")
    if settings.compile_potentials == "never":
        raise CompilationError(SWITCHED_OFF, "switched_off")
    if graph_key(compiled.architecture, settings.device, settings.n_threads) != compiled.key:
        raise CompilationError(
            f"the graph was compiled for {_place(compiled.machine, compiled.n_threads, compiled.versions)}, and this is "
            f"{_place(machine_type(settings.device), settings.n_threads, package_versions())}",
            "other_machine",
        )
    try:
        return current_workspace().artifacts.get(compiled.artifact)
    except CorruptArtifactError as error:
        raise CompilationError(f"the graph is damaged: {error}", "damaged_graph") from error


def _place(machine: str, n_threads: int, versions: Mapping[str, str]) -> str:
    threads = f"{n_threads} thread{'' if n_threads == 1 else 's'}"
    return f"{machine}, {threads}, {', '.join(f'{name} {version}' for name, version in sorted(versions.items()))}"


def _shared() -> SharedGraphs | None:
    """Return the graphs that campaigns with separate ledgers share."""
    workspace = current_workspace()
    if not workspace.shares_documents or isinstance(workspace.settings.store, MongodbSettings):
        return None
    return SharedGraphs(workspace.settings.root)


def without_graph(
    document: CompiledPotentialDoc, reason: str, explanation: str, wall_time_s: float = 0.0
) -> CompiledPotentialDoc:
    """Return a document that records why there is no graph."""
    emit(LABEL, 1, 1, f"evaluated eagerly ({reason})")
    return document.model_copy(
        update={
            "artifact": None,
            "reason": reason,
            "explanation": explanation,
            "notes": [CompilationError(explanation).note],
            "wall_time_s": wall_time_s,
        }
    )
