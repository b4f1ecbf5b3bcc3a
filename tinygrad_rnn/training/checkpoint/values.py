"""Python's plain values as JSON and arrays, and back: what goes in comes out, types included.

None, bools, numbers, strings, lists and dicts with strings for keys are JSON's own. The others
become a dict of one entry: {"$array": key}, {"$number": key} for a NumPy number, {"$tuple": [...]}
and {"$dict": [[key, value], ...]}. The arrays themselves are kept apart, under these keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...ops.op import Array
from .container import storable


def encode(value: Any, where: str, keep: Callable[[Array], str]) -> Any:
    """A value as what JSON can hold.

    where: its name in errors. keep: what takes an array and gives its key.
    Raises: TypeError for other kinds of values.

    >>> encode({"betas": (0.9, 0.999), "v": np.ones(2)}, "state", lambda array: "key")
    {'betas': {'$tuple': [0.9, 0.999]}, 'v': {'$array': 'key'}}
    """
    if isinstance(value, (np.ndarray, np.generic)) and storable(value.dtype):
        return {"$array" if isinstance(value, np.ndarray) else "$number": keep(np.asarray(value))}
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        parts = [encode(part, f"{where}[{k}]", keep) for k, part in enumerate(value)]
        return parts if isinstance(value, list) else {"$tuple": parts}
    if isinstance(value, Mapping):
        return _pairs({k: encode(part, f"{where}[{k!r:.60}]", keep) for k, part in value.items()})
    raise TypeError(
        f"save: {where} is of type {type(value).__name__}; it must be made of numbers, strings, "
        "arrays, None, lists, tuples and dicts"
    )


def _pairs(parts: dict[Any, Any]) -> Any:
    """A dict as it is, or as a list of pairs where JSON or our own marks would change its keys."""
    if all(isinstance(key, str) and not key.startswith("$") for key in parts):
        return parts
    for key in parts:
        if not isinstance(key, (str, int, float, bool, type(None))):
            raise TypeError(
                f"save: a dict has the key {key!r:.60}; it must be a string or a number"
            )
    return {"$dict": [[key, part] for key, part in parts.items()]}


def decode(written: Any, arrays: Mapping[str, Array]) -> Any:
    """The value again.

    >>> decode({"betas": {"$tuple": [0.9, 0.999]}}, {})
    {'betas': (0.9, 0.999)}
    """
    if isinstance(written, list):
        return [decode(part, arrays) for part in written]
    if not isinstance(written, dict):
        return written
    if len(written) == 1:
        ((mark, payload),) = written.items()
        if mark in _MARKS:
            return _MARKS[mark](payload, arrays)
    return {key: decode(part, arrays) for key, part in written.items()}


_MARKS: dict[str, Callable[[Any, Mapping[str, Array]], Any]] = {
    "$array": lambda key, arrays: arrays[key],
    "$number": lambda key, arrays: arrays[key][()],
    "$tuple": lambda parts, arrays: tuple(decode(part, arrays) for part in parts),
    "$dict": lambda pairs, arrays: {key: decode(part, arrays) for key, part in pairs},
}
