"""What checkers are told is so: stubs are current, and results are of the types that they say."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import ops

from .cases import CASES, Case
from .numeric import parts
from .stubs import STUBS, overloads, whole, written

RIGHT = Path(__file__).parent / "typing" / "right.py"
PUBLIC = [case for case in CASES if case.function in ops.__all__]


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.parent.name)
def test_stubs_are_current(path: Path) -> None:
    """Each is what `python -m tests.stubs` writes."""
    assert path.read_text(encoding="utf-8") == whole(STUBS[path]()), "run: python -m tests.stubs"


def test_overloads_name_the_first_tensor() -> None:
    """One for each operand that may be it, and one for arrays alone."""
    assert [written("where", *one) for one in overloads(tg.where)] == [
        "def where(condition: Tensor, x: Operand, y: Operand) -> Tensor: ...",
        "def where(condition: Numbers, x: Tensor, y: Operand) -> Tensor: ...",
        "def where(condition: Numbers, x: Numbers, y: Tensor) -> Tensor: ...",
        "def where(condition: Numbers, x: Numbers, y: Numbers) -> Array: ...",
    ]


@pytest.mark.parametrize("case", PUBLIC, ids=str)
def test_one_tensor_makes_the_result_a_tensor(case: Case) -> None:
    """Whichever operand it is; without one there is none among the results."""
    arrays = case.inputs()
    assert not any(isinstance(y, tg.Tensor) for y in parts(case.call(*arrays)))
    for k, x in enumerate(arrays):
        mixed = [*arrays[:k], tg.Tensor(x), *arrays[k + 1 :]]
        assert all(isinstance(y, tg.Tensor) for y in parts(case.call(*mixed)))


def test_what_checkers_say_of_a_script_is_so() -> None:
    """Run, each expression of right.py has the type that the comment after it says."""
    lines = RIGHT.read_text(encoding="utf-8").splitlines()
    said = [line.split("  # ")[1] for line in lines if "reveal_type(" in line]
    seen: list[Any] = []
    names = runpy.run_path(str(RIGHT), {"reveal_type": seen.append})
    kinds = {"Tensor": tg.Tensor, "Array": np.ndarray, "Net": names["Net"]}
    assert len(seen) == len(said) > 30
    for x, kind in zip(seen, said, strict=True):
        assert fits(x, eval(kind, kinds)), kind


def fits(x: Any, kind: Any) -> bool:
    """Whether a value is of a type, of tuples and lists part by part."""
    of = get_args(kind)
    if isinstance(kind, UnionType):
        return any(fits(x, one) for one in of)
    if get_origin(kind) is tuple and ... not in of:
        return len(x) == len(of) and all(map(fits, x, of))
    if of:
        return isinstance(x, get_origin(kind)) and all(fits(y, of[0]) for y in x)
    return x is None if kind is None else isinstance(x, kind)


def test_types_of_values_are_told_apart() -> None:
    """A tuple with a number in it is none of Tensors."""
    assert fits((1, [2.0]), tuple[int, list[float]])
    assert not fits((1, [2]), tuple[int, list[float]])
    assert fits(None, int | None)
