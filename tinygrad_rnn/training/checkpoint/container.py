"""The safetensors file: arrays, a text, and a checksum over every byte.

The file is 8 bytes that say how long the header is, the header (JSON: dtype, shape and place of
each array, and texts by name), and the arrays' bytes. Ours has one text. It begins with the SHA-256
of the whole file, taken with zeros in its own place: no byte can change or be missing unnoticed.
Source: https://huggingface.co/docs/safetensors, "Format".
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from ...ops.op import Array


class CheckpointError(ValueError):
    """A file is damaged, is no checkpoint, or does not fit what it is to be loaded into."""


DTYPES = {
    "BOOL": np.dtype(np.bool_),
    **{f"{kind}{8 * n}": np.dtype(f"{kind.lower()}{n}") for kind in "IU" for n in (1, 2, 4, 8)},
    **{f"F{8 * n}": np.dtype(f"f{n}") for n in (2, 4, 8)},
}
TEXT_KEY = "tinygrad_rnn"  # what the text is called
# In a string its quotes would be escaped.
_CHECKSUM = re.compile(rb'"tinygrad_rnn":"([0-9a-f]{64}) ')
_BLANK_CHECKSUM = b"0" * 64
_LONGEST_HEADER = 100_000_000  # bytes, in the format
_MOST_AXES = 64  # of an array of NumPy


def pack(arrays: Mapping[str, Array], text: str) -> bytes:
    """The content of a file that holds these arrays and this text.

    Raises: TypeError for another dtype than bool, an integer or a float of 16 to 64 bits, or for
    a name that is no string; ValueError for a name that the format cannot hold;
    ModuleNotFoundError without safetensors.
    """
    package = _package("save")
    plain = {_checked(name): _plain(name, array) for name, array in arrays.items()}
    content: bytes = package.numpy.save(plain, {TEXT_KEY: f"{_BLANK_CHECKSUM.decode()} {text}"})
    at = _place_of_sum(content)
    return b"".join((content[:at], _checksum(content, at), content[at + len(_BLANK_CHECKSUM) :]))


def _checked(name: Any) -> str:
    """A name that the format can hold."""
    if not isinstance(name, str):
        raise TypeError(f"save: the name {name!r:.60} is no string")
    if name == "__metadata__":
        raise ValueError("save: an array is called __metadata__, a name that safetensors needs")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"save: the name {name!r:.60} has half a character: {error}") from error
    return name


def storable(dtype: np.dtype[Any]) -> bool:
    """Whether a file can hold arrays of this dtype.

    >>> storable(np.dtype(">f4")), storable(np.dtype(complex))
    (True, False)
    """
    return dtype.newbyteorder("=") in DTYPES.values()


def _plain(name: str, array: Array) -> Array:
    """The array with its last axis fastest; safetensors turns the bytes where that is needed."""
    if not storable(array.dtype):
        raise TypeError(
            f"save: {shown(name)} has dtype {array.dtype}; it must be bool, an integer, or a float "
            "of 16, 32 or 64 bits"
        )
    return np.asarray(array, order="C")


def unpack(file: BinaryIO, name: str) -> tuple[dict[str, Array], str]:
    """The arrays and the text of a file, proved to be as they were written. name: for errors.

    What the header claims is compared with the file's size before any of it is believed.
    Raises: CheckpointError, ModuleNotFoundError without safetensors.
    """
    package = _package("load")
    size = os.fstat(file.fileno()).st_size
    try:
        head = _head(file, size)
        text = _text(head[8:], size - len(head))
        content = head + file.read(size - len(head))
        _prove(content)
        return dict(package.numpy.load(content)), text[len(_BLANK_CHECKSUM) + 1 :]
    except CheckpointError as error:
        raise CheckpointError(f"load: {name} {error}") from None
    except MemoryError:
        raise CheckpointError(f"load: {name} has {size} bytes, more than the memory") from None
    except (ValueError, RecursionError, package.SafetensorError) as error:
        raise CheckpointError(f"load: {name} is damaged: {error}") from error


def _head(file: BinaryIO, size: int) -> bytes:
    """The header and the 8 bytes before it."""
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(size - 8, _LONGEST_HEADER):
        raise CheckpointError(
            f"is cut off or no safetensors file: of its {size} bytes, {length} would be the header"
        )
    return start + file.read(length)


def _text(header: bytes, room: int) -> str:
    """The text of a header whose arrays fill the file's other bytes exactly."""
    entries = json.loads(header, object_pairs_hook=_unique)
    if not isinstance(entries, dict):
        raise CheckpointError("is damaged: its header is no table")
    texts = entries.pop("__metadata__", None)
    end = 0
    for begin, stop, name in sorted(_byte_range(*entry) for entry in entries.items()):
        if begin != end:
            raise CheckpointError(f"is damaged: {shown(name)} is at byte {begin}, not at {end}")
        end = stop
    if end != room:
        raise CheckpointError(
            f"is cut off or damaged: its arrays need {end} bytes, but have {room}"
        )
    match texts:
        case {"tinygrad_rnn": str(text)} if len(texts) == 1:
            return text
    raise CheckpointError(
        "is no checkpoint of tinygrad_rnn, though a safetensors file: read it with "
        "safetensors.numpy.load_file, and give the arrays to model.load_state_dict"
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict of pairs whose keys differ."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise CheckpointError("is damaged: a name is there twice")
    return found


def _byte_range(name: str, entry: Any) -> tuple[int, int, str]:
    """Where an array's bytes begin and end, where there are as many as its shape needs."""
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]} if (
            dtype in DTYPES and len(shape) <= _MOST_AXES and all(map(_is_size, shape))
        ):
            if end - begin == math.prod(shape) * DTYPES[dtype].itemsize:
                return begin, end, name
    raise CheckpointError(f"is damaged: the header's entry of {shown(name)} contradicts itself")


def _is_size(n: Any) -> bool:
    return type(n) is int and n >= 0


def _prove(content: bytes) -> None:
    """Raises: CheckpointError where the checksum in the content is not that of the content."""
    at = _place_of_sum(content)
    if not content.startswith(_checksum(content, at), at):
        raise CheckpointError("is damaged: its checksum is not that of its content")


def _place_of_sum(content: bytes) -> int:
    found = _CHECKSUM.search(content)
    if found is None:
        raise CheckpointError("is damaged: its checksum cannot be found")
    return found.start(1)


def _checksum(content: bytes, at: int) -> bytes:
    """The checksum of a content that has it at this place."""
    whole = memoryview(content)
    digest = hashlib.sha256(whole[:at])
    digest.update(_BLANK_CHECKSUM)
    digest.update(whole[at + len(_BLANK_CHECKSUM) :])
    return digest.hexdigest().encode()


def shown(name: str) -> str:
    r"""A name as a message can hold it.

    >>> shown("weight_ih_l0"), shown("a\0b")
    ('weight_ih_l0', "'a\\x00b'")
    """
    return name if name.isprintable() and len(name) <= 80 else f"{name!r:.80}"


def _package(caller: str) -> Any:
    """safetensors. Raises: ModuleNotFoundError that names the extra."""
    try:
        importlib.import_module("safetensors.numpy")
        return importlib.import_module("safetensors")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{caller}: needs safetensors: pip install "tinygrad_rnn[checkpoint]"'
        ) from error
