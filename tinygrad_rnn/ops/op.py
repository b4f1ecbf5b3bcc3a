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
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import MethodType
from typing import Any, Protocol, TypeVar, cast

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Rule = Callable[..., Any]
Sent = Sequence[tuple[int, Any]]  # the place of an input, and an array or a Term for it
Door = Callable[[tuple[Any, ...], Sequence[bool], dict[str, Any]], Sent]


class Nested(Protocol):
    """Numbers or arrays in a list or tuple, or in such of such; to type checkers a text is none."""

    def __len__(self) -> int: ...
    def __contains__(self, x: object, /) -> bool: ...
    def __iter__(self) -> Iterator[Numbers]: ...
    def __reversed__(self) -> Iterator[Numbers]: ...


Numbers = Array | np.generic | float | Nested  # what becomes an array; a Tensor is none of these


class Op:
    """An operation: `forward(*inputs, **settings)` and, for each input, a rule or None.

    name: the forward function's, without underscores around it.
    inputs: names of the positional arguments, which carry arrays.
    settings: names of the keyword arguments, which are small and hashable.
    rules: for each input its derivative rule, None where it has none.
    differentiable: whether any input has one.
    elementwise: inputs broadcast against each other, entry by entry.
    open_ended: takes any number of inputs, as in *index, whose last have no rule.
    variadic: takes one sequence of arrays; its one rule returns the gradients of all of them.
    gradients: `((g, z, *inputs), needs, settings) -> [(place, gradient), ...]`, see `door`.
    decomposition: the same function written in simpler ops, for a Program, which can share their
    results and compute them into buffers; None where the op is simple itself.

    Where rules give `Term`s of this op:
    join: `(terms) -> term`, one call instead of many.
    through: {another op: `(term, **settings) -> term`}, a Term that has gone through that op and is
    one still; None where it cannot.
    """

    # What is looked at for each node is in slots, which are several times faster than a dict.
    __slots__ = (
        *("__dict__", "__weakref__", "_plain_count", "differentiable", "forward", "gradients"),
        *("rules", "through", "variadic"),
    )

    def __init__(
        self,
        forward: Callable[..., Any],
        rules: dict[str, Rule],
        elementwise: bool = False,
        join: Callable[[list[Term]], Term] | None = None,
        through: dict[Op, Callable[..., Term | None]] | None = None,
        decomposition: Callable[..., Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, forward)
        signature = inspect.signature(forward)
        parameters = signature.parameters.values()
        self.name = forward.__name__.strip("_")
        self.forward = forward
        self.inputs = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.settings = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        for name in rules.keys() - set(self.inputs):
            raise TypeError(f"{self.name}: rule for {name!r}, but the inputs are {self.inputs}")
        self.rules: tuple[Rule | None, ...] = tuple(map(rules.get, self.inputs))
        self.differentiable = any(self.rules)
        self.elementwise = elementwise
        self.join: Any = join
        self.through = through or {}
        self.decomposition: Any = decomposition
        rest = {p.name for p in parameters if p.kind is p.VAR_POSITIONAL}  # as in *xs
        self.variadic = bool(rules.keys() & rest)
        self.open_ended = bool(rest) and not self.variadic
        self.gradients = door(self)
        self.__signature__ = _as_called(signature, self.variadic)
        self._plain_count = -1 if rest or self.settings else len(self.inputs)
        self._defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        self._usual = {n: self._defaults[n] for n in self.settings if n in self._defaults}

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
            return self.forward(*inputs, **settings)
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
        given = ", ".join(f"{self.input_name(k)}: {describe(x)}" for k, x in enumerate(inputs))
        kinds = (np.exceptions.AxisError, IndexError, ValueError, TypeError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), RuntimeError)
        return kind(f"{self.name}: {error} (given {given})")

    def _bind(
        self, inputs: tuple[Any, ...], settings: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Every input at its place and every setting by its name, as the rules expect them."""
        if len(inputs) == len(self.inputs) or self.open_ended:
            if len(settings) < len(self.settings):
                settings = {**self._usual, **settings}
            if settings.keys() == set(self.settings):
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

    def input_name(self, place: int) -> str:
        """The name of the input at a place; where there can be any number `xs[0]`, `xs[1]`, ...."""
        last = len(self.inputs) - 1
        if place < last or not (self.variadic or self.open_ended):
            return self.inputs[place]
        return f"{self.inputs[last]}[{place - last}]"


def door(op: Op) -> Door:
    """How an op sends gradients back: the one place where rules are called.

    Result: `(given, needs, settings) -> [(place of an input, an array or a Term), ...]`, of the
    inputs that need a gradient and have a rule. given: g, the gradient of the result; z, the
    result; the inputs: arrays, or Tensors, of which what the rules do is recorded.
    """
    return _door_of_all(op) if op.variadic else _door_of_each(op)


def _door_of_all(op: Op) -> Door:
    (rule,) = filter(None, op.rules)

    def gradients(given: Any, needs: Any, settings: Any) -> Sent:
        found = rule(*given, **settings)
        if not hasattr(found, "__len__"):
            raise TypeError(f"{op.name}: the rule gave {found!r:.60}; it must give a list")
        if len(found) != len(needs):
            raise ValueError(
                f"{op.name}: the rule gave {len(found)} gradients for {len(needs)} inputs"
            )
        return [(k, x) for k, x in enumerate(found) if needs[k] and x is not None]

    return gradients


def _door_of_each(op: Op) -> Door:
    """Each rule called by name: a loop over them costs as much as what a small op computes.

    For multiply this is written:

        def gradients(given, needs, settings):
            g, z, x0, x1 = given
            sent = []
            if needs[0]: sent.append((0, rule_0(g, z, x0, x1)))
            if needs[1]: sent.append((1, rule_1(g, z, x0, x1)))
            return sent
    """
    names: dict[str, Any] = {f"rule_{k}": rule for k, rule in enumerate(op.rules)}
    inputs = [f"x{k}" for k in range(len(op.inputs))]
    inputs[-1:] = [f"*{x}" if op.open_ended else x for x in inputs[-1:]]
    settings = [f"{name}=settings[{name!r}]" for name in op.settings]
    calls = {
        k: f"({k}, rule_{k}({', '.join(['g', 'z', *inputs, *settings])}))"
        for k, rule in enumerate(op.rules)
        if rule is not None
    }
    lines = ["def gradients(given, needs, settings):", f" g, z, {', '.join(inputs)} = given"]
    if len(calls) == 1:
        lines += [f" return [{call}] if needs[{k}] else []" for k, call in calls.items()]
    else:
        lines += [" sent = []"]
        lines += [f" if needs[{k}]: sent.append({call})" for k, call in calls.items()]
        lines += [" return sent"]
    exec("\n".join(lines), names)
    gradients: Door = names["gradients"]
    return gradients


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


class Term:
    """One term of a gradient's sum: a call of an op, not made yet.

    A rule returns a Term where many terms are cheaper added together than one by one: the
    products of T time steps are one product of stacked operands. `op.join` makes one of many.
    Raises: TypeError where op is no Op, ValueError without inputs.
    """

    __slots__ = ("inputs", "op", "settings")

    def __init__(self, op: Op, inputs: tuple[Any, ...], settings: dict[str, Any]) -> None:
        if type(op) is not Op:
            raise TypeError(
                f"Term: op is {op!r:.60}; it must be an operation, as @tg.op makes them"
            )
        if not inputs:
            raise ValueError(f"Term: {op.name} is given no inputs; give one or more")
        self.op = op
        self.inputs = inputs
        self.settings = settings

    def __call__(self) -> Any:
        """The term's value: the call made now."""
        return self.op.apply(self.inputs, self.settings)

    @staticmethod
    def __record__(op: Op, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Another op on a Term: a Term again where it can go through, else the op on its value."""
        (term,) = inputs
        through = term.op.through.get(op)
        result = through(term, **settings) if through else None
        return op.apply((term(),), settings) if result is None else result


def op(
    *,
    elementwise: bool = False,
    join: Callable[[list[Term]], Term] | None = None,
    through: dict[Op, Callable[..., Term | None]] | None = None,
    decomposition: Callable[..., Any] | None = None,
    **rules: Rule,
) -> Callable[[Callable[..., Any]], Op]:
    """Declares an op: decorates its forward function; `rules` are given by input name.

    The other arguments are those of `Op`. Raises: TypeError where a rule names no input.

    >>> @op(elementwise=True, x=lambda g, z, x: g * (x + x))
    ... def double_area(x):
    ...     return x * x
    >>> double_area(3.0)
    9.0
    >>> double_area
    <op double_area(x)>
    """
    return lambda forward: Op(forward, rules, elementwise, join, through, decomposition)
