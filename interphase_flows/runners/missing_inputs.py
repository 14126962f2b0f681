"""Inputs that a job lacks because an earlier job failed."""

import inspect
from collections.abc import Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, get_args

from interphase_flows.exceptions import MissingInputError
from interphase_flows.jobs.hints import query_command

if TYPE_CHECKING:
    from jobflow import Job


def check_inputs(job: "Job", resolved: "Job", failed: Sequence[str] = ()) -> None:
    """Check that a job that runs although an earlier job failed has all inputs whose type is not optional.

    jobflow replaces the output of a failed job by None (`OnMissing.NONE`).

    Parameters
    ----------
    job, resolved
        The job with references, and with their values.
    failed
        Names of its parents that failed, if they are known.

    Raises
    ------
    MissingInputError
        An input is None; the message names it and the failed jobs.
    """
    from jobflow import OnMissing

    if job.config.on_missing_references != OnMissing.NONE:
        return
    signature = inspect.signature(_function(job))
    given, found = (
        signature.bind_partial(*each.function_args, **each.function_kwargs).arguments for each in (job, resolved)
    )
    missing = [
        name
        for name, value in found.items()
        if value is None and given[name] is not None and not _is_optional(signature.parameters[name])
    ]
    if missing:
        cause = f"these jobs failed: {', '.join(failed)}" if failed else "an earlier job failed"
        raise MissingInputError(
            f"{job.name}: not run, because its input {' and '.join(missing)} is missing: {cause}. Hint: "
            f"{query_command('failures')} lists the reasons; fix the first one, then resume"
        )


def _function(job: "Job") -> Any:
    """Return the function of a job as jobflow calls it."""
    function, owner = getattr(job.function, "original", job.function), getattr(job.function, "__self__", None)
    return function if owner is None else MethodType(function, owner)


def _is_optional(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    if parameter.default is None or annotation in (inspect.Parameter.empty, Any, None):
        return True
    return "None" in annotation if isinstance(annotation, str) else type(None) in get_args(annotation)
