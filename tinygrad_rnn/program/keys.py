"""keys: what tells settings and numbers apart, in dicts and between two runs."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

import numpy as np


def hashable(value: Any) -> Any:
    """A key of a setting or number: 0.0 is not -0.0, 1 is not 1.0, and slices have one too."""
    kind = type(value)
    if kind is int or kind is str or value is None:
        return value
    if kind is tuple or kind is list:
        return tuple(map(hashable, value))
    if kind is slice:
        return slice, value.start, value.stop, value.step
    if kind is np.ndarray:
        return kind, value.shape, value.dtype, value.tobytes()
    if kind is dict:
        return kind, tuple([(hashable(name), hashable(one)) for name, one in value.items()])
    if kind is set:
        return kind, frozenset(value)
    if kind is partial:
        return kind, value.func, hashable(value.args), hashable(value.keywords)
    if kind is float or isinstance(value, np.generic):
        return kind, repr(value)
    if isinstance(value, (tuple, list)):
        return kind, tuple(map(hashable, value))
    return kind, value if isinstance(value, Hashable) else id(value)


def settings_key(settings: dict[str, Any]) -> Any:
    """A key of settings, in whichever order they were given."""
    if len(settings) == 1:
        ((name, value),) = settings.items()
        return name, hashable(value)
    return tuple([(name, hashable(settings[name])) for name in sorted(settings)])
