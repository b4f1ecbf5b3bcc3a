"""Functions of functions are what mathematics says, nest in any order, and leave nothing behind."""

from __future__ import annotations

import gc
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.func import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)

from .numeric import assert_near, differences

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 3))
X, V = RNG.normal(size=3), RNG.normal(size=3)


class Layer(NamedTuple):
    """A weight and a bias."""

    W: Any
    b: Any


def parameter(values: Any, **settings: Any) -> tg.Tensor:
    """A leaf that requires a gradient."""
    return tg.Tensor(values, dtype=float, requires_grad=True, **settings)


def is_plain(*tensors: tg.Tensor) -> bool:
    """Whether they are Tensors that hold no graph and pass no gradient on."""
    return all(
        type(x) is tg.Tensor and x.inputs == x.values == () and not x.requires_grad for x in tensors
    )


def quartic(x: Any) -> Any:
    """(x · x)², whose gradient is 4 (x · x) x and Hessian 4 (x · x) I + 8 x xᵀ."""
    return (x * x).sum() ** 2


def mixed(x: Any) -> Any:
    """A vector of 4 whose entries depend on all of x."""
    return tg.tanh(A @ x) * tg.exp(x[0]) + x.sum()


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "tanh of products": mixed,
    "matrix": lambda x: tg.outer(x, x * x),
    "parts": lambda x: tg.concatenate([x[1:] * x[0], x[::-1]]),
    "softmax": lambda x: tg.softmax(B @ x),
    "number": lambda x: tg.logsumexp(B @ x),
    "identity": lambda x: x,
    "linear": lambda x: A @ x,
    "a part alone": lambda x: x[1],
}
each_function = pytest.mark.parametrize("f", FUNCTIONS.values(), ids=list(FUNCTIONS))


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Garbage is collected by nothing but reference counts."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# Values


def test_the_gradient_is_that_of_the_formula() -> None:
    """grad of (x · x)² is 4 (x · x) x, as a Tensor."""
    found = grad(quartic)(X)
    assert is_plain(found)
    np.testing.assert_allclose(found.data, 4 * (X @ X) * X, rtol=1e-14)


def test_value_and_gradient_come_from_one_run() -> None:
    """value_and_grad calls f once and gives both."""
    calls = []

    def f(x: Any) -> Any:
        calls.append(x)
        return quartic(x)

    value, slope = value_and_grad(f)(X)

    assert len(calls) == 1
    assert is_plain(value, slope)
    np.testing.assert_allclose(value.data, (X @ X) ** 2, rtol=1e-14)
    np.testing.assert_array_equal(slope.data, grad(quartic)(X).data)


def test_the_gradient_is_that_of_backward() -> None:
    """grad gives bit for bit what backward puts into .grad."""
    x = parameter(X)
    (mixed(x) ** 2).sum().backward()
    np.testing.assert_array_equal(grad(lambda x: (mixed(x) ** 2).sum())(X).data, x.grad.data)


@each_function
def test_the_jacobian_is_that_of_differences(f: Callable[[Any], Any]) -> None:
    """jacobian has the result's shape and then the argument's, and is what differences show."""
    found, value = jacobian(f)(X), f(tg.Tensor(X))
    assert found.shape == value.shape + X.shape
    assert_near(found.data.reshape(-1, 3), differences(lambda x: f(tg.Tensor(x)), [X], 0))


@each_function
def test_vjp_and_jvp_multiply_by_the_jacobian(f: Callable[[Any], Any]) -> None:
    """vjp of u is uᵀ J, jvp along v is J v, and so uᵀ (J v) = (uᵀ J) v."""
    y, pull = vjp(f, X)
    J, u = jacobian(f)(X).data, RNG.normal(size=y.shape)
    (uJ,) = pull(u)
    again, Jv = jvp(f, (X,), (V,))

    np.testing.assert_array_equal(y.data, f(tg.Tensor(X)).data)
    np.testing.assert_array_equal(again.data, y.data)
    assert_near(uJ.data, np.tensordot(u, J, u.ndim), 1e-12)
    assert_near(Jv.data, J @ V, 1e-12)
    assert_near((u * Jv.data).sum(), uJ.data @ V, 1e-12)
    assert is_plain(y, uJ, Jv)


def test_the_vjp_function_may_be_called_again() -> None:
    """Each call is a walk of its own; the cotangents' sum gives the sum."""
    _, pull = vjp(mixed, X)
    u, w = RNG.normal(size=(2, 4))
    (by_u,), (by_w,), (by_both,) = pull(u), pull(w), pull(u + w)
    assert_near(by_both.data, by_u.data + by_w.data, 1e-12)
    np.testing.assert_array_equal(pull(u)[0].data, by_u.data)


def test_the_hessian_is_symmetric_and_that_of_the_formula() -> None:
    """hessian of (x · x)² is 4 (x · x) I + 8 x xᵀ."""
    found = hessian(quartic)(X)
    assert is_plain(found)
    assert_near(found.data, 4 * (X @ X) * np.eye(3) + 8 * np.outer(X, X), 1e-12)
    np.testing.assert_allclose(found.data, found.data.T, rtol=1e-12)


def test_the_hessian_of_a_vector_is_that_of_each_entry() -> None:
    """For a result of shape (4,) it is (4, 3, 3), one symmetric matrix for each entry."""
    found = hessian(mixed)(X)
    assert found.shape == (4, 3, 3)
    for k in range(4):
        one = hessian(lambda x, k=k: mixed(x)[k])(X)
        assert_near(found.data[k], one.data, 1e-12)
        assert_near(one.data, one.data.T, 1e-12)


def test_hvp_along_basis_vectors_is_the_hessian() -> None:
    """Its columns; and along any vector the product, without a Hessian."""
    f = lambda x: (mixed(x) ** 2).sum()
    H = hessian(f)(X).data
    columns = [hvp(f, (X,), (e,))[0].data for e in np.eye(3)]
    assert_near(np.stack(columns, axis=1), H, 1e-12)
    assert_near(hvp(f, (X,), (V,))[0].data, H @ V, 1e-12)


def test_hvp_is_jvp_of_the_gradient() -> None:
    """The walk back through a walk back gives what a walk along the tangent gives."""
    f = lambda x: (mixed(x) ** 2).sum()
    _, along = jvp(grad(f), (X,), (V,))
    assert_near(hvp(f, (X,), (V,))[0].data, along.data, 1e-12)


def test_hvp_of_several_arguments_has_the_blocks_between_them() -> None:
    """f = xᵀ M y: the x part of H v is M v_y, the y part Mᵀ v_x."""
    M, y, v = RNG.normal(size=(3, 4)), RNG.normal(size=4), RNG.normal(size=4)
    by_x, by_y = hvp(lambda x, y: x @ M @ y, (X, y), (V, v))
    assert_near(by_x.data, M @ v, 1e-12)
    assert_near(by_y.data, M.T @ V, 1e-12)


def test_a_number_is_an_argument() -> None:
    """Python floats come out as Tensors of shape ()."""
    value, slope = value_and_grad(lambda x: x**3)(2.0)
    assert (value.item(), slope.item(), slope.shape) == (8.0, 12.0, ())
    assert hessian(lambda x: x**3)(2.0).item() == 12.0


def test_float32_stays_float32() -> None:
    """Values, gradients, Jacobians and tangents have their argument's dtype."""
    x = X.astype(np.float32)
    f = lambda x: tg.tanh(x) * 2.0
    y, pull = vjp(f, x)
    found = [y, *pull(np.ones(3)), *jvp(f, (x,), (V,)), jacobian(f)(x)]
    found += [grad(quartic)(x), hessian(quartic)(x), *hvp(quartic, (x,), (V,))]
    assert {t.dtype for t in found} == {np.dtype(np.float32)}


def test_arrays_without_entries_have_jacobians_without_entries() -> None:
    """A result of shape (0,) or an argument of shape (0,) gives a Jacobian of that size."""
    assert jacobian(lambda x: x[:0])(X).shape == (0, 3)
    assert jacobian(lambda x: x.sum())(np.zeros(0)).shape == (0,)
    assert jacobian(lambda x: tg.concatenate([x, x]))(np.zeros(0)).shape == (0, 0)


# Trees


def test_gradients_are_built_like_the_argument() -> None:
    """Dicts, lists, tuples, named tuples, nested; None is a place without a value."""
    tree = {
        "layers": [Layer(B, X), Layer(2 * B, None)],
        "scale": (3.0,),
        "others": OrderedDict(z=X, a=X),
        "empty": ([], (), {}),
    }

    def f(tree: Any) -> Any:
        first, second = tree["layers"]
        h = tg.tanh(first.W @ tree["others"]["z"] + first.b)
        return tree["scale"][0] * (second.W @ h).sum()

    found = grad(f)(tree)

    assert list(found) == list(tree)
    assert [type(layer) for layer in found["layers"]] == [Layer, Layer]
    assert found["layers"][1].b is None
    assert found["empty"] == ([], (), {})
    assert type(found["others"]) is OrderedDict
    assert list(found["others"]) == ["z", "a"]
    h = np.tanh(B @ X + X)
    assert_near(found["scale"][0].data, (2 * B @ h).sum(), 1e-12)
    assert_near(found["layers"][1].W.data, 3 * np.outer(np.ones(3), h), 1e-12)
    slope = (3 * 2 * B.sum(axis=0)) * (1 - h**2)
    assert_near(found["layers"][0].b.data, slope, 1e-12)
    assert_near(found["layers"][0].W.data, np.outer(slope, X), 1e-12)
    assert_near(found["others"]["z"].data, B.T @ slope, 1e-12)
    np.testing.assert_array_equal(found["others"]["a"].data, np.zeros(3))


def test_the_arguments_trees_are_left_as_they_are() -> None:
    """f gets a tree of its own; a defaultdict keeps what makes it one."""
    tree = defaultdict(list, x=X)

    def f(tree: Any) -> Any:
        tree["new"].append(1)
        return tree.pop("x").sum()

    found = grad(f)(tree)
    assert tree == {"x": X}
    assert found["other"] == []


def test_argnums_choose_the_arguments() -> None:
    """An int gives a tree, a tuple a tuple, in its order; negative ones count from the end."""
    f = lambda x, y, z: x * y * y * z
    assert grad(f)(2.0, 3.0, 5.0).item() == 45
    assert grad(f, 1)(2.0, 3.0, 5.0).item() == 60
    assert grad(f, -1)(2.0, 3.0, 5.0).item() == 18
    assert [g.item() for g in grad(f, (2, 0))(2.0, 3.0, 5.0)] == [18, 45]
    assert [g.item() for g in grad(f, (1,))(2.0, 3.0, 5.0)] == [60]
    assert grad(f, ())(2.0, 3.0, 5.0) == ()


def test_the_same_array_given_twice_is_two_arguments() -> None:
    """Each place has its own derivative, also where the same Tensor stands in both."""
    for x in (2.0, tg.Tensor(2.0), parameter(2.0)):
        by_first, by_second = grad(lambda x, y: x * y * y, (0, 1))(x, x)
        assert (by_first.item(), by_second.item()) == (4.0, 8.0)


def test_other_arguments_pass_untouched() -> None:
    """Ints, strings, dicts and keyword arguments reach f as the very objects that were given."""
    others = ({"step": 3}, "mean", np.arange(2))

    def f(x: Any, *rest: Any, **settings: Any) -> Any:
        assert all(a is b for a, b in zip(rest, others, strict=True))
        assert settings == {"axis": None}
        return (x * rest[0]["step"]).sum(**settings)

    np.testing.assert_array_equal(grad(f)(X, *others, axis=None).data, [3, 3, 3])


def test_jacobians_of_trees_have_the_results_structure_and_then_the_arguments() -> None:
    """Outer: what f returns; inner: what it is differentiated by."""
    f = lambda p: {"sum": p["x"].sum() * p["s"], "all": (p["x"] * p["s"],)}
    found = jacobian(f)({"x": X, "s": 2.0})
    assert list(found) == ["sum", "all"]
    np.testing.assert_array_equal(found["sum"]["x"].data, [2, 2, 2])
    np.testing.assert_array_equal(found["all"][0]["x"].data, 2 * np.eye(3))
    np.testing.assert_allclose(found["sum"]["s"].data, X.sum())
    np.testing.assert_array_equal(found["all"][0]["s"].data, X)


def test_jacobians_by_several_arguments_are_tuples() -> None:
    """argnums=(1, 0) gives the pair of Jacobians in that order."""
    by_x, by_W = jacobian(lambda W, x: W @ x, (1, 0))(A, X)
    np.testing.assert_array_equal(by_x.data, A)
    np.testing.assert_array_equal(by_W.data, np.einsum("ik,j->ikj", np.eye(4), X))


def test_hessians_by_several_arguments_are_blocks() -> None:
    """found[i][j] is the derivative by argument i and then by argument j."""
    y = RNG.normal(size=4)
    found = hessian(lambda x, y: (x**2).sum() * y.sum(), (0, 1))(X, y)
    assert_near(found[0][0].data, 2 * y.sum() * np.eye(3), 1e-12)
    assert_near(found[0][1].data, np.outer(2 * X, np.ones(4)), 1e-12)
    assert_near(found[1][0].data, found[0][1].data.T, 1e-12)
    np.testing.assert_array_equal(found[1][1].data, np.zeros((4, 4)))


def test_cotangents_and_tangents_are_trees() -> None:
    """vjp takes the result's structure and gives a tuple of the primals'; jvp the other way."""
    f = lambda p, x: (p["W"] @ x, {"b": p["b"] * x})
    p, dp = {"W": A, "b": V}, {"W": RNG.normal(size=(4, 3)), "b": RNG.normal(size=3)}
    u, w, dx = RNG.normal(size=4), RNG.normal(size=3), RNG.normal(size=3)

    (y, z), pull = vjp(f, p, X)
    by_p, by_x = pull((u, {"b": w}))
    _, (dy, dz) = jvp(f, (p, X), (dp, dx))

    np.testing.assert_array_equal(y.data, A @ X)
    np.testing.assert_array_equal(z["b"].data, V * X)
    assert_near(by_p["W"].data, np.outer(u, X), 1e-12)
    assert_near(by_p["b"].data, w * X, 1e-12)
    assert_near(by_x.data, A.T @ u + V * w, 1e-12)
    assert_near(dy.data, dp["W"] @ X + A @ dx, 1e-12)
    assert_near(dz["b"].data, dp["b"] * X + V * dx, 1e-12)


def test_dicts_are_matched_by_key() -> None:
    """Tangents and cotangents may have their keys in another order."""
    f = lambda p: {"a": p["x"] * 2, "b": p["y"] * 3}
    _, pull = vjp(f, {"x": 1.0, "y": 1.0})
    (found,) = pull({"b": 10.0, "a": 1.0})
    assert (found["x"].item(), found["y"].item()) == (2, 30)
    _, along = jvp(f, ({"x": 1.0, "y": 1.0},), ({"y": 10.0, "x": 1.0},))
    assert (along["a"].item(), along["b"].item()) == (2, 30)


def test_aux_is_handed_on() -> None:
    """With has_aux what f returns beside its result comes back as it is, Tensors as values."""

    def f(x: Any) -> Any:
        y = x * x
        return y.sum(), {"y": y, "note": "seen", "array": X, "none": None}

    slope, aux = grad(f, has_aux=True)(X)
    (value, again), other = value_and_grad(f, has_aux=True)(X)
    result, pull, third = vjp(f, X, has_aux=True)
    along, tangent, fourth = jvp(f, (X,), (V,), has_aux=True)

    np.testing.assert_allclose(slope.data, 2 * X)
    np.testing.assert_array_equal(slope.data, other.data)
    np.testing.assert_array_equal(slope.data, pull(1.0)[0].data)
    assert value.item() == result.item() == along.item()
    assert_near(tangent.data, 2 * X @ V, 1e-12)
    for given in (aux, again, third, fourth):
        assert list(given) == ["y", "note", "array", "none"]
        assert given["note"] == "seen"
        assert given["array"] is X
        assert given["none"] is None
        assert is_plain(given["y"])
        np.testing.assert_array_equal(given["y"].data, X * X)


# What does not depend


@pytest.mark.parametrize(
    "constant", [3.0, 3, np.float64(3), np.array(3.0), tg.Tensor(3.0)], ids=repr
)
def test_a_constant_has_the_gradient_0(constant: Any) -> None:
    """Where f returns a number, an array or a Tensor that does not depend on x."""
    value, slope = value_and_grad(lambda x: constant)(X)
    assert value.item() == 3
    np.testing.assert_array_equal(slope.data, np.zeros(3))
    np.testing.assert_array_equal(jacobian(lambda x: constant)(X).data, np.zeros(3))
    assert jvp(lambda x: constant, (X,), (V,))[1].item() == 0
    np.testing.assert_array_equal(hvp(lambda x: constant, (X,), (V,))[0].data, np.zeros(3))


def test_what_f_does_not_use_has_the_gradient_0() -> None:
    """Of its argument's shape and dtype."""
    used, unused = grad(lambda x, y: x.sum(), (0, 1))(X, np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(used.data, np.ones(3))
    np.testing.assert_array_equal(unused.data, np.zeros((2, 2)))
    assert unused.dtype == np.float32


def test_results_in_integers_have_the_derivative_0() -> None:
    """Counts and comparisons beside floats: their cotangents count for nothing."""
    f = lambda x: (x * 2, x > 0, tg.Tensor([1, 2]))
    y, pull = vjp(f, X)
    (slope,) = pull((np.ones(3), np.ones(3), np.ones(2)))
    _, along = jvp(f, (X,), (V,))
    assert [t.dtype.kind for t in y] == ["f", "b", "i"]
    np.testing.assert_array_equal(slope.data, [2, 2, 2])
    np.testing.assert_array_equal(along[0].data, 2 * V)
    np.testing.assert_array_equal(along[1].data, np.zeros(3))
    np.testing.assert_array_equal(along[2].data, np.zeros(2))


def test_a_linear_function_has_a_hessian_of_zeros() -> None:
    """Also where the gradient does not depend on x at all."""
    for f in (lambda x: (A @ x).sum(), lambda x: x.sum(), lambda x: tg.sign(x).sum()):
        np.testing.assert_array_equal(hessian(f)(X).data, np.zeros((3, 3)))
        np.testing.assert_array_equal(hvp(f, (X,), (V,))[0].data, np.zeros(3))


# Nesting

NESTED: dict[str, tuple[Callable[[Any], Any], Callable[[float], float]]] = {
    "grad of grad": (grad(grad(lambda x: x**5)), lambda x: 20 * x**3),
    "grad of grad of grad": (grad(grad(grad(lambda x: x**5))), lambda x: 60 * x**2),
    "a constant inside": (lambda x: x * grad(lambda y: x * y)(2.0), lambda x: x * x),
    "a sum inside": (lambda x: x * grad(lambda y: x + y)(1.0), lambda x: x),
    "a square inside": (lambda x: x * grad(lambda y: x * y * y)(2.0), lambda x: 4 * x * x),
    "by the same": (lambda x: grad(lambda y: x * y * y)(x), lambda x: 2 * x * x),
    "three deep": (
        lambda x: grad(lambda y: grad(lambda z: x * y * z * z)(y) * y)(x),
        lambda x: 6 * x**3,
    ),
    "value inside": (lambda x: value_and_grad(lambda y: x * y)(x)[0], lambda x: x * x),
    "aux inside": (lambda x: grad(lambda y: (y, x * y), has_aux=True)(x)[1], lambda x: x * x),
    "vjp inside": (lambda x: vjp(lambda y: x * y * y, x)[1](x)[0], lambda x: 2 * x**3),
    "vjp's result inside": (lambda x: vjp(lambda y: x * y, x)[0] * 1.0, lambda x: x * x),
    "jvp inside": (lambda x: jvp(lambda y: x * y * y, (x,), (x,))[1], lambda x: 2 * x**3),
    "jvp along x": (lambda x: jvp(lambda y: y * y, (3.0,), (x,))[1], lambda x: 6 * x),
    "jvp by a constant": (lambda x: jvp(lambda y: x * y, (3.0,), (1.0,))[1], lambda x: x),
    "jvp of jvp": (
        lambda x: jvp(lambda y: jvp(lambda z: z**4, (y,), (1.0,))[1], (x,), (1.0,))[1],
        lambda x: 12 * x * x,
    ),
    "jvp of grad": (lambda x: jvp(grad(lambda y: y**4), (x,), (x,))[1], lambda x: 12 * x**3),
    "hvp inside": (lambda x: hvp(lambda y: y**4, (x,), (x,))[0], lambda x: 12 * x**3),
    "hessian inside": (lambda x: hessian(lambda y: y**4 * x)(x), lambda x: 12 * x**3),
    "jacobian of grad": (jacobian(grad(lambda x: x**5)), lambda x: 20 * x**3),
    "tg.grad inside": (
        lambda x: tg.grad(x**3, x, create_graph=True)[0] * x,
        lambda x: 3 * x**3,
    ),
}
each_nested = pytest.mark.parametrize(("f", "expected"), NESTED.values(), ids=list(NESTED))


@each_nested
def test_nested_transforms_do_not_confuse_their_variables(f: Any, expected: Any) -> None:
    """Each derivative is by its own variable alone, and can be differentiated in turn."""
    x, step = 1.5, 1e-6
    slope = (expected(x + step) - expected(x - step)) / (2 * step)
    assert_near(f(tg.Tensor(x, requires_grad=True)).item(), expected(x), 1e-12)
    for found in (grad(f)(x), jacobian(f)(x), jvp(f, (x,), (1.0,))[1], vjp(f, x)[1](1.0)[0]):
        assert is_plain(found)
        assert_near(found.item(), slope)


@each_nested
def test_nested_transforms_work_under_no_grad(f: Any, expected: Any) -> None:
    """no_grad outside of a transform switches off neither it nor those inside of it."""
    with tg.no_grad():
        found = grad(f)(1.5)
        assert not (parameter(1.0) * 2).requires_grad
    assert is_plain(found)
    assert found.item() == grad(f)(1.5).item()


def test_no_grad_inside_makes_a_constant() -> None:
    """A transform inside no_grad inside f is a number to the transform outside."""

    def f(x: Any) -> Any:
        with tg.no_grad():
            slope = grad(lambda y: x * y * y)(x)
        assert is_plain(slope)
        return x * slope

    assert grad(f)(3.0).item() == 2 * 3.0**2


def test_no_grad_around_a_part_of_f_is_kept() -> None:
    """What f does not record counts as constant: d(x · const(x²)) = x²."""

    def f(x: Any) -> Any:
        with tg.no_grad():
            c = x * x
        return x * c

    assert grad(f)(3.0).item() == 9.0


def test_results_stay_tied_to_tensors_that_require_gradients() -> None:
    """Of an argument, or of what f closes over: backward goes on through what grad gave."""
    W, x = parameter(B, name="W"), parameter(X)
    f = lambda x: (tg.tanh(W @ x) ** 2).sum()

    slope = grad(f)(x)
    assert slope.requires_grad
    (slope * V).sum().backward()

    assert_near(x.grad.data, hessian(lambda x: f(x))(X).data @ V, 1e-12)
    whole = lambda W: (grad(lambda x: (tg.tanh(W @ x) ** 2).sum())(X) * V).sum()
    assert_near(W.grad.data, grad(whole)(B).data, 1e-12)
    expected = differences(lambda W: whole(tg.Tensor(W)), [B], 0)
    assert_near(W.grad.data.ravel(), expected[0])


@pytest.mark.parametrize(
    "transformed",
    [
        lambda f, x: value_and_grad(f)(x),
        lambda f, x: vjp(f, x)[1](1.0),
        lambda f, x: jvp(f, (x,), (V,)),
        lambda f, x: (jacobian(f)(x), hessian(f)(x)),
        lambda f, x: hvp(f, (x,), (V,)),
    ],
    ids=["value_and_grad", "vjp", "jvp", "jacobian, hessian", "hvp"],
)
def test_under_no_grad_results_are_tied_to_nothing(transformed: Any) -> None:
    """Also where f closes over a Parameter and the argument requires a gradient."""
    W, x = parameter(B), parameter(X)
    f = lambda x: (W @ x * x).sum() ** 2
    tied = transformed(f, x)
    with tg.no_grad():
        plain = transformed(f, x)
    assert all(t.requires_grad for t in tied)
    assert is_plain(*plain)
    for a, b in zip(tied, plain, strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_a_vjp_made_under_no_grad_is_cut_from_its_primals() -> None:
    """Its function gives plain results anywhere, and the primals may change meanwhile."""
    x = parameter(X)
    with tg.no_grad():
        _, pull = vjp(lambda x: x * x, x)
    x.data -= 1.0
    (found,) = pull(V)
    assert is_plain(found)
    np.testing.assert_array_equal(found.data, 2 * X * V)


def test_a_cotangent_that_requires_a_gradient_gets_it() -> None:
    """The vjp is linear in its cotangent: the derivative of v · (uᵀ J) by u is J v."""
    u = parameter(RNG.normal(size=4))
    (uJ,) = vjp(mixed, X)[1](u)
    (uJ * V).sum().backward()
    assert_near(u.grad.data, jacobian(mixed)(X).data @ V, 1e-12)


def test_a_chain_of_gradient_steps_is_differentiated() -> None:
    """Learning to learn: the loss after 5 steps of descent, by the size of the step."""
    H = B.T @ B
    loss = lambda x: x @ H @ x / 2

    def after(rate: Any) -> Any:
        x = X
        for _ in range(5):
            x = x - rate * grad(loss)(x)
        return loss(x)

    step = np.eye(3) - 0.1 * H
    x, dx = X, np.zeros(3)
    for _ in range(5):
        x, dx = step @ x, step @ dx - H @ x
    found = grad(after)(0.1)
    assert is_plain(found)
    assert_near(found.data, x @ H @ dx, 1e-12)


# A recurrent network


def rnn_loss(weights: dict[str, Any], x: Any) -> Any:
    """The mean square of an RNN's states, as a function of its weights. x: (T, B, I)."""
    rnn = tg.nn.RNN(2, 3, rng=0)
    for name, w in weights.items():
        setattr(rnn, name, w)
    output, _ = rnn(x)
    return (output * output).mean()


def test_an_rnn_has_functional_gradients() -> None:
    """By the dict of its weights: as backward gives them to its parameters."""
    rnn, x = tg.nn.RNN(2, 3, rng=0), RNG.normal(size=(5, 2, 2))
    output, _ = rnn(x)
    loss = (output * output).mean()
    loss.backward()

    value, slopes = value_and_grad(rnn_loss)(rnn.state_dict(), x)

    assert value.item() == loss.item()
    assert slopes.keys() == rnn.state_dict().keys()
    for name, p in rnn.named_parameters():
        np.testing.assert_array_equal(slopes[name].data, p.grad.data)


def test_an_rnn_has_functional_second_derivatives() -> None:
    """hvp along a direction is what differences of the gradient show."""
    x, weights = RNG.normal(size=(4, 2, 2)), tg.nn.RNN(2, 3, rng=0).state_dict()
    v = {name: RNG.normal(size=w.shape) for name, w in weights.items()}
    moved = lambda s: {name: w + s * v[name] for name, w in weights.items()}

    (found,) = hvp(lambda w: rnn_loss(w, x), (weights,), (v,))

    ahead, behind = (grad(rnn_loss)(moved(s), x) for s in (1e-5, -1e-5))
    for name, product in found.items():
        assert_near(product.data, (ahead[name].data - behind[name].data) / 2e-5)


# What is left behind


def test_no_grad_attribute_is_touched() -> None:
    """.grad of arguments, of what f closes over and of what retains its own stays None."""
    W, x, c = parameter(B), parameter(X), tg.Tensor(V)
    y = x * 2
    y.retain_grad()
    f = lambda x: (W @ x * y * c).sum() ** 2
    value_and_grad(f)(x)
    jacobian(f)(x)
    hessian(f)(y)
    vjp(f, x)[1](1.0)
    jvp(f, (x,), (V,))
    hvp(f, (x,), (V,))
    assert W.grad is x.grad is c.grad is y.grad is None
    assert x.requires_grad
    assert not c.requires_grad


def test_arguments_and_results_share_no_memory() -> None:
    """Writing into results or arguments changes neither the other nor what the vjp gives."""
    x, c = tg.Tensor(X), tg.Tensor(V)
    for f in (lambda x: x, lambda x: x.reshape(3, 1), lambda x: {"a": x * x, "b": c}):
        y, pull = vjp(f, x)
        g = f(tg.Tensor(V))
        expected = pull(g)[0].numpy()
        for t in y.values() if isinstance(y, dict) else [y]:
            t.data[...] = np.nan
        np.testing.assert_array_equal(x.data, X)
        np.testing.assert_array_equal(c.data, V)
        x.data[:] = np.nan
        np.testing.assert_array_equal(pull(g)[0].data, expected)
        x.data[:] = X


def test_a_tensor_written_before_the_walk_is_found() -> None:
    """A parameter that changed between vjp and its function is an error, not a wrong gradient."""
    W = parameter(B, name="W")
    _, pull = vjp(lambda x: W @ x, X)
    W.data -= 1.0
    with pytest.raises(RuntimeError, match="W was written after it was recorded"):
        pull(V)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "transformed",
    [
        lambda f: value_and_grad(f)(X),
        lambda f: vjp(f, X)[1](1.0),
        lambda f: jvp(f, (X,), (V,)),
        lambda f: (jacobian(f)(X), hessian(f)(X)),
        lambda f: hvp(f, (X,), (V,)),
        lambda f: (grad(lambda x: hvp(f, (x,), (x,))[0].sum())(X),),
    ],
    ids=["value_and_grad", "vjp", "jvp", "jacobian, hessian", "hvp", "grad of hvp"],
)
def test_outermost_results_keep_no_graph_alive(transformed: Any) -> None:
    """They are leaves; what f recorded is freed at once, by reference counts alone."""
    seen = []

    def f(x: Any) -> Any:
        h = tg.tanh(x)
        seen.extend(weakref.ref(node) for node in (*x.inputs, x, h))
        return (h * h).sum()

    results = transformed(f)

    assert is_plain(*results)
    assert seen
    assert not any(node() is not None for node in seen)


def test_an_error_in_f_leaves_everything_as_it_was() -> None:
    """The error is f's own; recording and scopes are what they were."""
    x = parameter(X)

    def f(x: Any) -> Any:
        raise KeyError("mine")

    with tg.no_grad(), tg.scope("here"):
        for transformed in (
            grad(f),
            jacobian(f),
            lambda x: vjp(f, x),
            lambda x: hvp(f, (x,), (V,)),
        ):
            with pytest.raises(KeyError, match="mine"):
                transformed(x)
        assert not (x * 2).requires_grad
        assert (tg.Tensor(1.0)).scope == ("here",)
    assert (x * 2).requires_grad


def test_f_records_into_the_scope_around_it() -> None:
    """Inside f the scope is that of the call."""
    seen = []
    with tg.scope("layer"):
        grad(lambda x: seen.append(x * 2) or x)(1.0)
    assert seen[0].scope == ("layer",)


def test_a_transform_is_named_like_its_function() -> None:
    """Name, signature and documentation are f's, as in JAX and torch.func."""
    for transformed in (
        grad(quartic),
        value_and_grad(quartic),
        jacobian(quartic),
        hessian(quartic),
    ):
        assert transformed.__name__ == "quartic"
        assert transformed.__wrapped__ is not None


# Errors


class Wrong(NamedTuple):
    """A call that must fail, and what the message must contain."""

    label: str
    call: Callable[[], Any]
    error: type[Exception]
    message: str


IDENTITY = lambda *xs: xs[0]
PULL = vjp(lambda x: {"a": x, "b": (x[0],)}, X)[1]
WRONG = [
    Wrong("int", lambda: grad(IDENTITY)(2), TypeError,
          "grad: argument 0 has dtype int64, but only floats have gradients"),
    Wrong("int array", lambda: jacobian(IDENTITY, 1)(X, np.arange(3)), TypeError,
          "jacobian: argument 1 has dtype int64"),
    Wrong("int Tensor in a tree", lambda: value_and_grad(IDENTITY)({"w": [X, tg.Tensor([1])]}),
          TypeError, "value_and_grad: argument 0['w'][1] has dtype int64"),
    Wrong("bool", lambda: vjp(IDENTITY, X, True), TypeError, "vjp: argument 1 has dtype bool"),
    Wrong("string", lambda: grad(IDENTITY)("abc"), TypeError, "grad: argument 0: dtype is <U3"),
    Wrong("object", lambda: jvp(IDENTITY, (object(),), (object(),)), TypeError,
          "jvp: tangents[0]: dtype is object"),
    Wrong("int primal", lambda: jvp(IDENTITY, (1,), (1.0,)), TypeError,
          "jvp: argument 0 has dtype int64"),
    Wrong("int primal of hvp", lambda: hvp(IDENTITY, (1,), (1.0,)), TypeError,
          "hvp: argument 0 has dtype int64"),
    Wrong("vector", lambda: grad(IDENTITY)(X), ValueError,
          "grad: f returned shape (3,), but only one number, of shape (), has a gradient; use "
          "sum(), or jacobian or vjp"),
    Wrong("one entry", lambda: value_and_grad(IDENTITY)(np.ones(1)), ValueError,
          "value_and_grad: f returned shape (1,)"),
    Wrong("array", lambda: grad(lambda x: np.ones(2))(X), ValueError, "f returned shape (2,)"),
    Wrong("pair", lambda: grad(lambda x: (x, x))(1.0), TypeError,
          "grad: f returned a tuple, but only one number, of shape (), has a gradient; use sum(), "
          "or jacobian or vjp; has_aux=True allows (number, aux)"),
    Wrong("None", lambda: grad(lambda x: None)(1.0), TypeError, "grad: f returned a NoneType"),
    Wrong("text", lambda: vjp(lambda x: {"a": "b"}, X), TypeError,
          "vjp: f's result['a']: dtype is <U1"),
    Wrong("no aux", lambda: grad(IDENTITY, has_aux=True)(1.0), TypeError,
          "grad: f returned no (result, aux), as has_aux=True needs"),
    Wrong("three", lambda: vjp(lambda x: (x, x, x), 1.0, has_aux=True), TypeError,
          "vjp: f returned no (result, aux)"),
    Wrong("argnums", lambda: grad(IDENTITY, 1)(1.0), IndexError,
          "grad: argnums is 1, but f got 1 arguments by position"),
    Wrong("keyword", lambda: grad(IDENTITY)(x=1.0), IndexError, "f got 0 arguments by position"),
    Wrong("argnums twice", lambda: grad(IDENTITY, (0, -1))(1.0), ValueError,
          "grad: argnums is (0, -1); name each argument once"),
    Wrong("cotangent array", lambda: PULL(X), ValueError,
          "vjp: cotangent must be built like result: has itself; needs ['a'], ['b'][0]"),
    Wrong("cotangent key", lambda: PULL({"a": X}), ValueError, "has ['a']; needs ['a'], ['b'][0]"),
    Wrong("cotangent shape", lambda: PULL({"a": X, "b": ([1.0],)}), ValueError,
          "has ['a'], ['b'][0][0]; needs"),
    Wrong("cotangent size", lambda: PULL({"a": X[:2], "b": (1.0,)}), ValueError,
          "vjp: cotangent['a'] has shape (2,); it must be (3,)"),
    Wrong("cotangent number", lambda: PULL({"a": 1.0, "b": (1.0,)}), ValueError,
          "vjp: cotangent['a'] has shape (); it must be (3,)"),
    Wrong("tangent shape", lambda: jvp(IDENTITY, (X, 1.0), (X, X)), ValueError,
          "jvp: tangents[1] has shape (3,); it must be ()"),
    Wrong("tangent count", lambda: jvp(IDENTITY, (X, 1.0), (X,)), ValueError,
          "jvp: tangents must be built like primals: has [0]; needs [0], [1]"),
    Wrong("hvp tangent", lambda: hvp(quartic, ({"x": X},), (X,)), ValueError,
          "hvp: tangents must be built like primals: has [0]; needs [0]['x']"),
    Wrong("bare primals", lambda: jvp(IDENTITY, X, X), TypeError,
          "jvp: primals is a ndarray; give a tuple of arguments"),
    Wrong("bare tangents", lambda: hvp(quartic, (X,), X), ValueError,
          "hvp: tangents must be built like primals: has itself; needs [0]"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=[wrong.label for wrong in WRONG])
def test_errors_name_the_transform_and_the_place(wrong: Wrong) -> None:
    """What came, where, and what was needed."""
    with pytest.raises(wrong.error) as caught:
        wrong.call()
    assert type(caught.value) is wrong.error
    assert wrong.message in str(caught.value)
