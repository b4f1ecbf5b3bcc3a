"""Functions of functions: gradients, products with Jacobians, Jacobians, Hessians.

Arguments and results are trees: an array, a number, a Tensor; or a tuple, list or dict of trees;
or None, which holds nothing. What comes out are Tensors, built like what went in.

A transform runs f on recorded copies of its arguments. A copy of a Tensor that requires a gradient
stays tied to it, so transforms nest; any other has a root of its own, which requires one only while
f runs. If a leaf still does afterwards, the graph is alive, and what comes out is recorded; if none
does, or under `no_grad`, what comes out holds no graph.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..engine import gradients
from ..engine.from_numpy import numeric
from ..engine.mode import Mode, mode
from ..engine.tape import tape
from ..engine.tensor import Tensor, leaf
from ..engine.tree import Tree, rebuilt, values_of
from ..ops import positive, stack

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]

Function = Callable[..., Any]
Argnums = int | Sequence[int]
Tensors = Collection[Tensor]


def grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """The function that gives the gradient of f; it takes what f takes.

    f: returns one float, of shape (). argnums: what to differentiate by, the places of arguments
    that are trees of floats; for several the gradient is a tuple. has_aux: f returns (result, aux),
    the new function (gradient, aux). Gradient: built like the argument, 0 for what f does not use.
    Raises: TypeError, ValueError for an argument or result of another kind, shape; IndexError.

    >>> grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    Tensor([2., 4.])
    >>> grad(grad(lambda x: x**3))(2.0)
    Tensor(12.)
    """
    given = lambda _, slopes, aux: (slopes, aux) if has_aux else slopes
    return _gradient("grad", f, argnums, has_aux, given)


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """The function that gives (result, gradient) of f; with has_aux ((result, aux), gradient).

    f, argnums, has_aux, Raises: as for `grad`.

    >>> value_and_grad(lambda w: w["a"] * w["b"])({"a": 2.0, "b": 3.0})
    (Tensor(6.), {'a': Tensor(3.), 'b': Tensor(2.)})
    """
    given = lambda y, slopes, aux: ((y, aux) if has_aux else y, slopes)
    return _gradient("value_and_grad", f, argnums, has_aux, given)


def vjp(f: Function, *primals: Tree, has_aux: bool = False) -> tuple[Any, ...]:
    """The result of f at the primals, and the function v -> (vᵀ ∂f/∂primal, ...).

    primals: the arguments of f, trees of floats. has_aux: f returns (result, aux).
    Result: (result, function[, aux]). The function takes a cotangent built like the result and
    gives a tuple built like primals; it may be called again.
    Raises: TypeError where a primal is no float; ValueError for a wrong cotangent or tangent.

    >>> y, pull = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> y, pull(np.array([1.0, 10.0]))
    (Tensor([1., 4.]), (Tensor([ 2., 40.]),))
    """
    return _vjp("vjp", f, primals, has_aux)


def jvp(f: Function, primals: Tree, tangents: Tree, has_aux: bool = False) -> tuple[Any, ...]:
    """The result of f at the primals, and how it changes along the tangents: ∂f/∂primals · v.

    primals, tangents: tuples of trees of floats, the arguments of f, built alike. has_aux, Raises:
    as for `vjp`. Result: (result, tangent[, aux]), the tangent built like the result.
    A double vjp: as the vjp u -> uᵀ J is linear in u, its own vjp by u is v -> J v.
    Source: Townsend (2017), A new trick for calculating Jacobian vector products.

    >>> jvp(lambda x: x * x, (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    (Tensor([1., 4.]), Tensor([ 2., 40.]))
    """
    result, pull, *aux = _vjp("jvp", f, _arguments("jvp", primals, tangents), has_aux)
    zeros = rebuilt(result, [_zeros(y.shape, y) for y in values_of(result).values()])
    _, push = _vjp("jvp", pull, (zeros,))
    return result, *push(tangents), *aux


def jacobian(f: Function, argnums: Argnums = 0) -> Function:
    """The function that gives all derivatives of f's results: one walk back for each entry.

    f, argnums, Raises: as for `grad`, but f's result is any tree. Result: built like f's, with a
    tree like the argument for each array, of arrays of shape result.shape + argument.shape.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]])
    """

    @wraps(f)
    def derivatives(*args: Any, **kwargs: Any) -> Any:
        inputs, result, _ = _run("jacobian", f, argnums, args, kwargs, False)
        xs, ys = values_of(inputs).values(), values_of(result).values()
        record = _alive(ys)
        return rebuilt(result, [rebuilt(inputs, _jacobians(y, xs, record)) for y in ys])

    return derivatives


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """The function that gives all second derivatives of f's results: the Jacobian's Jacobian.

    f, argnums, Raises: as for `jacobian`. Result: built like f's, with a tree of trees like the
    argument for each array, of arrays of shape result.shape + argument.shape + argument.shape.

    >>> hessian(lambda x: x[0] * x[1] ** 2)(np.array([2.0, 3.0]))
    Tensor([[0., 6.],
            [6., 4.]])
    """
    return jacobian(jacobian(f, argnums), argnums)


def hvp(f: Function, primals: Tree, tangents: Tree) -> Tree:
    """The product of f's Hessian by all primals with the tangents; the Hessian is never made.

    f, Raises: as for `grad`. primals, tangents, result: tuples like f's arguments, built alike.
    Equation: H v = ∂(vᵀ ∂f/∂x)/∂x, as H is symmetric: a walk back through a walk back.

    >>> hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    (Tensor([  6., 120.]),)
    """
    arguments = _arguments("hvp", primals, tangents)
    _, pull = _vjp("hvp", grad(f, range(len(arguments))), arguments)
    return pull(tangents)


def _gradient(name: str, f: Function, argnums: Argnums, has_aux: bool, given: Any) -> Function:
    """The function that gives `given(result, gradient, aux or None)`."""

    @wraps(f)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        inputs, y, aux = _run(name, f, argnums, args, kwargs, has_aux)
        if not isinstance(y, Tensor) or y.shape:
            came = f"shape {y.shape}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
            raise (ValueError if isinstance(y, Tensor) else TypeError)(
                f"{name}: f returned {came}, but only one number, of shape (), has a gradient; "
                "use sum(), or jacobian or vjp; has_aux=True allows (number, aux)"
            )
        slopes = _pulled([y], [None], values_of(inputs).values(), _alive([y]))
        return given(_released(y), rebuilt(inputs, slopes), _released(aux))

    return transformed


def _vjp(name: str, f: Function, primals: Tree, has_aux: bool = False) -> tuple[Any, ...]:
    inputs, result, aux = _run(name, f, range(len(primals)), primals, {}, has_aux)
    xs, ys = values_of(inputs).values(), values_of(result)

    def pull(cotangent: Tree) -> Tree:
        gs = _matched(name, "cotangent", cotangent, "result", ys)
        record = _alive([*ys.values(), *gs])
        return rebuilt(inputs, _pulled(ys.values(), gs, xs, record))

    given = (_released(result), pull)
    return (*given, _released(aux)) if has_aux else given


def _pulled(ys: Tensors, cotangents: Any, xs: Tensors, record: bool) -> list[Tensor]:
    """The gradients of sum(cotangents * ys) by the xs; 0 where none arrives."""
    pairs = [(y, g) for y, g in zip(ys, cotangents, strict=True) if y.requires_grad]
    recorded, gs = [y for y, _ in pairs], [g for _, g in pairs]
    found = gradients.grad(recorded, list(xs), gs, create_graph=record, allow_unused=True)
    return [_zeros(x.shape, x) if g is None else g for x, g in zip(xs, found, strict=True)]


def _zeros(shape: tuple[int, ...], x: Tensor) -> Tensor:
    return leaf(np.zeros(shape, x.dtype if x.dtype.kind == "f" else float))


def _jacobians(y: Tensor, xs: Tensors, record: bool) -> list[Tensor]:
    """For each x all derivatives of y by it."""
    places = np.arange(y.size).reshape(y.shape)
    rows = [_pulled([y], [places == k], xs, record) for k in range(y.size)]
    if not rows:
        return [_zeros(y.shape + x.shape, x) for x in xs]
    columns = zip(xs, zip(*rows, strict=True), strict=True)
    return [stack(parts).reshape(y.shape + x.shape) for x, parts in columns]


def _run(name: str, f: Function, argnums: Argnums, args: Any, kwargs: Any, has_aux: bool) -> Any:
    """Recorded copies of the chosen arguments, f's result for them in Tensors, and aux or None."""
    chosen = _chosen(name, argnums, len(args))
    values = {place: x for k in chosen for place, x in values_of(args[k], f"argument {k}").items()}
    roots = [_root(f"{name}: {place}", x) for place, x in values.items()]
    own = [root for root, x in zip(roots, values.values(), strict=True) if root is not x]
    token = mode.set(Mode(True, mode.get().scope, mode.get().watch))
    try:
        copies, trees = [positive(root) for root in roots], tuple([args[k] for k in chosen])
        inputs, given = rebuilt(trees, copies), rebuilt(trees, copies)  # f may write its own
        placed = dict(zip(chosen, given, strict=True))
        result = f(*[placed.get(k, x) for k, x in enumerate(args)], **kwargs)
    finally:
        mode.reset(token)
        for root in own:
            root.requires_grad = False
    if has_aux and not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(f"{name}: f returned no (result, aux), as has_aux=True needs")
    result, aux = result if has_aux else (result, None)
    tensors = [_tensor(f"{name}: f's result{place}", y) for place, y in values_of(result).items()]
    inputs = inputs if isinstance(argnums, Sequence) else inputs[0]
    return inputs, rebuilt(result, tensors), aux


def _chosen(name: str, argnums: Argnums, count: int) -> list[int]:
    """The places of the chosen arguments, counted from the front."""
    several = argnums if isinstance(argnums, Sequence) else [argnums]
    if any(not -count <= k < count for k in several):
        raise IndexError(f"{name}: argnums is {argnums}, but f got {count} arguments by position")
    chosen = [k % count for k in several]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"{name}: argnums is {argnums}; name each argument once")
    return chosen


def _root(where: str, x: Any) -> Tensor:
    """What a copy of x is made from: x itself if it is to stay tied to x, else a new leaf."""
    tensor = _tensor(where, x)
    if tensor.dtype.kind != "f":
        raise TypeError(f"{where} has dtype {tensor.dtype}, but only floats have gradients")
    if tensor.requires_grad and mode.get().recording:
        return tensor
    root = leaf(tensor.data)
    root.requires_grad = True
    return root


def _tensor(where: str, x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(numeric(np.asarray(x), where))


def _alive(tensors: Iterable[Tensor]) -> bool:
    """Whether gradients can flow on: we are recording, and some leaf requires one."""
    return mode.get().recording and any(x.is_leaf and x.requires_grad for x in tape(*tensors))


def _released(tree: Tree) -> Tree:
    """The tree, its Tensors cut off from their graph unless that is alive."""
    values = values_of(tree).values()
    if _alive(x for x in values if isinstance(x, Tensor)):
        return tree
    return rebuilt(tree, [x.detach() if isinstance(x, Tensor) else x for x in values])


def _matched(name: str, what: str, tree: Tree, other: str, model: dict[str, Any]) -> list[Tensor]:
    """The tree's values as Tensors, each at the place and with the shape of one in the model."""
    values = values_of(tree)
    if values.keys() != model.keys():
        has, needs = (", ".join(place or "itself" for place in x) for x in (values, model))
        raise ValueError(f"{name}: {what} must be built like {other}: has {has}; needs {needs}")
    tensors = {place: _tensor(f"{name}: {what}{place}", x) for place, x in values.items()}
    for place, x in model.items():
        if (came := tensors[place].shape) != np.shape(x):
            raise ValueError(f"{name}: {what}{place} has shape {came}; it must be {np.shape(x)}")
    return [tensors[place] for place in model]


def _arguments(name: str, primals: Tree, tangents: Tree) -> tuple[Tree, ...]:
    """The primals, once the tangents are known to fit."""
    if not isinstance(primals, (tuple, list)):
        raise TypeError(f"{name}: primals is a {type(primals).__name__}; give a tuple of arguments")
    _matched(name, "tangents", tangents, "primals", values_of(primals))
    return tuple(primals)
