"""What every replica says, in a document as long as it fits there, else beside the series in its artifact.

A document of the ledger holds 1 MB. A replica of a long run tells some 100 kB, so a dozen of them are too many.
"""

import json
from collections.abc import Mapping
from typing import Any

import bson
import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 500_000
"""Of the replicas in a document, which holds more than them."""
ARCHIVED = "runs.json"
"""Name of the array that holds them as the bytes of JSON."""


def split_replicas(
    runs: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, Mapping[str, Any]], dict[str, NDArray[np.uint8]]]:
    """Return the replicas for a document, and arrays for its artifact; one of the two is empty.

    Parameters
    ----------
    runs
        Plain values by name of the replica.
    """
    if len(bson.encode(runs)) <= MOST_BYTES:
        return dict(runs), {}
    told = json.dumps(runs, allow_nan=False).encode()
    return {}, {ARCHIVED: np.frombuffer(told, dtype=np.uint8)}


def joined_replicas(
    runs: Mapping[str, Mapping[str, Any]], arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Mapping[str, Any]], dict[str, NDArray[Any]]]:
    """Return the replicas of a document and of the arrays of its artifact, and the other arrays."""
    others = {name: array for name, array in arrays.items() if name != ARCHIVED}
    archived = arrays.get(ARCHIVED)
    return dict(runs) | ({} if archived is None else json.loads(archived.tobytes())), others
