"""Which reference methods there are: a campaign names one, and adding one is one line and one file."""

from collections.abc import Callable

from interphase_flows.exceptions import InputError
from interphase_flows.references.labelling import ReferenceMethod


def _chgnet(device: str, n_threads: int) -> ReferenceMethod:
    from interphase_flows.references.chgnet import CHGNetMethod

    return CHGNetMethod(device=device, n_threads=n_threads)


METHODS: dict[str, Callable[[str, int], ReferenceMethod]] = {"chgnet": _chgnet}


def reference_method(name: str, device: str = "cpu", n_threads: int = 1) -> ReferenceMethod:
    """Return a reference method by its name in a campaign file.

    Raises
    ------
    InputError
        There is no such method.
    """
    if name not in METHODS:
        raise InputError(f"reference.method: {name!r} is not known; choose one of {', '.join(METHODS)}")
    return METHODS[name](device, n_threads)
