"""Checkpoints: all of it comes back bit by bit, or an error comes and nothing has changed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg
from tinygrad_rnn.training.checkpoint import CheckpointError

safetensors = pytest.importorskip("safetensors.numpy")

KINDS = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
DTYPES = [np.dtype(order + kind) for kind in KINDS for order in "<>"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The name of a file that is not there yet, alone in its folder."""
    return tmp_path / "model.safetensors"


def same(a: Any, b: Any) -> bool:
    """Whether two values are alike in every type and bit; all NaNs of Python are alike."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


def through_a_file(arrays: dict[str, Any], into: dict[str, Any], **meta: Any) -> dict[str, Any]:
    """Saves arrays, loads them into a dict, and returns the meta."""
    with tempfile.TemporaryDirectory() as folder:
        tg.save(f"{folder}/file", arrays, **meta)
        assert os.listdir(folder) == ["file"]
        return tg.load(f"{folder}/file", into)


# What comes back


def test_arrays_of_all_kinds_come_back_bit_by_bit() -> None:
    """In an empty dict in the machine's byte order, in another dict in that of its array."""
    arrays, empty, random_bytes = {}, {}, random.Random(0).randbytes
    for dtype, shape in product(DTYPES, [(), (0,), (3, 0, 2), (1,), (2, 3)]):
        size = int(np.prod(shape)) * dtype.itemsize
        content = bytes([1] * size) if dtype.kind == "b" else random_bytes(size)
        arrays[f"{dtype.str} {shape}"] = np.frombuffer(content, dtype).reshape(shape)
    template = {name: np.zeros_like(array) for name, array in arrays.items()}

    through_a_file(arrays, template)
    through_a_file(arrays, empty)

    for name, array in arrays.items():
        assert same(template[name], array), name
        assert same(empty[name], array.astype(array.dtype.newbyteorder("="))), name


SPECIAL = np.array([0x7FF0000000000001, 0xFFF8DEAD00000000, 0x8000000000000000, 1], "u8")


@pytest.mark.parametrize(
    "array",
    [
        np.array([np.nan, np.inf, -np.inf, -0.0]),
        SPECIAL.view("f8"),  # NaNs that signal or carry a message, -0, the smallest number
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::-2, :, ::-1],
        np.broadcast_to(np.float32(3), (2, 3)),
        np.arange(6, dtype=">f4").reshape(2, 3).T,
    ],
    ids=["special", "bits", "Fortran", "strided", "broadcast", "big-endian Fortran"],
)
def test_layout_and_special_values_do_not_matter(array: Any) -> None:
    """What comes back has the same entries, NaNs included, and is the caller's own."""
    found: dict[str, Any] = {}

    through_a_file({"x": array}, found)

    assert same(found["x"], array.astype(array.dtype.newbyteorder("=")))
    assert found["x"].flags.writeable
    assert found["x"].flags.c_contiguous


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
    )
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(NAMES, ARRAYS, max_size=5))
def test_any_arrays_under_any_names_come_back(arrays: dict[str, Any]) -> None:
    """Whatever the names hold: they are keys, and none is a place on the disk."""
    template = {name: np.empty_like(array) for name, array in arrays.items()}

    through_a_file(arrays, template)

    assert all(same(template[name], array) for name, array in arrays.items())


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([np.float32(0.1), np.int8(3), np.bool_(True), np.float64(2)])
    | hnp.arrays("f4", hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=2)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(
            st.text(max_size=3)
            | st.integers()
            | st.sampled_from(["$array", "$tuple", "$dict", None]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_meta_comes_back_with_its_types(value: Any) -> None:
    """Tuples stay tuples, whole numbers whole, keys what they were; our own marks are no traps."""
    assert same(through_a_file({}, {}, value=value), {"value": value})


def test_our_own_marks_are_no_traps() -> None:
    """Dicts that look like what we write for arrays, numbers and tuples come back as dicts."""
    marks = ("$array", "$number", "$tuple", "$dict", "$other")
    value = [{mark: part} for mark in marks for part in ("tinygrad_rnn.0", [[1, 2]], None)]

    assert same(through_a_file({}, {}, value=value, array=np.ones(1))["value"], value)


@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "../../up",
        "/etc/x",
        "nul\0byte",
        "x" * 10_000,
        "",
        "x.npy",
        "tinygrad_rnn.0",
        "_tinygrad_rnn.0",
        "tinygrad_rnn",
        '"tinygrad_rnn":"',
        "üñí✓",
        "\N{RIGHT-TO-LEFT OVERRIDE}x",
    ],
    ids=lambda name: ascii(name)[:20],
)
def test_names_are_only_keys(name: str) -> None:
    """A path, a NUL, 10,000 characters, and the names that the file uses itself."""
    found: dict[str, Any] = {}

    meta = through_a_file({name: np.ones(2), "other": np.zeros(1)}, found, array=np.arange(3))

    assert sorted(found) == sorted([name, "other"])
    assert found[name].tolist() == [1, 1]
    assert meta["array"].tolist() == [0, 1, 2]


def test_other_programs_read_the_arrays_under_the_model_s_names(path: Path) -> None:
    """The file is a safetensors file; what is not the model's begins with one prefix."""
    model = tg.nn.LSTM(2, 3, rng=0)

    tg.save(path, model, note=np.ones(1))

    found = safetensors.load_file(path)
    assert {name for name in found if not name.startswith("tinygrad_rnn.")} == {*model.state_dict()}
    assert same(found["weight_hh_l0"], model.weight_hh_l0.data)


def test_the_same_content_makes_the_same_file(path: Path) -> None:
    """Nothing of the time, the place or the process is in it."""
    model = tg.nn.Linear(2, 3, rng=0)

    tg.save(path, model, epoch=1)
    first = path.read_bytes()
    tg.save(path, model, epoch=1)

    assert path.read_bytes() == first


# Going on from a checkpoint


def training(dtype: str, kind: str, seed: int) -> tuple[tg.nn.Module, Any, np.random.Generator]:
    """A model with noise in it, its optimiser, and the generator that both and the data use."""
    rng = np.random.default_rng(seed)
    model = tg.nn.Sequential(
        tg.nn.Linear(3, 8, dtype=dtype, rng=rng),
        tg.tanh,
        tg.nn.Dropout(0.3, rng=rng),
        tg.nn.Linear(8, 1, dtype=dtype, rng=rng),
    )
    optimizers = {
        "SGD": lambda: tg.optim.SGD(model.parameters(), lr=0.05, momentum=0.9),
        "Adam": lambda: tg.optim.Adam(model.parameters(), lr=0.01),
    }
    return model, optimizers[kind](), rng


def steps(count: int, model: tg.nn.Module, optimizer: Any, rng: np.random.Generator) -> None:
    """Training on data that are drawn on the way."""
    for _ in range(count):
        x = rng.normal(size=(4, 3)).astype(next(model.parameters()).dtype)
        optimizer.zero_grad()
        tg.mean((model(x) - x.sum(-1, keepdims=True)) ** 2).backward()
        optimizer.step()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_training_goes_on_as_if_it_had_never_stopped(path: Path, kind: str, dtype: str) -> None:
    """Parameters, momenta and random numbers are equal to the last bit."""
    through, stopped, resumed = (training(dtype, kind, seed) for seed in (0, 0, 1))
    steps(7, *through)
    steps(4, *stopped)
    tg.save(path, stopped[0], stopped[1], rng=stopped[2], epoch=4)
    steps(2, *resumed)

    meta = tg.load(path, resumed[0], resumed[1], rng=resumed[2])
    steps(3, *resumed)

    assert meta == {"epoch": 4}
    assert same(resumed[0].state_dict(), through[0].state_dict())
    assert same(resumed[1].state_dict(), through[1].state_dict())
    assert resumed[2].bit_generator.state == through[2].bit_generator.state


def test_parts_that_are_not_asked_for_are_left_alone(path: Path) -> None:
    """The model alone can be loaded, or the meta alone."""
    model, optimizer, rng = training("float64", "Adam", 0)
    steps(1, model, optimizer, rng)
    tg.save(path, model, optimizer, rng=rng, epoch=1)
    other, other_optimizer, other_rng = training("float64", "Adam", 1)
    before = other_optimizer.state_dict(), other_rng.bit_generator.state

    assert tg.load(path) == {"epoch": 1}
    tg.load(path, other)

    assert same(other.state_dict(), model.state_dict())
    assert (other_optimizer.state_dict(), other_rng.bit_generator.state) == before


# What does not fit


def test_one_error_lists_every_difference_and_changes_nothing(path: Path) -> None:
    """Missing, unknown, misshapen and of another dtype; an optimiser and a generator as well."""
    tg.save(path, {"a": np.ones(2), "b": np.ones(3), "c": np.ones(2, "f4"), "x\0": np.ones(1)})
    model = {"a": np.zeros(2), "b": np.zeros(2), "c": np.zeros(2), "d": np.zeros(1)}
    before, rng = dict(model), np.random.default_rng(0)
    state = rng.bit_generator.state
    _, optimizer, _ = training("float64", "SGD", 0)

    with pytest.raises(CheckpointError) as caught:
        tg.load(path, model, optimizer, rng=rng)

    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == (
        f"load: {path} does not fit: d is missing; 'x\\x00' is not in the model; "
        "b has shape (3,), not (2,); c has dtype float32, not float64; "
        "it holds no optimizer; it holds no state of rng"
    )
    assert all(model[name] is before[name] for name in model)
    assert rng.bit_generator.state == state


def test_a_module_that_does_not_fit_is_left_as_it_is(path: Path) -> None:
    """Neither parameters nor optimiser change where only the model differs."""
    model, optimizer, rng = training("float64", "Adam", 0)
    steps(2, model, optimizer, rng)
    tg.save(path, model, optimizer)
    other, _, _ = training("float32", "Adam", 1)
    fresh = tg.optim.Adam(model.parameters(), lr=1.0)
    before = other.state_dict(), fresh.state_dict()

    with pytest.raises(CheckpointError, match=r"0\.weight has dtype float64, not float32"):
        tg.load(path, other, fresh)

    assert same((other.state_dict(), fresh.state_dict()), before)


def test_an_optimiser_that_does_not_fit_is_refused(path: Path) -> None:
    """Another kind, and the same kind for other parameters; the model stays as it was, too."""
    model, optimizer, rng = training("float64", "Adam", 0)
    steps(1, model, optimizer, rng)
    tg.save(path, model, optimizer)
    before = model.state_dict()
    steps(1, model, optimizer, rng)
    now = model.state_dict()
    others = tg.optim.SGD(model.parameters()), tg.optim.Adam([next(model.parameters())])

    for other, words in zip(others, ("of 'Adam', not of SGD", "optimizer: "), strict=True):
        with pytest.raises(CheckpointError, match=words):
            tg.load(path, model, other)

    assert same(model.state_dict(), now)
    assert not same(model.state_dict(), before)


def test_another_kind_of_generator_is_refused(path: Path) -> None:
    """A state fits its own kind only, and kinds with arrays in their state cannot be saved."""
    tg.save(path, {}, rng=np.random.default_rng(0))

    with pytest.raises(CheckpointError, match=r"rng: .*PCG64DXSM"):
        tg.load(path, rng=np.random.Generator(np.random.PCG64DXSM(0)))
    with pytest.raises(TypeError, match=r"rng: uses MT19937; use one from np\.random\.default_rng"):
        tg.save(path, {}, rng=np.random.Generator(np.random.MT19937(0)))
    with pytest.raises(TypeError, match=r"rng: is of type int; it must be a np\.random\.Generator"):
        tg.save(path, {}, rng=0)  # a seed says nothing of what was drawn since


@pytest.mark.parametrize(
    ("model", "meta", "error", "words"),
    [
        ({"x": np.ones(2, complex)}, {}, TypeError, "x has dtype complex128; it must be bool"),
        ({"x": np.array(["a"])}, {}, TypeError, "x has dtype <U1"),
        ({"x": np.array([object()])}, {}, TypeError, "x has dtype object"),
        ({3: np.ones(2)}, {}, TypeError, "the name 3 is no string"),
        ({"__metadata__": np.ones(2)}, {}, ValueError, "a name that safetensors needs"),
        ({"\ud800": np.ones(2)}, {}, ValueError, "has half a character"),
        (np.ones(2), {}, TypeError, "the model is of type ndarray; it must be a Module or a dict"),
        ({}, {"f": print}, TypeError, r"meta\['f'\] is of type builtin_function_or_method"),
        ({}, {"a": [1, {"b": {2}}]}, TypeError, r"meta\['a'\]\[1\]\['b'\] is of type set"),
        ({}, {"a": {(1, 2): 3}}, TypeError, r"a dict has the key \(1, 2\)"),
        ({}, {"a": np.ones(1, complex)}, TypeError, r"meta\['a'\] is of type ndarray"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_saved_leaves_the_file_as_it_was(
    path: Path, model: Any, meta: dict[str, Any], error: type[Exception], words: str
) -> None:
    """The error says what and where; the last checkpoint is still there."""
    tg.save(path, {"good": np.ones(1)})
    before = path.read_bytes()

    with pytest.raises(error, match=words):
        tg.save(path, model, **meta)

    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


# Damage


@pytest.fixture
def small(path: Path) -> Path:
    """A small file with everything in it."""
    w = tg.nn.Parameter(np.ones(2, "f4"))
    optimizer = tg.optim.SGD([w], lr=0.1, momentum=0.9)
    w.sum().backward()
    optimizer.step()
    tg.save(path, {"w": w.data}, optimizer, rng=np.random.default_rng(0), epoch=1)
    return path


def test_every_flipped_bit_is_noticed(small: Path) -> None:
    """In lengths, names, shapes, texts, checksum and arrays, and every byte as a whole."""
    content, model = small.read_bytes(), {"w": np.zeros(2, "f4")}
    kept = model["w"]

    with open(small, "r+b", buffering=0) as file:
        for place, byte in enumerate(content):
            for other in (*(byte ^ 1 << k for k in range(8)), byte ^ 255, byte):
                file.seek(place)
                file.write(bytes([other]))
                if other != byte:
                    with pytest.raises(CheckpointError):
                        tg.load(small, model)

    assert model["w"] is kept
    assert tg.load(small, model) == {"epoch": 1}


def test_every_other_length_is_noticed(small: Path) -> None:
    """A file that is cut off anywhere, or has something after its end."""
    content = small.read_bytes()

    for size in (len(content) + 1, 2 * len(content), *range(len(content) - 1, -1, -1)):
        os.truncate(small, size)
        with pytest.raises(CheckpointError):
            tg.load(small)


def test_bytes_that_change_places_are_noticed(small: Path) -> None:
    """Blanks of the header that become other blanks, entries that are exchanged."""
    content = small.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    turned = json.dumps(dict(reversed(header.items()))).encode()

    for other in (
        content.replace(b'{"dtype"', b'{ "dtype"').replace(b" ", b"\t"),
        struct.pack("<Q", len(turned)) + turned + content[8 + size :],
        struct.pack("<Q", size + 1) + content[8 : 8 + size] + b" " + content[8 + size :],
    ):
        assert other != content
        small.write_bytes(other)
        with pytest.raises(CheckpointError):
            tg.load(small)


GOOD = {"format": 1, "prefix": "p.", "meta": {}, "optimizer": None, "rng": None}
ZEROS = "0" * 64


def forged(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A file with this header and, unless it is no dict, a text and a checksum that is right.

    length: what it claims to be the header's, in bytes.
    """
    if isinstance(header, dict):
        header = {"__metadata__": {"tinygrad_rnn": f"{ZEROS} {json.dumps(GOOD)}"}, **header}
        header = json.dumps(header, separators=(",", ":")).encode()
    length = len(header) if length is None else length
    content: bytes = struct.pack("<Q", length) + header + data
    return content.replace(ZEROS.encode(), hashlib.sha256(content).hexdigest().encode(), 1)


def entry(shape: Any, begin: Any, end: Any, dtype: Any = "F64") -> dict[str, Any]:
    """What a header says of an array."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_a_file_that_is_forged_well_is_read(path: Path) -> None:
    """The format is what the module says: anybody can write such a file, or check its checksum."""
    found: dict[str, Any] = {}
    path.write_bytes(forged({"y": entry([2, 1], 8, 24), "x": entry([], 0, 8)}, bytes(24)))

    assert tg.load(path, found) == {}

    assert {name: array.shape for name, array in found.items()} == {"x": (), "y": (2, 1)}


TERA = 2**40
WRONG, PLACE = "the header's entry of x contradicts itself", "is at byte"
FORGERIES = {
    "empty": (b"", "cut off or no safetensors file: of its 0 bytes"),
    "header of 2**63 bytes": (forged({}, length=2**63), "cut off or no safetensors file"),
    "header of a terabyte": (forged({}, length=TERA), "cut off or no safetensors file"),
    "header too short": (forged({}, length=3), "is damaged: "),
    "no JSON": (forged(b"\xff\xfe"), "is damaged: "),
    "a list": (forged(b"[]"), "its header is no table"),
    "deep": (forged(b"[" * 100_000), "is damaged: "),
    "a long number": (forged(b'{"x": ' + b"9" * 10_000 + b"}"), "is damaged: "),
    "terabytes": (forged({"x": entry([TERA], 0, 8 * TERA)}, bytes(8)), "its arrays need 8796"),
    "terabytes in 8 bytes": (forged({"x": entry([TERA], 0, 8)}, bytes(8)), WRONG),
    "product beyond 64 bits": (forged({"x": entry([2**32, 2**32], 0, 0)}), WRONG),
    "nothing, times terabytes": (forged({"x": entry([0, TERA, TERA, TERA], 0, 0)}), "is damaged"),
    "negative size": (forged({"x": entry([-1, -8], 0, 64)}, bytes(64)), WRONG),
    "no whole number": (forged({"x": entry([1.0], 0, 8)}, bytes(8)), WRONG),
    "a bool for a size": (forged({"x": entry([True], 0, 8)}, bytes(8)), WRONG),
    "a thousand axes": (forged({"x": entry([1] * 1000, 0, 8)}, bytes(8)), WRONG),
    "overlapping": (forged({"x": entry([2], 0, 16), "y": entry([2], 8, 24)}, bytes(24)), PLACE),
    "twice the same": (forged({"x": entry([1], 0, 8), "y": entry([1], 0, 8)}, bytes(8)), PLACE),
    "a gap": (forged({"x": entry([1], 0, 8), "y": entry([1], 16, 24)}, bytes(24)), PLACE),
    "before the start": (forged({"x": entry([1], -8, 0)}, bytes(8)), PLACE),
    "behind the end": (forged({"x": entry([1], 8, 16)}, bytes(8)), PLACE),
    "backwards": (forged({"x": entry([1], 8, 0)}, bytes(8)), WRONG),
    "too few bytes": (
        forged({"x": entry([2], 0, 16)}, bytes(8)),
        "arrays need 16 bytes, but have 8",
    ),
    "too many bytes": (
        forged({"x": entry([1], 0, 8)}, bytes(9)),
        "arrays need 8 bytes, but have 9",
    ),
    "unknown dtype": (forged({"x": entry([1], 0, 8, "O8")}, bytes(8)), WRONG),
    "no offsets": (forged({"x": {"dtype": "F64", "shape": [1]}}, bytes(8)), WRONG),
    "no entry": (forged({"x": 3}), WRONG),
    "a name twice": (
        forged({"x": entry([0], 0, 0), "y": entry([0], 0, 0)}).replace(b'"y"', b'"x"'),
        "a name is there twice",
    ),
    "half a character": (forged({"\ud800": entry([1], 0, 8)}, bytes(8)), "is damaged: "),
    "no text": (forged({"__metadata__": {}}), "is no checkpoint of tinygrad_rnn"),
    "a number for a text": (forged({"__metadata__": {"tinygrad_rnn": 1}}), "is no checkpoint"),
    "two texts": (
        forged({"__metadata__": {"tinygrad_rnn": f"{ZEROS} {{}}", "x": "y"}}),
        "is no checkpoint",
    ),
    "no checksum": (forged({"__metadata__": {"tinygrad_rnn": "{}"}}), "cannot be found"),
    "another checksum": (
        forged({"__metadata__": {"tinygrad_rnn": f"{ZEROS[1:]}1 {{}}"}}),
        "its checksum is not that of its content",
    ),
}


@pytest.mark.parametrize(("content", "words"), FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_header_is_refused_before_it_is_believed(
    path: Path, content: bytes, words: str
) -> None:
    """Whatever sizes it claims, and though its checksum is right, finding out takes no memory."""
    path.write_bytes(content)
    tg.save(path.with_name("imports what is needed"), {})
    tracemalloc.start()

    with pytest.raises(CheckpointError, match=f"load: {path} .*{words}"):
        tg.load(path, {})

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_header_beyond_the_format_s_bound_is_not_read(path: Path) -> None:
    """100,000,000 bytes are the most, also in a file that is longer (and has holes)."""
    path.write_bytes(struct.pack("<Q", 100_000_001))
    os.truncate(path, 2**28)

    with pytest.raises(CheckpointError, match="cut off or no safetensors file"):
        tg.load(path)


def signed(document: Any, arrays: dict[str, Any]) -> bytes:
    """A file whose checksum is right, whatever its text says."""
    from tinygrad_rnn.training.checkpoint.container import pack

    return pack(arrays, document if isinstance(document, str) else json.dumps(document))


@pytest.mark.parametrize(
    "document",
    ["no JSON", [], 3, {}, {**GOOD, "format": 2}, {**GOOD, "format": 0},
     {**GOOD, "prefix": 3}, {**GOOD, "meta": [1]},
     {**GOOD, "meta": {"x": {"$array": "nothing"}}}, {**GOOD, "meta": {"x": {"$array": []}}},
     {**GOOD, "meta": {"x": {"$tuple": 3}}}, {**GOOD, "meta": {"x": {"$dict": [[{}, 1]]}}},
     {**GOOD, "optimizer": {"kind": 3}}, {**GOOD, "optimizer": {"kind": "Adam", "state": []}},
     {**GOOD, "optimizer": [1]},
     {**GOOD, "rng": 3}],
    ids=lambda document: json.dumps(document)[-40:],
)  # fmt: skip
def test_a_text_that_makes_no_sense_is_refused(path: Path, document: Any) -> None:
    """Even where someone has computed its checksum: it is called damaged, and nothing changes."""
    model = {"x": np.zeros(2)}
    path.write_bytes(signed(document, {"x": np.ones(2)}))

    with pytest.raises(CheckpointError, match=r"is damaged|has format [02]"):
        tg.load(path, model)

    assert model["x"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "state",
    [{}, {"state": [], "param_groups": [3]}, {"state": {"0": {"step": 1}}, "param_groups": [{}]}],
    ids=str,
)
def test_an_optimiser_s_state_that_makes_no_sense_is_refused(path: Path, state: Any) -> None:
    """A copy of the optimiser fails at it, and the optimiser stays as it was."""
    model, optimizer, _ = training("float64", "Adam", 0)
    document = {**GOOD, "optimizer": {"kind": "Adam", "state": state}}
    path.write_bytes(signed(document, model.state_dict()))
    before = optimizer.state_dict()

    with pytest.raises(CheckpointError, match="does not fit: optimizer: "):
        tg.load(path, model, optimizer)

    assert same(optimizer.state_dict(), before)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("state", -1),
        ("state", 2**128),
        ("state", 1.5),
        ("state", "1"),
        ("state", None),
        ("inc", []),
    ],
)
def test_a_generator_s_state_that_makes_no_sense_is_refused(
    path: Path, part: str, value: Any
) -> None:
    """Another generator fails at it or has another state then, and this one stays as it was."""
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    state = {**before, "state": {**before["state"], part: value}}
    path.write_bytes(signed({**GOOD, "rng": state}, {}))

    with pytest.raises(CheckpointError, match="does not fit: rng: "):
        tg.load(path, rng=rng)

    assert rng.bit_generator.state == before


def test_a_newer_format_says_so(path: Path) -> None:
    """A file from a later version is not called damaged."""
    path.write_bytes(signed({**GOOD, "format": 2}, {}))

    with pytest.raises(CheckpointError, match=r"has format 2, .* reads only 1: use a newer one"):
        tg.load(path)


def test_a_safetensors_file_of_others_says_how_to_read_it(path: Path) -> None:
    """Without our texts there is no checksum, so it is no checkpoint."""
    safetensors.save_file({"w": np.ones(2)}, path)

    with pytest.raises(CheckpointError, match="though a safetensors file: read it with"):
        tg.load(path, {})


# Files


def test_a_missing_file_and_a_folder_are_named(path: Path) -> None:
    """There is no folder, no file, or something else of that name."""
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        tg.load(path)
    with pytest.raises(CheckpointError, match="is no ordinary file"):
        tg.load(path.parent)
    with pytest.raises(OSError, match="is no ordinary file; give the name of a file"):
        tg.save(path.parent, {})
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*away; make it first"):
        tg.save(path.parent / "away" / "model", {})
    assert os.listdir(path.parent) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_neither_read_nor_replaced(path: Path) -> None:
    """Nobody waits for the other end."""
    os.mkfifo(path)

    with pytest.raises(CheckpointError, match="is no ordinary file"):
        tg.load(path)
    with pytest.raises(OSError, match="is no ordinary file"):
        tg.save(path, {})

    assert stat.S_ISFIFO(path.stat().st_mode)


def test_names_may_be_relative_and_long(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name lies in the current folder; 255 bytes are a name."""
    monkeypatch.chdir(path.parent)

    for name in ("bare", "l" * 255, "ü" * 127):
        tg.save(name, {}, n=1)
        assert tg.load(name) == {"n": 1}


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_new_file_gets_usual_permissions_and_an_old_one_keeps_its_own(path: Path) -> None:
    """As `open` does: the process' mask decides at first, then whoever changes it."""
    before = os.umask(0o027)
    try:
        tg.save(path, {})
        fresh = path.stat().st_mode & 0o777
        path.chmod(0o604)
        tg.save(path, {}, n=2)
    finally:
        os.umask(before)

    assert (fresh, path.stat().st_mode & 0o777) == (0o640, 0o604)
    assert tg.load(path) == {"n": 2}


@pytest.mark.skipif(os.name != "posix", reason="links and permissions of POSIX")
def test_links_are_followed_and_read_only_files_are_left(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link stays one, and what it points at is replaced."""
    link, other = path.with_name("link"), path.with_name("other")
    link.symlink_to(path)

    tg.save(link, {}, n=1)

    assert link.is_symlink()
    assert tg.load(path) == {"n": 1}
    monkeypatch.setattr(os, "access", lambda target, mode: Path(target) != path)
    with pytest.raises(PermissionError, match="is read-only"):
        tg.save(link, {}, n=2)
    tg.save(other, {}, n=3)
    assert (tg.load(path), tg.load(other)) == ({"n": 1}, {"n": 3})


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()], ids=repr)
def test_a_failure_on_the_way_leaves_the_last_checkpoint(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    """A full disk or Ctrl-C: the old file is whole, and nothing else lies about."""
    tg.save(path, {}, n=1)

    def fails(*args: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fails)
        with pytest.raises(type(error)):
            tg.save(path, {}, n=2)

    assert tg.load(path) == {"n": 1}
    assert os.listdir(path.parent) == [path.name]


def test_file_and_folder_are_on_the_disk_before_save_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synchronised before it gets its name, the folder after that."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted(file: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names)))

    tg.save(path, {})

    assert calls == ["file", "replace", "folder"]


def ended_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(os.name != "posix", reason="asks for processes as POSIX does")
def test_only_own_temporary_files_of_dead_processes_are_removed(path: Path) -> None:
    """Those of the living, of other targets and machines, and all other files are kept."""
    from tinygrad_rnn.training.checkpoint.atomic import _prefix

    dead, own = ended_process(), _prefix(path)
    stale = f"{own}{dead}.0123abcd.tmp"
    kept = [
        f"{own}{os.getpid()}.0123abcd.tmp",
        f"{own}{dead}.0123abcd.tmp2",
        f"{own}{dead}.0123ABCD.tmp",
        f"{own}0{10**20}.0123abcd.tmp",
        f".other{own[1:]}{dead}.0123abcd.tmp",
        f".{path.name}.00000000.{dead}.0123abcd.tmp",
        f"{path.name}.tmp",
    ]
    for name in (stale, *kept):
        (path.parent / name).write_text("something")
    folder = path.parent / f"{own}{dead}.76543210.tmp"
    folder.mkdir()
    link = path.parent / f"{own}{dead}.89abcdef.tmp"
    link.symlink_to(folder)

    tg.save(path, {})

    assert sorted(os.listdir(path.parent)) == sorted([*kept, folder.name, link.name, path.name])


def test_without_safetensors_the_error_names_the_extra(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to install."""
    tg.save(path, {})
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)

    for call in (lambda: tg.save(path, {}), lambda: tg.load(path)):
        with pytest.raises(ModuleNotFoundError, match=r"tinygrad_rnn\[checkpoint\]"):
            call()


# Processes that are killed

NURSERY = """
import os, sys
import numpy as np
import tinygrad_rnn as tg

path = sys.argv[1]
start = 0
for line in sys.stdin:
    start += 1_000_000
    pid = os.fork()
    if not pid:
        generation = start
        while True:
            w = tg.nn.Parameter(np.full(5000, generation, "f8"))
            optimizer = tg.optim.SGD([w], lr=0.0, momentum=0.5)
            w.sum().backward()
            optimizer.step()
            tg.save(path, {"w": w.data}, optimizer, generation=generation)
            generation += 1
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("ended", flush=True)
"""


@contextmanager
def nursery(path: Path) -> Iterator[Callable[[], tuple[int, Callable[[], None]]]]:
    """What starts a process that saves without end: its number, and what waits for its end."""
    command = [sys.executable, "-c", NURSERY, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:

        def start() -> tuple[int, Callable[[], None]]:
            process.stdin.write("\n")
            process.stdin.flush()
            return int(process.stdout.readline()), process.stdout.readline

        yield start
        process.stdin.close()


def whole_generation(path: Path) -> int:
    """The generation of a checkpoint, all of whose parts are of the same."""
    model = {"w": np.zeros(5000)}
    generation = tg.load(path, model)["generation"]
    assert (model["w"] == generation).all()
    return int(generation)


def survives(kills: int, path: Path, seed: int) -> None:
    """Kills processes while they save; each load, before a kill and after it, is checked."""
    pauses, last = random.Random(seed), 0
    with nursery(path) as start:
        for _ in range(kills):
            pid, wait = start()
            try:
                time.sleep(pauses.uniform(0, 0.03))
                if path.exists():
                    last = max(last, whole_generation(path))
            finally:
                os.kill(pid, signal.SIGKILL)
                wait()
            if path.exists():
                assert whole_generation(path) >= last
    tg.save(path, {})
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_process_leaves_a_whole_checkpoint(path: Path) -> None:
    """Twenty processes are killed at random moments; what they wrote last is there."""
    survives(20, path, 0)


@pytest.mark.slow
@pytest.mark.skipif(
    "SLOW_TESTS" not in os.environ or not hasattr(os, "fork"),
    reason="takes long; runs with SLOW_TESTS=1",
)
def test_two_hundred_killed_processes_leave_whole_checkpoints(path: Path) -> None:
    """The same ten times over, at other moments each time."""
    survives(200, path, int(time.time()))
