"""Errors name the operation, what came and what to do; and after one everything is as before."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine.tape import tape


class World(NamedTuple):
    """The tensors that wrong calls are made with."""

    x: tg.Tensor  # (2, 3)
    y: tg.Tensor  # (4,)
    s: tg.Tensor  # ()
    n: tg.Tensor  # (2,) int
    z: tg.Tensor  # (2, 3), recorded


class Wrong(NamedTuple):
    """A call that must fail. parts: what the message must contain, in this order."""

    label: str
    call: Callable[[World], Any]
    error: type[Exception]
    parts: tuple[str, ...]


@pytest.fixture
def world() -> World:
    """Leaves that have gradients already, a constant, and a result."""
    x = tg.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, name="x")
    y = tg.Tensor(np.arange(4.0), requires_grad=True)
    s = tg.Tensor(2.0, requires_grad=True)
    for leaf in (x, y, s):
        leaf.sum().backward()
    return World(x, y, s, tg.Tensor([0, 1]), x * 2)


AXIS = np.exceptions.AxisError
SHAPES = [
    Wrong("add", lambda w: w.x + w.y, ValueError, ("add: ", "(2, 3)", "(4,)")),
    Wrong("where", lambda w: tg.where(w.x > 0, w.x, w.y), ValueError,
          ("where: ", "(2, 3)", "(4,)")),
    Wrong("matmul inner", lambda w: w.x @ w.y, ValueError,
          ("matmul: b has shape (4,)", "(2, 3)", "ends in 3", "must start with 3")),
    Wrong("matmul inner of matrices", lambda w: w.x @ w.x, ValueError,
          ("matmul: b has shape (2, 3)", "must start with 3")),
    Wrong("matmul inner of batches", lambda w: w.x @ np.ones((5, 2, 4)), ValueError,
          ("matmul: b has shape (5, 2, 4)", "last axis but one 3")),
    Wrong("matmul batch", lambda w: np.ones((2, 4, 2)) @ w.x.broadcast_to((3, 2, 3)), ValueError,
          ("matmul: ", "(2, 4, 2)", "(3, 2, 3)")),
    Wrong("matmul number", lambda w: w.x @ w.s, ValueError, ("matmul: ", "()", "use multiply")),
    Wrong("matmul of a number", lambda w: w.s @ w.x, ValueError, ("matmul: ", "use multiply")),
    Wrong("matmul Python number", lambda w: w.x @ 2, ValueError, ("matmul: ", "use multiply")),
    Wrong("reshape", lambda w: w.x.reshape(4), ValueError,
          ("reshape: ", "size 6", "(4,)", "(2, 3)")),
    Wrong("reshape twice -1", lambda w: w.x.reshape(-1, -1), ValueError,
          ("reshape: ", "one unknown")),
    Wrong("transpose twice", lambda w: w.x.transpose(0, 0), ValueError,
          ("transpose: ", "repeated")),
    Wrong("transpose few", lambda w: w.x.transpose((0,)), ValueError, ("transpose: ", "(2, 3)")),
    Wrong("transpose range", lambda w: w.x.transpose(0, 2), AXIS, ("transpose: ", "axis 2")),
    Wrong("broadcast_to", lambda w: w.x.broadcast_to((2, 4)), ValueError,
          ("broadcast_to: ", "(2,4)", "(2, 3)")),
    Wrong("mse_loss", lambda w: tg.mse_loss(w.x, w.y), ValueError,
          ("mse_loss: prediction has shape (2, 3), target (4,)", "reshape")),
    Wrong("cross_entropy", lambda w: tg.cross_entropy(w.x, [0, 1, 2]), ValueError,
          ("cross_entropy: targets have shape (3,)", "logits (2, 3)", "must have shape (2,)")),
]  # fmt: skip
JOINS = [
    Wrong("concatenate nothing", lambda w: tg.concatenate([]), ValueError, ("concatenate: ",)),
    Wrong("concatenate", lambda w: tg.concatenate([w.x, w.y]), ValueError,
          ("concatenate: ", "xs[0]: (2, 3)", "xs[1]: (4,)")),
    Wrong("concatenate axis", lambda w: tg.concatenate([w.x, w.x], 2), AXIS,
          ("concatenate: ", "axis 2")),
    Wrong("stack nothing", lambda w: tg.stack([]), ValueError, ("stack: ",)),
    Wrong("stack", lambda w: tg.stack([w.x, w.y]), ValueError, ("stack: ", "(2, 3)", "(4,)")),
    Wrong("stack axis", lambda w: tg.stack([w.x, w.x], 3), AXIS, ("stack: ", "axis 3")),
    Wrong("split", lambda w: tg.split(w.x, 2, 1), ValueError,
          ("split: axis 1 has size 3", "2 parts")),
    Wrong("split none", lambda w: tg.split(w.x, 0), ValueError,
          ("split: axis 0 has size 2", "0 parts")),
    Wrong("split axis", lambda w: tg.split(w.x, 1, 2), AXIS, ("split: ", "axis 2", "(2, 3)")),
    Wrong("addmm shapes", lambda w: tg.addmm(np.ones((5, 2, 2)), w.x, w.x.T), ValueError,
          ("addmm: ", "(5, 2, 2)", "(2, 2)")),
    Wrong("unbind axis", lambda w: tg.unbind(w.x, 2), AXIS, ("unbind: ", "axis 2", "(2, 3)")),
    Wrong("unbind negative axis", lambda w: tg.unbind(w.x, -3), AXIS, ("unbind: ", "axis -3")),
    Wrong("unbind number", lambda w: tg.unbind(w.s), AXIS, ("unbind: ", "axis 0", "()")),
    Wrong("take axis", lambda w: tg.take(w.x, [0], 2), AXIS, ("take: ", "axis 2", "(2, 3)")),
]  # fmt: skip
REDUCTIONS = [
    wrong
    for name in ("sum", "mean", "max", "logsumexp")
    for f in [getattr(tg, name)]
    for wrong in [
        Wrong(f"{name} axis", lambda w, f=f: f(w.x, axis=2), AXIS,
              (f"{name}: ", "axis 2", "(2, 3)")),
        Wrong(f"{name} axes", lambda w, f=f: f(w.x, axis=(0, -3)), AXIS,
              (f"{name}: ", "axis -3")),
        Wrong(f"{name} twice", lambda w, f=f: f(w.x, axis=(0, -2)), ValueError,
              (f"{name}: ", "duplicate")),
        Wrong(f"{name} kind", lambda w, f=f: f(w.x, axis=1.5), TypeError,
              (f"{name}: ", "integer", "(2, 3)")),
    ]
]  # fmt: skip
RANGES = [
    Wrong("max of nothing", lambda w: tg.max(w.x[:0]), ValueError, ("max: ", "(0, 3)")),
    Wrong("softmax axis", lambda w: tg.softmax(w.x, axis=2), AXIS, ("softmax: ", "axis 2")),
    Wrong("log_softmax axis", lambda w: tg.log_softmax(w.x, axis=2), AXIS, ("log_softmax: ",)),
    Wrong("getitem", lambda w: w.x[5], IndexError, ("getitem: index 5 ", "size 2", "(2, 3)")),
    Wrong("getitem axes", lambda w: w.x[0, 0, 0], IndexError, ("getitem: ", "(2, 3)")),
    Wrong("gather", lambda w: w.x[[0, 9]], IndexError, ("index 9 ", "size 2", "(2, 3)")),
    Wrong("gather mask", lambda w: w.x[np.ones(3, bool)], IndexError, ("boolean", "(2, 3)")),
    Wrong("gather float", lambda w: w.x[[0.5]], IndexError, ("integer", "(2, 3)")),
    Wrong("take", lambda w: w.x.take([7], 1), IndexError, ("index 7 ", "size 3")),
    Wrong("target too large", lambda w: tg.cross_entropy(w.x, [0, 3]), IndexError,
          ("cross_entropy: target 3 is out of range", "3 classes", "[0, 3)")),
    Wrong("target negative", lambda w: tg.cross_entropy(w.x, [0, -1]), IndexError,
          ("cross_entropy: target -1 is out of range", "[0, 3)")),
    Wrong("target ignored elsewhere", lambda w: tg.cross_entropy(w.x, [0, -100], ignore_index=1),
          IndexError, ("cross_entropy: target -100",)),
    Wrong("targets in a tensor", lambda w: tg.cross_entropy(w.x, w.n * 5), IndexError,
          ("cross_entropy: target 5 ",)),
]  # fmt: skip
KINDS = [
    Wrong("complex", lambda w: w.x + 1j, TypeError, ("add: dtype is complex128",)),
    Wrong("text", lambda w: w.x * "a", TypeError, ("multiply: dtype is <U1",)),
    Wrong("objects", lambda w: w.x + np.array([object()] * 3), TypeError,
          ("add: dtype is object",)),
    Wrong("objects left", lambda w: np.array([None] * 3) + w.x, TypeError,
          ("add: dtype is object",)),
    Wrong("None", lambda w: w.x + None, TypeError, ("add: ", "None")),
    Wrong("None in a product", lambda w: w.x @ None, TypeError, ("matmul: ", "None")),
    Wrong("targets float", lambda w: tg.cross_entropy(w.x, [0.0, 1.0]), TypeError,
          ("cross_entropy: targets have shape (2,) and dtype float64", "integers of shape (2,)",
           "probabilities of (2, 3)")),
    Wrong("reduction", lambda w: tg.mse_loss(w.x, w.x, reduction="avg"), ValueError,
          ("mse_loss: reduction is 'avg'", "'mean', 'sum' or 'none'")),
    Wrong("reduction of cross_entropy", lambda w: tg.cross_entropy(w.x, w.n, reduction="avg"),
          ValueError, ("cross_entropy: reduction is 'avg'",)),
    Wrong("astype", lambda w: w.x.astype("none such"), TypeError, ("astype: ", "none such")),
    Wrong("astype complex", lambda w: w.x.astype(complex), TypeError, ("astype: ", "complex")),
    Wrong("item assignment", lambda w: w.x.__setitem__(0, 1.0), TypeError, ("where, concatenate",)),
    Wrong("int with gradient", lambda w: tg.Tensor([1, 2], requires_grad=True), TypeError,
          ("requires_grad: dtype is int", "only floats", "dtype=float")),
]  # fmt: skip
ARGUMENTS = [
    Wrong("unknown name", lambda w: tg.exp(w.x, out=None), TypeError, ("exp: takes x", "'out'")),
    Wrong("unknown setting", lambda w: w.x.sum(axes=0), TypeError,
          ("sum: takes x, axis, keepdims", "'axes'")),
    Wrong("given twice", lambda w: w.x.sum(0, axis=1), TypeError, ("sum: takes", "'axis'")),
    Wrong("too many", lambda w: tg.exp(w.x, w.x), TypeError, ("exp: takes x", "2")),
    Wrong("too few", lambda w: tg.add(w.x), TypeError, ("add: takes x, y", "1")),
    Wrong("none", lambda w: tg.exp(), TypeError, ("exp: takes x", "0")),
    Wrong("missing setting", lambda w: tg.reshape(w.x), TypeError, ("reshape: takes x, shape",)),
]  # fmt: skip
GRAPH = [
    Wrong("not scalar", lambda w: w.z.backward(), RuntimeError,
          ("backward: shape is (2, 3)", "sum() or mean()")),
    Wrong("empty", lambda w: w.z[:0].backward(), RuntimeError, ("backward: shape is (0, 3)",)),
    Wrong("cotangent", lambda w: w.z.backward(np.ones(3)), ValueError,
          ("backward: ", "shape (3,)", "(2, 3)")),
    Wrong("cotangent of a scalar", lambda w: w.z.sum().backward(np.ones(1)), ValueError,
          ("backward: ", "shape (1,)", "()")),
    Wrong("constant", lambda w: w.n.sum().backward(), RuntimeError, ("backward: ", "requires")),
    Wrong("grad not scalar", lambda w: tg.grad(w.z, w.x), RuntimeError, ("(2, 3)",)),
    Wrong("grad by a constant", lambda w: tg.grad(w.z.sum(), w.n), RuntimeError,
          ("grad: input 0 does not require a gradient",)),
    Wrong("grad of a constant", lambda w: tg.grad(w.n.sum(), w.x), RuntimeError, ("requires",)),
    Wrong("grad unused", lambda w: tg.grad(w.z.sum(), [w.x, w.y]), RuntimeError,
          ("grad: the outputs do not depend on input 1", "allow_unused=True")),
    Wrong("too few cotangents", lambda w: tg.grad([w.z, w.z], w.x, [np.ones((2, 3))]), ValueError,
          ("grad: ", "grad_outputs")),
    Wrong("retain", lambda w: w.n.retain_grad(), RuntimeError, ("retain_grad: ", "no gradient")),
    Wrong("set requires_grad", lambda w: setattr(w.z, "requires_grad", False), RuntimeError,
          ("requires_grad: only a leaf's",)),
    Wrong("set data", lambda w: setattr(w.z, "data", np.ones((2, 3))), RuntimeError,
          ("data: a result of multiply cannot be written", "t.detach()")),
    Wrong("set data of another shape", lambda w: setattr(w.x, "data", np.ones(3)), ValueError,
          ("data: ", "(3,)", "(2, 3)")),
    Wrong("set grad", lambda w: setattr(w.x, "grad", w.y.detach()), ValueError,
          ("grad: shape (4,)", "(2, 3)")),
    Wrong("set grad to an array", lambda w: setattr(w.x, "grad", np.ones((2, 3))), TypeError,
          ("grad: must be a Tensor or None", "ndarray")),
    Wrong("item", lambda w: w.x.item(), ValueError, ("item: shape is (2, 3)",)),
]  # fmt: skip
WRONG = [*SHAPES, *JOINS, *REDUCTIONS, *RANGES, *KINDS, *ARGUMENTS, *GRAPH]


def pattern(parts: tuple[str, ...]) -> str:
    """The parts one after the other, with anything between them."""
    return "(?s)" + ".*".join(map(re.escape, parts))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.label)
def test_errors_say_what_and_leave_all_as_it_was(wrong: Wrong, world: World) -> None:
    """The message names op, shapes and remedy; data, gradients and graph are unchanged."""
    before = [(t.numpy(), t.grad, t.requires_grad, t.serial) for t in world]
    grads = [None if t.grad is None else t.grad.numpy() for t in world]
    with pytest.raises(wrong.error, match=pattern(wrong.parts)):
        wrong.call(world)
    for t, (data, grad, required, serial), values in zip(world, before, grads, strict=True):
        np.testing.assert_array_equal(t.data, data)
        assert (t.requires_grad, t.serial) == (required, serial)
        assert t.grad is grad
        if grad is not None:
            np.testing.assert_array_equal(grad.data, values)
    assert tape(world.z) == [world.x, world.z]
    assert (world.x * 2).requires_grad


@pytest.mark.parametrize("wrong", [*JOINS, *REDUCTIONS], ids=lambda wrong: wrong.label)
def test_errors_come_with_arrays_too(wrong: Wrong, world: World) -> None:
    """Without any Tensor the same calls fail too, with an error of the same kind."""
    arrays: Any = World(*(t.numpy() for t in world))  # type: ignore[arg-type]
    with pytest.raises(wrong.error):
        wrong.call(arrays)


# Declaring an op


def test_a_rule_for_no_input_is_refused_at_once() -> None:
    """A misspelt name fails where the op is declared, and names the inputs."""
    with pytest.raises(TypeError, match=r"scale: rule for 'y', but the inputs are \('x',\)"):

        @tg.op(y=lambda g, z, x: g)
        def scale(x: Any) -> Any:
            return x


def test_a_gradient_of_a_wrong_shape_is_named() -> None:
    """Op, shape of the gradient, name and shape of the input; nothing has changed."""

    @tg.op(x=lambda g, z, x: g.sum())
    def double(x: Any) -> Any:
        return x + x

    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="weights")
    with pytest.raises(ValueError, match=r"double: .*shape \(\) for weights of shape \(2,\)"):
        double(x).sum().backward()
    assert x.grad is None


def test_an_error_inside_an_op_keeps_its_cause() -> None:
    """NumPy's own error stands behind ours, with the inputs' shapes and dtypes added."""
    x = tg.Tensor(np.ones((2, 3), np.float32))
    with pytest.raises(ValueError, match=r"given x: \(2, 3\) float32, y: \(4,\) float64") as caught:
        x + np.ones(4)
    assert isinstance(caught.value.__cause__, ValueError)
    assert "could not be broadcast" in str(caught.value.__cause__)


def test_a_result_outside_of_the_graph_that_is_a_view_cannot_be_written() -> None:
    """Its memory is the weight's: a write would pass by the guard."""
    p = tg.Tensor([1.0, 2.0], requires_grad=True)
    loss = (p * p).sum()
    with tg.no_grad():
        part, product = p[:1], p * 2
    with pytest.raises(ValueError, match="read-only"):
        part.data -= 5
    product.data -= 5
    loss.backward()
    assert p.grad.data.tolist() == [2, 4]


RULES: dict[str, tuple[Any, type[Exception], tuple[str, ...]]] = {
    "too few of a variadic op": (
        tg.op(xs=lambda g, z, *xs: [g])(lambda *xs: xs[0] + xs[1]),
        ValueError,
        ("the rule gave 1 gradients for 2 inputs",),
    ),
    "None of a variadic op": (
        tg.op(xs=lambda g, z, *xs: None)(lambda *xs: xs[0] + xs[1]),
        TypeError,
        ("the rule gave None; it must give a list",),
    ),
    "complex numbers": (
        tg.op(x=lambda g, z, x, y: g * 1j)(lambda x, y: x + y),
        TypeError,
        ("the rule gave array([0.+1.j, 0.+1.j]) for w", "of shape (2,), of real numbers"),
    ),
    "objects": (
        tg.op(x=lambda g, z, x, y: np.array([1, None]))(lambda x, y: x + y),
        TypeError,
        ("the rule gave array([1, None], dtype=object) for w",),
    ),
    "a number": (
        tg.op(x=lambda g, z, x, y: 1.0)(lambda x, y: x + y),
        TypeError,
        ("the rule gave 1.0 for w", "an array of shape (2,)"),
    ),
    "None": (
        tg.op(x=lambda g, z, x, y: None)(lambda x, y: x + y),
        TypeError,
        ("the rule gave None for w",),
    ),
    "another shape": (
        tg.op(elementwise=True, x=lambda g, z, x, y: g.sum())(lambda x, y: x + y),
        ValueError,
        ("a gradient of shape () for w of shape (2,)",),
    ),
}


@pytest.mark.parametrize(("f", "kind", "words"), RULES.values(), ids=list(RULES))
def test_a_rule_that_gives_no_gradient_is_named(f: Any, kind: Any, words: Any) -> None:
    """By its op, what it gave, and what was needed; no `.grad` has changed."""
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    y = f([w, w]) if f.variadic else f(w, w)
    with pytest.raises(kind, match=f.name) as error:
        y.sum().backward()
    for word in words:
        assert word in str(error.value)
    assert w.grad is None
