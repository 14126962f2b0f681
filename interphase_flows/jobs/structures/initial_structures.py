"""Jobs that join generated structures and place walkers; failed generators are recorded and left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from jobflow import job

from interphase_flows.content_keys import content_key
from interphase_flows.datasets.selection.initial import select_initial
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.hints import query_command
from interphase_flows.jobs.inputs import JobMaker, open_job
from interphase_flows.jobs.structures.structure_sets import KIND, Structures, as_set, load_set, store_set
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.segment import MeltQuenchWalker, Walker
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace

INITIAL_SET = "initial structures"
MISSING_REASON = "missing_structures"


def report_missing(key: str, names: Sequence[str], sets: Sequence[StructureSetDoc | None]) -> list[str]:
    """Record missing structure sets as a failure, and return a note for each."""
    missing = [name for name, made in zip(names, sets, strict=True) if made is None]
    if missing:
        message = f"jobs without a result: {', '.join(missing)}"
        current_workspace().ledger.record_failure(
            KIND,
            key,
            MISSING_REASON,
            {"explanation": f"{message}; the campaign continued without them. Hint: resume to repeat them"},
        )
        emit("structures", 0, len(sets), message)
    return [f"missing: {name}" for name in missing]


@dataclass
class JoinSetsMaker(JobMaker):
    """Join sets of structures into one without repeated structures; keep the most diverse ``max_structures``."""

    name: str = "join structures"
    max_structures: int | None = None

    @job(output_schema=StructureSetDoc)
    def make(
        self,
        sets: Sequence[StructureSetDoc | None],
        names: Sequence[str],
        starts: StructureSetDoc | None,
    ) -> StructureSetDoc:
        """Return the joined set, in the order of the sets; of equal structures the first is kept.

        Sets of failed generators are None. Without initial structures of runs (``starts``) nothing is labelled.

        Raises
        ------
        InputError
            There are no initial structures or no sets.
        """
        made = [each for each in sets if each is not None]
        key = content_key(
            KIND,
            generator="join",
            sets=[each.key for each in made],
            missing=[name for name, each in zip(names, sets, strict=True) if each is None],
            max_structures=self.max_structures,
        )
        if starts is None or not made:
            raise InputError(
                f"there is no interface to start from, so nothing is labelled. Hint: {query_command('failures')}"
            )

        def compute() -> StructureSetDoc:
            notes = report_missing(key, names, sets)
            frames: dict[str, Atoms] = {}
            details: dict[str, dict[str, float | int | str]] = {}
            for each in made:
                notes += each.notes
                details |= each.details
                for frame, entry in zip(load_set(each), each.entries, strict=True):
                    frames.setdefault(entry.key, frame)
            if self.max_structures is not None and len(frames) > self.max_structures:
                kept = select_initial(list(frames.values()), _origins(frames), self.max_structures)
                notes.append(f"the {len(kept)} most diverse of {len(frames)} structures are labelled")
                keys = list(frames)
                frames = {keys[index]: frames[keys[index]] for index in kept}
            origins = _origins(frames)
            known = {*frames, *origins}
            emit("structures", len(frames), len(frames), f"{sum(len(f) for f in frames.values())} atoms")
            return store_set(
                key,
                INITIAL_SET,
                list(frames.values()),
                origins,
                {name: values for name, values in details.items() if name in known},
                notes,
            )

        return cached(KIND, key, StructureSetDoc, compute)


def _origins(frames: Mapping[str, Atoms]) -> list[Origin]:
    return [frame.info["origin"] for frame in frames.values()]


@dataclass
class StartsMaker(JobMaker):
    """Collect the initial structures of runs: the interfaces, then the last frame of each amorphous cell and crystal.

    The last frame of an amorphous cell is the quenched one.
    """

    name: str = "starts"

    @job(output_schema=StructureSetDoc)
    def make(
        self, interfaces: Sequence[StructureSetDoc | None], amorphous: Sequence[StructureSetDoc | None]
    ) -> StructureSetDoc:
        """Return one set of the available structures, in order.

        Raises
        ------
        InputError
            No interface could be built.
        """
        built, cells = ([each for each in sets if each is not None] for sets in (interfaces, amorphous))
        n_missing = len(interfaces) + len(amorphous) - len(built) - len(cells)
        key = content_key(KIND, generator="starts", sets=[each.key for each in [*built, *cells]])

        def compute() -> StructureSetDoc:
            if not built:
                raise InputError(
                    f"none of {len(interfaces)} interfaces could be built, and the campaign needs one. Hint: interphase "
                    "query failures failed_kind=structure_sets shows the reasons"
                )
            frames = [load_set(each)[0] for each in built] + [load_set(cell)[-1] for cell in cells]
            details = {name: values for each in built for name, values in each.details.items()}
            notes = [f"{n_missing} initial structures are missing"] if n_missing else []
            return store_set(key, "starts", frames, [f.info["origin"] for f in frames], details, notes)

        return cached(KIND, key, StructureSetDoc, compute)


@job
def place_walkers(
    walkers: Sequence[Walker],
    interfaces: Sequence[StructureSetDoc | None],
    amorphous: Sequence[StructureSetDoc | None],
) -> list[Walker]:
    """Return the walkers with an initial structure, with their index among the available ones.

    Melt-quench walkers need none: their packings are made in each iteration.

    Raises
    ------
    InputError
        No exploring walker has an initial structure.
    """
    sets = [*interfaces, *amorphous]
    index_among_made = np.cumsum([made is not None for made in sets]) - 1
    placed = [
        walker
        if isinstance(walker, MeltQuenchWalker)
        else walker.model_copy(update={"index": int(index_among_made[walker.index])})
        for walker in walkers
        if isinstance(walker, MeltQuenchWalker) or sets[walker.index] is not None
    ]
    if not any(walker.role == "explore" for walker in placed):
        message = (
            f"none of {len(walkers)} walkers that explore has an initial structure. Hint: "
            f"{query_command('failures failed_kind=structure_sets')} shows the reasons"
        )
        key = content_key(KIND, generator="walkers", walkers=list(walkers))
        current_workspace().ledger.record_failure(KIND, key, MISSING_REASON, {"explanation": message})
        raise InputError(message)
    return placed


@open_job()
def start_walkers(starts: Structures, walkers: Sequence[Walker] | None = None, seed: int = 0) -> dict[str, Any]:
    """Return ``starts`` as a set of structures, and the ``walkers``.

    By default every structure starts an exploring run, and the last one also an audit run with other velocities.
    """
    starts = as_set(starts)
    if walkers is None:
        n = len(starts.entries)
        walkers = [Walker(run_id=f"explore-{i}", role="explore", seed=seed + i, index=i) for i in range(n)]
        walkers.append(Walker(run_id="audit-0", role="audit", seed=seed + n, index=n - 1))
    return {"starts": starts, "walkers": walkers}
