"""Walkers between the segments of a run."""

from collections.abc import Sequence

from interphase_flows.schemas.segment import BROKEN, SegmentDoc, Walker


def advance_walkers(walkers: Sequence[Walker], segments: Sequence[SegmentDoc | None]) -> list[Walker]:
    """Return walkers at the end of their segments; a broken run continues from its last good checkpoint.

    A walker that broke before its first checkpoint restarts with another seed.
    """
    by_run = {segment.run_id: segment for segment in segments if segment is not None}
    # the failed job of a missing segment is recorded; the next committee repeats it
    return [_after(walker, by_run[walker.run_id]) if walker.run_id in by_run else walker for walker in walkers]


def _after(walker: Walker, segment: SegmentDoc) -> Walker:
    if segment.stop_reason in BROKEN and segment.continue_state == walker.continue_state:
        return walker.model_copy(update={"seed": walker.seed + 1, "n_restarts": walker.n_restarts + 1})
    return at_end_of(walker, segment)


def at_end_of(walker: Walker, segment: SegmentDoc) -> Walker:
    """Return a walker at the last checkpoint of a segment."""
    names = ("continue_from", "continue_state", "last_step")
    return walker.model_copy(update={name: getattr(segment, name) for name in names})
