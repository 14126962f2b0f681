"""Content keys: hashes of all inputs that determine a result."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
from pydantic import BaseModel

from interphase_flows.exceptions import StorageError

__all__ = ["IS_CONTENT_KEY", "content_key"]

IS_CONTENT_KEY = "is_content_key"
"""True in the serialisation context of pydantic while a key is computed: a model may leave out what is no content."""


def content_key(kind: str, **parts: Any) -> str:
    """Return the content key of a result from all inputs that determine it.

    Equal parts give equal keys in every process and on every machine. The order of mapping keys does not matter, nor
    whether a number is an ``int``, a ``float`` or a numpy scalar (1 and 1.0 are equal; ``True`` and 1 are not).
    All other differences change the key, down to the last bit of a float: round values whose noise should not.

    Parameters
    ----------
    kind
        Kind of the result: ``labels``, ``models``, ...
    parts
        Keys of inputs, parameters, identity of the method. None, booleans, numbers, strings, lists, arrays, mappings
        with string keys, pydantic models (by their fields) and dataclasses (by class name and fields).

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    StorageError
        A part has no unique, lasting representation: NaN, infinities, sets, paths, times, bytes, other objects.
    """
    canonical = {"kind": kind, "parts": {name: _canonical(value, name) for name, value in parts.items()}}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _canonical(value: Any, where: str) -> Any:
    """Return ``value`` in JSON types, equal values in one form."""
    match value:
        case Enum():
            return _canonical(value.value, where)
        case None | bool() | str():
            return value if value is None or isinstance(value, bool) else str(value)
        case np.ndarray():
            return _canonical(value.tolist(), where)
        case np.generic():
            return _canonical(value.item(), where)
        case int():
            return int(value)
        case float():
            if not math.isfinite(value):
                raise _unhashable(where, value, "NaN and infinities are not allowed; leave it out, or use None")
            # a float equals the integer of the same value; -0.0 equals 0.0
            return int(value) if value.is_integer() else float(value)
        case BaseModel():
            # sets and paths lose their type in mode="json": reject them before
            _canonical_mapping(_fields(value), where)
            return _canonical(value.model_dump(mode="json", context={IS_CONTENT_KEY: True}), where)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
            # two methods may have the same parameters
            return {"@class": type(value).__name__, **_canonical_mapping(fields, where)}
        case Mapping():
            return _canonical_mapping(value, where)
        case list() | tuple():
            return [_canonical(item, f"{where}[{i}]") for i, item in enumerate(value)]
        case PurePath():
            raise _unhashable(where, value, "a path differs between machines; use the hash of the file")
        case set() | frozenset():
            raise _unhashable(where, value, "its order differs between processes; use a sorted list")
    raise _unhashable(where, value, "its type has no lasting representation; use its key, or its fields")


def _fields(model: BaseModel) -> dict[str, Any]:
    return {name: getattr(model, name) for name in type(model).model_fields}


def _canonical_mapping(value: Mapping[Any, Any], where: str) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise _unhashable(f"{where}[{key!r}]", key, "keys of a mapping must be strings")
    return {str(key): _canonical(item, f"{where}.{key}") for key, item in value.items()}


def _unhashable(where: str, value: object, hint: str) -> StorageError:
    return StorageError(f"no content key: {where} = {value!r} ({type(value).__name__}): {hint}")
