"""ROWS: for each op of `KERNELS` operands to run its kernel on; `written` runs one.

Ops of the table of ufuncs need no rows: `of_ufunc` makes them, of one shape or two that broadcast.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import tinygrad_rnn as tg

from .found import in_code, package_modules

KERNELS: dict[tg.Op, Any] = in_code("KERNELS")
UFUNCS: dict[str, Any] = {op.name: ufunc for op, ufunc in in_code("UFUNCS").items()}
BY_NAME = {
    op.name: op
    for module in package_modules()
    if module.__name__.startswith("tinygrad_rnn.ops")
    for op in vars(module).values()
    if isinstance(op, tg.Op)
}


def bound(op: Any, given: list[Any], settings: dict[str, Any], out: np.ndarray) -> Any:
    """A function of nothing that writes the op's result into `out`; operands are filled later.

    All that these tests know of how a kernel is called.
    """
    calls = in_code("calls_of")(op, given, settings, out)

    def run() -> None:
        for call in calls:
            call.function(*call.arguments)

    return run


class Row(NamedTuple):
    """op: by name. operands: arrays and numbers. settings: of the op. rtol: 0 for equal bits."""

    op: str
    operands: list[Any]
    settings: dict[str, Any] = {}  # noqa: RUF012
    rtol: float = 0.0

    def __str__(self) -> str:
        kinds = [f"{x.dtype.char}{x.shape}" if hasattr(x, "shape") else repr(x) for x in
                 self.operands]  # fmt: skip
        return f"{self.op}({', '.join(kinds)}) {self.settings or ''}".strip()


def _normal(*shape: int, dtype: Any = float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def of_ufunc(name: str) -> Iterator[Row]:
    """An op of one or two operands, entry by entry: shapes, numbers and dtypes."""
    count = len(BY_NAME[name].inputs)
    for shape in [(), (1,), (3,), (2, 3), (2, 1, 3), (0, 2)]:
        yield Row(name, [_normal(*shape, seed=k) for k in range(count)])
    for dtype in ("f4", "i8", "?") if name not in ("negative", "subtract") else ("f4", "i8"):
        if not (name in NO_INTEGERS and dtype != "f4"):
            yield Row(name, [_normal(2, 3, dtype=dtype, seed=k) for k in range(count)])
    if count == 2:
        yield Row(name, [_normal(2, 3), _normal(3)])
        yield Row(name, [_normal(2, 1), _normal(1, 3, seed=1)])
        yield Row(name, [_normal(2, 3), _normal(2, 3, dtype="f4")])
        for number in (2, 0.5):
            yield Row(name, [_normal(2, 3), number])
            yield Row(name, [number, _normal(2, 3, dtype="f4")])


NO_INTEGERS = {"power", "reciprocal", "sign", "divide", "square"}  # of 0, or of truths: no result
SUM, MAX = "sum", "max"
TARGETS = np.array([[0, 3], [2, 1], [3, 3]])
PLACES = np.array([1, 4, 8])
ROWS: list[Row] = [
    *[Row(name, [_normal(*shape)], {"axis": axis, "keepdims": keepdims}, 1e-13)
      for name in ("sum", "max", "min") for keepdims in (False, True)
      for shape, axis in [((3,), None), ((1,), 0), ((2, 3), 0), ((2, 3), -1), ((2, 3), None),
                          ((2, 3, 4), (0, 1)), ((2, 3, 4), (1, 2)), ((2, 3, 4), 1),
                          ((2, 1, 4), (0, 2)), ((1, 3), 0)]],
    *[Row("sum", [_normal(4, 3, dtype=dtype)], {"axis": 0, "keepdims": False}, rtol)
      for dtype, rtol in (("f4", 1e-6), ("f2", 1e-2), ("i8", 0.0), ("?", 0.0), ("i1", 0.0))],
    *[Row(name, [_normal()], {"axis": None, "keepdims": False}) for name in ("sum", "max", "min")],
    Row("sum", [_normal(0, 3)], {"axis": 0, "keepdims": False}),
    Row("sum", [_normal(2, 3)], {"axis": (), "keepdims": False}),
    Row("max", [_normal(2, 3, dtype="i8")], {"axis": 0, "keepdims": False}),
    *[Row("matmul", [_normal(*a), _normal(*b, seed=1)], rtol=1e-13)
      for a, b in [((2, 3), (3, 4)), ((1, 3), (3, 4)), ((2, 3), (3, 2)), ((2, 4, 3), (3, 2)),
                   ((2, 4, 3), (2, 3, 2)), ((5, 1, 4, 3), (2, 3, 2)), ((0, 3), (3, 2)),
                   ((3,), (3, 2)), ((2, 3), (3,)), ((3,), (3,)), ((2, 4, 3), (3,)),
                   ((1, 3), (3, 1)), ((2, 3), (3, 1)), ((2, 4, 3), (3, 1))]],
    *[Row("matmul", [_normal(2, 3, dtype=a), _normal(3, 4, dtype=b, seed=1)], rtol=1e-6)
      for a, b in ("ff", "fd", "df", "dl")],
    *[Row(name, [_normal(*a, dtype=dtype), _normal(*b, dtype=dtype, seed=1)])
      for name in ("maximum", "minimum") for dtype in ("f8", "f4", "i8")
      for a, b in [((), ()), ((2, 3), (2, 3)), ((2, 1), (3,)), ((0,), (1,))]],
    *[Row(name, [_normal(2, 3, dtype=dtype), 0.5])
      for name in ("maximum", "minimum") for dtype in ("f8", "f4")],
    *[Row("relu", [_normal(*shape, dtype=dtype)]) for shape in [(), (1,), (2, 3)]
      for dtype in ("f8", "f4")],
    *[Row("sigmoid", [40 * _normal(*shape, dtype=dtype)], rtol=rtol)
      for shape in [(), (1,), (2, 3)] for dtype, rtol in (("f8", 1e-14), ("f4", 1e-6))],
    *[Row("where", [_normal(*c) > 0, _normal(*a, seed=1), _normal(*b, dtype=dtype, seed=2)])
      for c, a, b in [((), (), ()), ((2, 3), (2, 3), (2, 3)), ((2, 1), (3,), (1, 1))]
      for dtype in ("f8", "f4")],
    Row("where", [_normal(3) > 0, _normal(3), 2.0]),
    Row("where", [np.array([0.0, 1.0, -2.0]), _normal(3), _normal(3, seed=1)]),
    Row("matmul", [_normal(1, 3), _normal(3, seed=1)], rtol=1e-13),
    *[Row(name, [_normal(3), _normal(3, dtype=dtype, seed=1)])
      for name in ("maximum", "minimum") for dtype in ("?", "f4")],
    Row("stack", [np.asarray(_normal()), 2.0], {"axis": 0}),
    *[Row("clip", [_normal(2, 3, dtype=dtype), *ends]) for dtype in ("f8", "f4")
      for ends in [(-0.5, 0.5), (None, 0.5), (-0.5, None), (_normal(3) - 1, 1.0)]],
    *[Row(name, [_normal(2, 3)]) for name in ("positive",)],
    *[Row("positive", [_normal(*shape)]) for shape in [(), (1,), (0, 2)]],
    *[Row("broadcast_to", [_normal(*shape)], {"shape": to})
      for shape, to in [((), ()), ((), (2, 3)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1,), (0,))]],
    *[Row(name, [3 * _normal(2, 3)], {"dtype": np.dtype(dtype)})
      for name in ("cast", "truncate") for dtype in ("f4", "f8")],
    Row("truncate", [3 * _normal(2, 3)], {"dtype": np.dtype("i8")}),
    *[Row("stack", [_normal(*shape, seed=k) for k in range(3)], {"axis": axis})
      for shape, axis in [((), 0), ((1,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3), -1)]],
    Row("stack", [_normal(2, 3), _normal(2, 3, dtype="f4")], {"axis": 0}),
    *[Row("concatenate", [_normal(n, 3, seed=n) for n in (2, 1, 2)], {"axis": axis})
      for axis in (0, -2)],
    Row("concatenate", [_normal(2, 3), _normal(2, 1, dtype="f4")], {"axis": 1}),
    Row("concatenate", [_normal(1, 3)], {"axis": 0}),
    Row("places", [TARGETS], {"size": 4}),
    Row("places", [TARGETS[0].astype("i4")], {"size": 4}),
    Row("picked", [_normal(3, 4), PLACES]),
    Row("picked", [_normal(3, 4, dtype="f4"), PLACES[:1]]),
    Row("less_one", [_normal(3, 4), PLACES]),
    Row("less_one", [_normal(1, 4, dtype="f4"), PLACES[:1]]),
    Row("less_one", [_normal(3, 4), PLACES[:0]]),
    *[Row("zeroed", [_normal(3, 4), np.array(rows)])
      for rows in ([True, False, True], [False] * 3, [True] * 3)],
    Row("unslice", [_normal(2, 3), _normal(3, seed=1)],
        {"shape": (4, 3), "indices": (slice(1, 3), 2)}),
    Row("unslice", [_normal(4)], {"shape": (4, 3), "indices": ((slice(None), 1),)}),
]  # fmt: skip
