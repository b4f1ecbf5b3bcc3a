"""What an operation is: a forward function and one derivative rule per input.

An `Op` is declared whole, in one place, by the decorator `op`:

    @op(elementwise=True, x=lambda g, z, x, y: g * y, y=lambda g, z, x, y: g * x)
    def multiply(x, y):
        return x * y

A rule gets the incoming gradient g, the result z, the inputs and the settings, and returns the
gradient with respect to its input. Rules are written with operators and ops, so they work on
arrays (numbers), on Tensors (a recorded backward pass) and on whatever else has `__record__`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from types import MethodType
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Rule = Callable[..., Any]


class Nested(Protocol):
    """Numbers or arrays in a list or tuple, or in such of such; to type checkers a text is none."""

    def __len__(self) -> int: ...
    def __contains__(self, x: object, /) -> bool: ...
    def __iter__(self) -> Iterator[Numbers]: ...
    def __reversed__(self) -> Iterator[Numbers]: ...


Numbers = Array | np.generic | float | Nested  # what becomes an array; a Tensor is none of these


class Op:
    """An operation: `forward(*inputs, **settings)` and, by input name, its `rules`.

    name: the forward function's, without underscores around it.
    inputs: names of the positional arguments, which carry arrays.
    settings: names of the keyword arguments, which are small and hashable.
    edges: for each input its derivative rule, None where it has none.
    differentiable: whether any input has one.
    elementwise: inputs broadcast against each other, entry by entry.
    small: takes one input or two, and nothing else.
    variadic: takes one sequence of arrays; its one rule returns the gradients of all of them.
    is_part: takes a part of its first input x. Its only rule is for all parts of one x together,
    `(gradients, x, indices) -> gradient of x`, since one array of zeros can hold them all.

    Where rules give `Term`s:
    join: `(terms) -> term`, one call instead of many; an op that is in Terms has it.
    turn: `(term) -> term`, the transpose of what the term gives.
    passes: `(terms, **settings) -> terms` hands what waits for the result on to its only input,
    not called yet; None where it cannot.
    decomposition: the same function written in simpler ops, for a Program, which can share their
    results and compute them into buffers; None where the op is simple itself.
    """

    # What is looked at for each node is in slots, which are several times faster than a dict.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_plain_count",
        "differentiable",
        "edges",
        "forward",
        "is_part",
        "small",
        "variadic",
    )

    def __init__(
        self,
        forward: Callable[..., Any],
        rules: dict[str, Rule],
        *,
        elementwise: bool = False,
        passes: Callable[..., list[Term] | None] | None = None,
        join: Callable[[list[Term]], Term] | None = None,
        turn: Callable[[Term], Term] | None = None,
        is_part: bool = False,
        decomposition: Callable[..., Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, forward)
        signature = inspect.signature(forward)
        parameters = signature.parameters.values()
        self.name = forward.__name__.strip("_")
        self.forward = forward
        self.inputs = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.settings = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        rest = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]  # as in *xs
        self.variadic = bool(rest and rest[0] in rules)
        if self.settings or self.variadic:
            self.__signature__ = _as_called(signature, self.variadic)
        self.elementwise = elementwise
        self.passes = passes
        self.join: Any = join
        self.turn: Any = turn
        self.is_part = is_part
        self.decomposition: Any = decomposition
        self.edges: tuple[Any, ...] = tuple(rules.get(name) for name in self.inputs)
        self.differentiable = any(self.edges)
        self._open = bool(rest) and not self.variadic
        self._plain_count = -1 if rest or self.settings else len(self.inputs)
        self.small = 1 <= self._plain_count <= 2
        self._names = frozenset(self.settings)
        self._defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        self._usual = {n: self._defaults[n] for n in self.settings if n in self._defaults}
        for name in rules:
            if name not in self.inputs:
                raise TypeError(f"{self.name}: rule for {name!r}, but the inputs are {self.inputs}")

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """The result; recorded where an input asks for it by `__record__`."""
        if settings or len(inputs) != self._plain_count:
            inputs, settings = self._bind(inputs, settings)
        return self.apply(inputs, settings)

    def apply(self, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """The same with every input at its place and every setting given."""
        for x in inputs:
            if type(x) is not np.ndarray:
                record = getattr(x, "__record__", None)
                if record is not None:
                    return record(self, inputs, settings)
                if type(x) is list or type(x) is tuple:
                    inputs = tuple([np.asarray(y) if type(y) is type(x) else y for y in inputs])
        try:
            return self.forward(*inputs, **settings) if settings else self.forward(*inputs)
        except (TypeError, ValueError, IndexError) as error:
            raise self.explain(error, inputs) from error

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a class attribute, an op is a method of its first input."""
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<op {self.name}({', '.join((*self.inputs, *self.settings))})>"

    def explain(self, error: Exception, inputs: Iterable[Any]) -> Exception:
        """The error again, with the op's name and what it was given."""
        if str(error).startswith(f"{self.name}: "):
            return error
        given = ", ".join(
            f"{name}: {describe(x)}" for name, x in zip(self.each_input(), inputs, strict=False)
        )
        kinds = (np.exceptions.AxisError, IndexError, ValueError, TypeError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), RuntimeError)
        return kind(f"{self.name}: {error} (given {given})")

    def _bind(
        self, inputs: tuple[Any, ...], settings: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Every input at its place and every setting by its name, as the rules expect them."""
        if len(inputs) == len(self.inputs) or self._open:
            if len(settings) < len(self._names):
                settings = {**self._usual, **settings}
            if settings.keys() == self._names:
                return (self._several(inputs[0]) if self.variadic else inputs), settings
        names = (*self.inputs, *self.settings)
        placed = dict(zip(names, inputs, strict=False))
        given = {**self._defaults, **placed, **settings}
        wrong = [name for name in settings if name in placed or name not in names]
        missing = [name for name in names if name not in given]
        if wrong or missing or len(inputs) > len(names):
            problem = f"no argument {wrong[0]!r}" if wrong else f"not {len(inputs)} arguments"
            raise TypeError(
                f"{self.name}: takes {', '.join(names)} and returns a new result; {problem}"
            )
        bound = tuple([given.pop(name) for name in self.inputs])
        return (self._several(bound[0]) if self.variadic else bound), given

    def _several(self, xs: Iterable[Any]) -> tuple[Any, ...]:
        inputs = tuple(xs)
        if not inputs:
            raise ValueError(f"{self.name}: there are no arrays; give at least one")
        return inputs

    def each_input(self) -> Iterable[str]:
        """The names of the inputs, `xs[0]`, `xs[1]`, ... of a variadic op."""
        if self.variadic:
            return (f"{self.inputs[0]}[{k}]" for k in range(1_000_000))
        return self.inputs


def _as_called(forward: inspect.Signature, variadic: bool) -> inspect.Signature:
    """How an op is called: settings by place too, and one sequence where forward takes several."""
    parameters = [
        p.replace(kind=p.POSITIONAL_OR_KEYWORD)
        if p.kind is p.KEYWORD_ONLY or (variadic and p.kind is p.VAR_POSITIONAL)
        else p
        for p in forward.parameters.values()
    ]
    return forward.replace(parameters=parameters)


def array(x: Any) -> Any:
    """A list, a tuple or a number as the array that NumPy makes of it; anything else as it is.

    >>> array([1.0, 2.0])
    array([1., 2.])
    """
    return x if hasattr(x, "shape") else np.asarray(x)


Function = TypeVar("Function", bound=Callable[..., Any])


def composed(arrays: int = 1) -> Callable[[Function], Function]:
    """Declares a function composed of ops: its first arguments, so many, may be lists or numbers.

    >>> @composed(2)
    ... def sizes(x, y):
    ...     return x.size, y.size
    >>> sizes([1.0, 2.0], 3.0)
    (2, 1)
    """

    def declared(function: Function) -> Function:
        @functools.wraps(function)
        def with_arrays(*args: Any, **settings: Any) -> Any:
            return function(*map(array, args[:arrays]), *args[arrays:], **settings)

        return cast(Function, with_arrays)

    return declared


def describe(x: Any) -> str:
    """Shape and dtype of an array or Tensor; another value as it prints.

    >>> describe(np.zeros((2, 3)))
    '(2, 3) float64'
    """
    return f"{x.shape} {x.dtype}" if hasattr(x, "shape") else repr(x)[:60]


class Term(NamedTuple):
    """One term of a gradient's sum: a call of an op, not made yet.

    A rule returns a Term where many terms are cheaper added together than one by one: the
    products of T time steps are one product of stacked operands. `op.join` makes one of many.
    """

    op: Op
    inputs: tuple[Any, ...]
    settings: dict[str, Any]

    def __call__(self) -> Any:
        """The term's value: the call made now."""
        return self.op.apply(self.inputs, self.settings)


def op(
    *,
    elementwise: bool = False,
    passes: Callable[..., list[Term] | None] | None = None,
    join: Callable[[list[Term]], Term] | None = None,
    turn: Callable[[Term], Term] | None = None,
    is_part: bool = False,
    decomposition: Callable[..., Any] | None = None,
    **rules: Rule,
) -> Callable[[Callable[..., Any]], Op]:
    """Declares an op: decorates its forward function; `rules` are given by input name.

    Raises: TypeError where a rule names no input.

    >>> @op(elementwise=True, x=lambda g, z, x: g * (x + x))
    ... def double_area(x):
    ...     return x * x
    >>> double_area(3.0)
    9.0
    >>> double_area
    <op double_area(x)>
    """
    return lambda forward: Op(
        forward,
        rules,
        elementwise=elementwise,
        passes=passes,
        join=join,
        turn=turn,
        is_part=is_part,
        decomposition=decomposition,
    )
