"""save and load: what is in a checkpoint, and whether it fits.

The arrays of the file are the model's, under their own names, so that other programs can read
them; the others, those of the optimiser and of the caller, have names of one prefix. The text is
JSON: the format's version, that prefix, and everything else as values.py writes it.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ...ops.op import Array
from .atomic import Name, write_atomically
from .container import CheckpointError, pack, shown, unpack
from .values import decode, encode

FORMAT = 1


class Stateful(Protocol):
    """A Module, an Optimizer: what gives its state away and takes it back."""

    def state_dict(self) -> dict[str, Any]:
        """The state."""

    def load_state_dict(self, state: Any) -> Any:
        """Takes a state over. Raises: ValueError where it does not fit."""


Model = Stateful | MutableMapping[str, Any]


@dataclass(frozen=True)
class _Contents:
    """What a file holds. arrays: the model's. optimizer: {"kind": ..., "state": ...} or None."""

    arrays: dict[str, Array]
    meta: dict[str, Any]
    optimizer: dict[str, Any] | None
    rng: dict[str, Any] | None


def save(
    path: Name,
    model: Model,
    optimizer: Stateful | None = None,
    *,
    rng: np.random.Generator | None = None,
    **meta: Any,
) -> None:
    """Writes a model into a safetensors file; whoever reads it finds it whole, or as it was before.

    path: the file's name, in a folder that is there. model: a Module, or a dict of arrays of
    bools, integers or floats. optimizer: whose momenta and settings are to be kept too. rng: a
    generator whose state is to be kept. meta: anything else, by name: numbers, strings, arrays,
    None, and lists, tuples and dicts of them.
    Raises: TypeError for other kinds of values, FileNotFoundError without the folder,
    PermissionError for a file that is read-only; then no file has changed.

    >>> import tempfile
    >>> from tinygrad_rnn import nn
    >>> model = nn.Linear(3, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/linear.safetensors", model, epoch=7)
    ...     load(f"{folder}/linear.safetensors", model)
    {'epoch': 7}
    """
    arrays = _arrays(model)
    others = _Others(arrays)
    document = {
        "format": FORMAT,
        "prefix": others.prefix,
        "meta": encode(meta, "meta", others.keep),
        "optimizer": encode(_described(optimizer), "optimizer", others.keep),
        "rng": encode(None if rng is None else _state(rng), "rng", others.keep),
    }
    write_atomically(path, pack({**arrays, **others.arrays}, json.dumps(document)))


class _Others:
    """The arrays that are not the model's, by names that the model has not."""

    def __init__(self, taken: dict[str, Array]) -> None:
        self.arrays: dict[str, Array] = {}
        self.prefix = "tinygrad_rnn."
        while any(str(name).startswith(self.prefix) for name in taken):
            self.prefix = f"_{self.prefix}"

    def keep(self, array: Array) -> str:
        """Takes an array; the result is its name."""
        name = f"{self.prefix}{len(self.arrays)}"
        self.arrays[name] = array
        return name


def _arrays(model: Model) -> dict[str, Array]:
    """The arrays of a model by name."""
    if isinstance(model, MutableMapping):
        return {name: np.asarray(value) for name, value in model.items()}
    if not hasattr(model, "state_dict"):
        raise TypeError(
            f"the model is of type {type(model).__name__}; it must be a Module or a dict of arrays"
        )
    return model.state_dict()


def _described(optimizer: Stateful | None) -> dict[str, Any] | None:
    """The state of an optimizer, and what kind of one it is."""
    if optimizer is None:
        return None
    return {"kind": type(optimizer).__name__, "state": optimizer.state_dict()}


_PLAIN_STATES = ("PCG64", "PCG64DXSM")  # of numbers, each of which any value does no harm


def _state(rng: np.random.Generator) -> dict[str, Any]:
    """The state of a generator, made of numbers alone."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: is of type {type(rng).__name__}; it must be a np.random.Generator")
    kind = type(rng.bit_generator).__name__
    if kind not in _PLAIN_STATES:
        raise TypeError(f"rng: uses {kind}; use one from np.random.default_rng, which has PCG64")
    return dict(rng.bit_generator.state)


def load(
    path: Name,
    model: Model | None = None,
    optimizer: Stateful | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> dict[str, Any]:
    """Puts the values of a file that `save` wrote into what is given; the result is its meta.

    The whole file is checked first: a checksum over every byte, then whether model, optimizer and
    rng each are in the file and fit. model: a Module with the same names, shapes and dtypes, or
    such a dict, whose arrays are replaced; an empty dict gets all there are.
    Raises: CheckpointError that lists every difference, FileNotFoundError; then nothing has
    changed.
    """
    contents = _read(path)
    wrong = [
        *([] if model is None else _model_differences(model, contents.arrays)),
        *([] if optimizer is None else _optimizer_differences(optimizer, contents.optimizer)),
        *([] if rng is None else _rng_differences(rng, contents.rng)),
    ]
    if wrong:
        raise CheckpointError(f"load: {os.fspath(path)} does not fit: {'; '.join(wrong)}")
    if optimizer is not None and contents.optimizer is not None:
        optimizer.load_state_dict(contents.optimizer["state"])
    if model is not None:
        _fill(model, contents.arrays)
    if rng is not None and contents.rng is not None:
        rng.bit_generator.state = contents.rng
    return contents.meta


def _read(path: Name) -> _Contents:
    """What a file holds. Raises: CheckpointError where it is damaged or no checkpoint."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise CheckpointError(f"load: {os.fspath(path)} is no ordinary file")
    with open(path, "rb") as file:
        arrays, text = unpack(file, os.fspath(path))
    try:
        return _contents(arrays, json.loads(text))
    except CheckpointError as error:
        raise CheckpointError(f"load: {os.fspath(path)} {error}") from None
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"load: {os.fspath(path)} is damaged: {error!r}") from error


def _contents(arrays: dict[str, Array], document: dict[str, Any]) -> _Contents:
    """The arrays and the text put together again."""
    if document["format"] != FORMAT:
        raise CheckpointError(
            f"has format {document['format']!r:.20}, but this version of tinygrad_rnn reads only "
            f"{FORMAT}: use a newer one"
        )
    parts = ("prefix", "meta", "optimizer", "rng")
    match [decode(document[part], arrays) for part in parts]:
        case [
            str(prefix),
            dict(meta),
            None | {"kind": str(), "state": dict()} as optimizer,
            None | dict() as rng,
        ]:
            own = {name: array for name, array in arrays.items() if not name.startswith(prefix)}
            return _Contents(own, meta, optimizer, rng)
    raise CheckpointError("is damaged: its text makes no sense")


def _model_differences(model: Model, found: dict[str, Array]) -> list[str]:
    """In what the arrays of a file differ from those of a model."""
    if isinstance(model, MutableMapping) and not model:
        return []
    expected = _arrays(model)
    both = {name: array for name, array in expected.items() if name in found}
    return [
        *(f"{shown(name)} is missing" for name in expected if name not in found),
        *(f"{shown(name)} is not in the model" for name in found if name not in expected),
        *(
            f"{shown(name)} has shape {found[name].shape}, not {array.shape}"
            for name, array in both.items()
            if found[name].shape != array.shape
        ),
        *(
            f"{shown(name)} has dtype {found[name].dtype}, not {array.dtype}"
            for name, array in both.items()
            if found[name].dtype != array.dtype.newbyteorder("=")
        ),
    ]


def _optimizer_differences(optimizer: Stateful, found: dict[str, Any] | None) -> list[str]:
    """Why an optimizer cannot take over a state: a copy of it tries to."""
    if found is None:
        return ["it holds no optimizer"]
    kind = type(optimizer).__name__
    if found["kind"] != kind:
        return [f"it holds the state of {found['kind']!r:.40}, not of {kind}"]
    try:
        copy.deepcopy(optimizer).load_state_dict(found["state"])
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        return [f"optimizer: {error}"]
    return []


def _rng_differences(rng: np.random.Generator, found: dict[str, Any] | None) -> list[str]:
    """Why a generator cannot take over a state: another of its kind tries to."""
    _state(rng)
    if found is None:
        return ["it holds no state of rng"]
    trial: Any = type(rng.bit_generator)()
    try:
        trial.state = found
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        return [f"rng: {error}"]
    return [] if trial.state == found else ["rng: its state is damaged"]


def _fill(model: Model, arrays: dict[str, Array]) -> None:
    """Puts arrays that fit into a model."""
    if isinstance(model, MutableMapping):
        kinds = {name: value.dtype for name, value in _arrays(model).items()}
        model.update({name: a.astype(kinds.get(name, a.dtype)) for name, a in arrays.items()})
    else:
        model.load_state_dict(arrays)
