"""Split of a dataset by origin: frames of one trajectory or one crystal are all on the same side."""

import hashlib
from collections.abc import Iterable, Mapping

from interphase_flows.schemas.dataset import Split
from interphase_flows.schemas.origin import Origin

MIN_ORIGINS_TO_SPLIT = 3


def split_origins(
    origins: Iterable[Origin],
    fixed: Mapping[Origin, Split],
    seed: int,
    validation_fraction: float,
    test_fraction: float,
) -> dict[Origin, Split]:
    """Assign every origin to train, validation or test.

    Splits assigned earlier (``fixed``) and those of `Origin.fixed_split` never change. The other new origins of a
    family are ranked by a seeded hash, so that the result does not depend on their order. A family of three or more
    gets at least one origin on each side; a smaller family is for training.
    """
    result: dict[Origin, Split] = dict(fixed)
    families: dict[str, list[Origin]] = {}
    for origin in sorted(set(origins) - set(fixed)):
        if origin.fixed_split is not None:
            result[origin] = origin.fixed_split
        else:
            families.setdefault(origin.family, []).append(origin)
    for members in families.values():
        members.sort(key=lambda origin: _rank(origin, seed))
        n = len(members)
        n_test = n_validation = 0
        if n >= MIN_ORIGINS_TO_SPLIT:
            n_test = min(max(1, round(test_fraction * n)), n - 2)
            n_validation = min(max(1, round(validation_fraction * n)), n - n_test - 1)
        result |= dict.fromkeys(members, "train")
        result |= dict.fromkeys(members[: n_test + n_validation], "validation")
        result |= dict.fromkeys(members[:n_test], "test")
    return result


def _rank(origin: Origin, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{origin}".encode()).hexdigest()
