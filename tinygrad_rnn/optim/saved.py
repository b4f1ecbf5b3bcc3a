"""What an optimiser's next step depends on, as dicts, numbers and arrays, and back from there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, ClassVar, Protocol

import numpy as np

from ..engine.tensor import Tensor
from .groups import Group, plain


class Stateful(Protocol):
    """What is saved of an optimiser, and what tells whether a saved state fits it."""

    buffers: ClassVar[Mapping[str, str]]
    counts: ClassVar[bool]
    param_groups: list[Group]
    state: dict[Tensor, dict[str, Any]]

    def wrong(self, group: Mapping[str, Any]) -> list[str]:
        """What is wrong with a group's settings, in words."""


def state_dict(optimizer: Stateful) -> dict[str, Any]:
    """See `Optimizer.state_dict`."""
    state, groups = {}, []
    for group, positions in zip(optimizer.param_groups, _positions(optimizer), strict=True):
        settings = {name: plain(value) for name, value in group.items() if name != "params"}
        groups.append({**settings, "params": positions})
        for k, parameter in zip(positions, group["params"], strict=True):
            if optimizer.state.get(parameter):
                state[k] = _entries(optimizer, parameter, group)
    return {"state": state, "param_groups": groups}


def _positions(optimizer: Stateful) -> list[list[int]]:
    """For each group the positions of its parameters among all of them."""
    every = count()
    return [[next(every) for _ in group["params"]] for group in optimizer.param_groups]


def _entries(optimizer: Stateful, parameter: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a parameter's state; an array that was never needed so far is zeros."""
    own = optimizer.state[parameter]
    entries = {name: np.array(x) if isinstance(x, np.ndarray) else x for name, x in own.items()}
    for name in _needed(optimizer, group):
        if name not in entries:
            entries[name] = np.zeros(parameter.shape, parameter.dtype)
    return entries


def _needed(optimizer: Stateful, group: Mapping[str, Any]) -> list[str]:
    """The names of what a state has under a group's settings."""
    arrays = [name for name, switch in optimizer.buffers.items() if not switch or group.get(switch)]
    return ["step", *arrays] if optimizer.counts else arrays


def load_state_dict(optimizer: Stateful, given: Mapping[str, Any]) -> None:
    """See `Optimizer.load_state_dict`."""
    wrong = _malformed(given) or _differences(optimizer, given)
    if wrong:
        raise ValueError(f"{type(optimizer).__name__}: load_state_dict: {'; '.join(wrong)}")
    owners, state = _owners(optimizer, given), {}
    for k, entries in given["state"].items():
        parameter, _ = owners[str(k)]
        state[parameter] = {name: _own(name, x, parameter) for name, x in entries.items()}
    optimizer.state = state
    for group, other in zip(optimizer.param_groups, given["param_groups"], strict=True):
        group.update({name: plain(x) for name, x in other.items() if name != "params"})


def _malformed(given: Mapping[str, Any]) -> list[str]:
    """What is not built as a saved state is, in words."""
    wrong = [f"{name!r} is missing" for name in ("state", "param_groups") if name not in given]
    if wrong:
        return wrong
    state, groups = given["state"], given["param_groups"]
    entries = state.values() if isinstance(state, Mapping) else [None]
    if not all(isinstance(x, Mapping) for x in entries):
        wrong.append("'state' is no dict of dicts")
    listed = isinstance(groups, (list, tuple))
    if not (listed and all(isinstance(x, Mapping) for x in groups)):
        wrong.append("'param_groups' is no list of dicts")
    return wrong


def _own(name: str, value: Any, parameter: Tensor) -> Any:
    return int(value) if name == "step" else np.array(value, parameter.dtype)


def _owners(
    optimizer: Stateful, given: Mapping[str, Any]
) -> dict[str, tuple[Tensor, Mapping[str, Any]]]:
    """By position, as text: the parameter and its saved group."""
    groups = zip(optimizer.param_groups, given["param_groups"], strict=False)
    pairs = [(parameter, other) for group, other in groups for parameter in group["params"]]
    return {str(k): pair for k, pair in enumerate(pairs)}


def _differences(optimizer: Stateful, given: Mapping[str, Any]) -> list[str]:
    """Why a saved state is not one of this optimiser's, in words."""
    every, others = _positions(optimizer), given["param_groups"]
    fits = len(others) == len(every)
    wrong = [] if fits else [f"there are {len(others)} groups, not {len(every)}"]
    for k, (positions, other) in enumerate(zip(every, others, strict=False)):
        params = list(other.get("params", ()))
        found = [f"params are {params}, not {positions}"] if params != positions else []
        wrong += [f"group {k}: {words}" for words in found + optimizer.wrong(other)]
    owners = _owners(optimizer, given)
    for k, entries in given["state"].items():
        owner = owners.get(str(k))
        found = _wrong_entries(optimizer, entries, *owner) if owner else ["there is no such one"]
        wrong += [f"parameter {k}: {words}" for words in found]
    return wrong


def _wrong_entries(
    optimizer: Stateful, entries: Mapping[str, Any], parameter: Tensor, group: Mapping[str, Any]
) -> list[str]:
    """What is wrong with a parameter's saved state, in words."""
    shapes: dict[str, tuple[int, ...]] = {"step": ()} if optimizer.counts else {}
    shapes |= dict.fromkeys(optimizer.buffers, parameter.shape)
    wrong = [f"{name} is missing" for name in _needed(optimizer, group) if name not in entries]
    for name, value in entries.items():
        shape = np.shape(value)
        if name not in shapes:
            wrong.append(f"there is no {name!r}")
        elif shape != shapes[name]:
            wrong.append(f"{name} has shape {shape}, not {shapes[name]}")
        elif name == "step" and not value >= 0:
            wrong.append(f"step is {value}; it must be at least 0")
    return wrong
