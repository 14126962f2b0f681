"""Split by origin: frames of one trajectory or one crystal never stand on both sides."""

import hashlib
from collections.abc import Iterable, Mapping

from interphase_flows.schemas.dataset import Split


def _rank(origin: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{origin}".encode()).hexdigest()


def split_origins(
    origins: Iterable[str],
    fixed: Mapping[str, Split],
    seed: int,
    validation_fraction: float,
    test_fraction: float,
) -> dict[str, Split]:
    """Assign every origin to train, validation or test.

    An origin is written ``family/name``.  Assignments made before (``fixed``) never change.  Within
    each family the new origins are ranked by a seeded hash, so the result does not depend on their
    order; a family of three or more gives at least one origin to each side, a smaller one, and any
    crystal (every phase must be trained on), is for training.

    Parameters
    ----------
    origins
        Origins that need a side.
    fixed
        Sides decided earlier; returned unchanged.
    seed
        Of the ranking.
    validation_fraction, test_fraction
        Fractions of a family's origins.
    """
    result: dict[str, Split] = dict(fixed)
    families: dict[str, list[str]] = {}
    for origin in sorted(set(origins) - set(fixed)):
        families.setdefault(origin.split("/")[0], []).append(origin)
    for family, members in families.items():
        members.sort(key=lambda origin: _rank(origin, seed))
        n = len(members)
        if family == "crystal" or n < 3:
            n_test = n_validation = 0
        else:
            n_test = max(1, round(test_fraction * n))
            n_test = min(n_test, n - 2)
            n_validation = min(max(1, round(validation_fraction * n)), n - n_test - 1)
        for index, origin in enumerate(members):
            if index < n_test:
                result[origin] = "test"
            elif index < n_test + n_validation:
                result[origin] = "validation"
            else:
                result[origin] = "train"
    return result
