"""Groups of parameters and their settings: what optimisers are given and what may be in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine.tensor import Tensor

Group = dict[str, Any]  # "params", a list of Tensors, and the settings by name
Params = Iterable[Tensor] | Iterable[Group]


def as_groups(kind: str, params: Params) -> list[Group]:
    """The groups that an optimiser is given: Tensors are one.

    >>> [len(group["params"]) for group in as_groups("SGD", [Tensor(1.0), Tensor(2.0)])]
    [2]
    """
    given = listed(kind, params)
    grouped = any(isinstance(part, dict) for part in given)
    return given if grouped or not given else [{"params": given}]


def listed(kind: str, params: Any) -> list[Any]:
    """Parameters in a list. Raises: TypeError for what has no parts, or none in an order."""
    if isinstance(params, (Tensor, set, frozenset, dict)) or not isinstance(params, Iterable):
        raise TypeError(
            f"{kind}: params must be Tensors or groups, in a list or another order, not a "
            f"{type(params).__name__}"
        )
    return list(params)


def check_parameters(kind: str, parameters: Iterable[Any], known: Iterable[Tensor]) -> None:
    """Raises: TypeError for what is no leaf Tensor, ValueError for what is there twice."""
    seen = set(known)
    for parameter in parameters:
        if not (isinstance(parameter, Tensor) and parameter.is_leaf):
            raise TypeError(f"{kind}: {parameter!r:.60} is not a leaf Tensor")
        if parameter in seen:
            raise ValueError(f"{kind}: {parameter!r:.60} is given twice")
        seen.add(parameter)


def wrong_settings(group: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """What is wrong with a group that should have settings of these names, in words.

    >>> wrong_settings({"lr": -1.0, "betas": (0.9, 0.9)}, ["lr", "betas", "eps"])
    ['lr is -1.0; it must be a finite number, at least 0', 'eps is missing']
    """
    wrong = [_wrong_value(name, group[name]) for name in names if name in group]
    wrong += [f"{name} is missing" for name in names if name not in group]
    unknown = group.keys() - {*names, "params", "initial_lr"}
    wrong += [f"there is no {name!r}, only {', '.join(names)}" for name in sorted(unknown)]
    return [words for words in wrong if words]


def _wrong_value(name: str, value: Any) -> str:
    """What is wrong with a setting's value, if anything."""
    if name == "betas":
        fine = (
            isinstance(value, (tuple, list)) and [_is_in_range(b, 1) for b in value] == [True] * 2
        )
        return "" if fine else f"betas are {value!r}; there must be two, from 0 to below 1"
    fine = _is_in_range(value, math.inf)
    return "" if fine else f"{name} is {value!r}; it must be a finite number, at least 0"


def _is_in_range(value: Any, bound: float) -> bool:
    return isinstance(value, (int, float, np.number, np.bool_)) and bool(0 <= value < bound)


def plain(value: Any) -> Any:
    """A setting as Python's numbers: NumPy's would widen float32 arrays that they meet.

    >>> plain(np.float64(0.5)), plain([0.9, np.float32(0.5)]), plain(True)
    (0.5, (0.9, 0.5), True)
    """
    if isinstance(value, (tuple, list)):
        return tuple(map(plain, value))
    return value.item() if isinstance(value, np.generic) else value
