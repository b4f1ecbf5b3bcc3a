"""The pass spelled out entry by entry, for tiny sizes.

The ops run on arrays whose entries are sums and products of names: NumPy adds and multiplies them
as it does numbers. A sum stays a sum when it is multiplied, so that (1 - h²) is not torn apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ops.op import Array
from ..ops.shape import cast
from .expressions.expression import Call, Expression, Quantity, Symbol, parts
from .inline import blocks
from .names import Names
from .steps import Add, Assign, Statement, Steps, Zero

MOST_LINES = 300
BEFORE = 10**9  # more than all names
LONGEST_TERM = 20  # characters of a gradient that stands in another's formula


@dataclass(frozen=True)
class Atom:
    """What is not taken apart: a name, a sum in parentheses, a function of an entry.

    rank: what stands first in a product: parameters, then what was named last. value: the number
    that it is. argument: of an exponential what it is one of.
    """

    text: str
    rank: int
    value: float
    argument: Entry | None = None

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and self.text == other.text


Monomial = tuple[tuple[Atom, int], ...]  # atoms with their powers, in order


class Entry:
    """A sum of products of atoms: {monomial: coefficient}."""

    __slots__ = ("terms",)

    def __init__(self, terms: dict[Monomial, float]) -> None:
        self.terms = {monomial: c for monomial, c in terms.items() if c}

    @property
    def value(self) -> float:
        """The number that it is."""
        return math.fsum(c * _value(monomial) for monomial, c in self.terms.items())

    def __add__(self, other: Any) -> Entry:
        terms = dict(self.terms)
        for monomial, c in entry(other).terms.items():
            terms[monomial] = terms.get(monomial, 0) + c
        return Entry(terms)

    def __neg__(self) -> Entry:
        return Entry({monomial: -c for monomial, c in self.terms.items()})

    def __sub__(self, other: Any) -> Entry:
        return self + -entry(other)

    def __mul__(self, other: Any) -> Entry:
        a, b = self, entry(other)
        for number, x in ((a, b), (b, a)):
            if set(number.terms) <= {()}:
                return Entry({m: number.terms.get((), 0) * c for m, c in x.terms.items()})
        (m, c), (n, d) = a.single(), b.single()
        return Entry({_product(m, n): c * d})

    def __truediv__(self, other: Any) -> Entry:
        monomial, c = entry(other).single()
        inverse = tuple((atom, -power) for atom, power in monomial)
        return self * Entry({inverse: 1 / c})

    def __pow__(self, power: Any) -> Entry:
        if isinstance(power, Entry) and set(power.terms) <= {()}:
            power = power.terms.get((), 0)
        if not isinstance(power, Entry) and power == int(power):
            monomial, c = self.single()
            raised = tuple((atom, k * int(power)) for atom, k in monomial if power)
            return Entry({raised: c ** int(power)})
        return self._function("power", lambda x: x ** float(entry(power).value), f", {power}")

    def __radd__(self, other: Any) -> Entry:
        return entry(other) + self

    def __rsub__(self, other: Any) -> Entry:
        return entry(other) - self

    def __rmul__(self, other: Any) -> Entry:
        return entry(other) * self

    def __rtruediv__(self, other: Any) -> Entry:
        return entry(other) / self

    def __pos__(self) -> Entry:
        return self

    def __abs__(self) -> Entry:
        return self if self.value >= 0 else -self

    def __lt__(self, other: Any) -> bool:
        return self.value < entry(other).value

    def __le__(self, other: Any) -> bool:
        return self.value <= entry(other).value

    def __gt__(self, other: Any) -> bool:
        return self.value > entry(other).value

    def __ge__(self, other: Any) -> bool:
        return self.value >= entry(other).value

    def __eq__(self, other: object) -> bool:
        return self.value == entry(other).value

    def __hash__(self) -> int:
        return hash(str(self))

    def single(self) -> tuple[Monomial, float]:
        """The entry as one product: a sum is its common factor times an atom."""
        if len(self.terms) == 1:
            return next(iter(self.terms.items()))
        if not self.terms:
            return (), 0.0
        common = _common(list(self.terms))
        inverse = tuple((atom, -power) for atom, power in common)
        rest = Entry({_product(m, inverse): c for m, c in self.terms.items()})
        rank = min(atom.rank for monomial in rest.terms for atom, _ in monomial)
        return _product(common, ((Atom(f"({rest})", rank, rest.value), 1),)), 1.0

    def exp(self) -> Entry:
        """The exponential: of a sum the product of those of its terms."""
        result = entry(1.0)
        for monomial, c in self.terms.items():
            if not monomial:
                result = result * math.exp(c)
                continue
            whole = c == int(c)
            argument = Entry({monomial: 1.0 if whole else c})
            atom = Atom(f"exp({argument})", 1, math.exp(argument.value), argument)
            result = result * Entry({((atom, int(c) if whole else 1),): 1.0})
        return result

    def log(self) -> Entry:
        """The logarithm: of a product the sum of those of its factors."""
        monomial, c = self.single()
        if c <= 0 or any(atom.value <= 0 for atom, _ in monomial):
            return self._function("log", math.log)
        result = entry(math.log(c))
        for atom, power in monomial:
            one = Entry(
                {((Atom(f"log({_bare(atom.text)})", atom.rank, math.log(atom.value)), 1),): 1}
            )
            result = result + (atom.argument or one) * power
        return result

    def _function(self, name: str, f: Callable[[float], float], more: str = "") -> Entry:
        atom = Atom(f"{name}({self}{more})", 1, f(self.value))
        return Entry({((atom, 1),): 1.0})

    def __str__(self) -> str:
        terms = list(self.terms.items())
        first = next((k for k, (_, c) in enumerate(terms) if c > 0), 0)  # better than a minus
        ordered = [*terms[first : first + 1], *terms[:first], *terms[first + 1 :]]
        text = " + ".join(_written(m, c) for m, c in ordered) or "0"
        return text.replace("+ -", "- ")


def _functions() -> Iterator[tuple[str, Callable[[float], float]]]:
    """NumPy calls a method of this name for each entry of an array of objects."""
    for name in ("sqrt", "tanh", "sinh", "cosh", "sin", "cos", "tan", "log1p", "expm1"):
        yield name, getattr(math, name)
    for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh"):
        yield f"arc{name}", getattr(math, f"a{name}")


for _name, _f in _functions():
    setattr(Entry, _name, lambda self, name=_name, f=_f: self._function(name, f))


def entry(x: Any) -> Entry:
    """A number as an entry."""
    return x if isinstance(x, Entry) else Entry({(): float(x)})


def _value(monomial: Monomial) -> float:
    return math.prod(atom.value**power for atom, power in monomial)


def _product(m: Monomial, n: Monomial) -> Monomial:
    powers: dict[Atom, int] = dict(m)
    for atom, power in n:
        powers[atom] = powers.get(atom, 0) + power
    kept = [(atom, power) for atom, power in powers.items() if power]
    return tuple(sorted(kept, key=lambda pair: (pair[0].rank, pair[0].text)))


def _common(monomials: list[Monomial]) -> Monomial:
    """What divides all of them and leaves no atom below a line."""
    atoms = sorted({atom for m in monomials for atom, _ in m}, key=lambda atom: atom.text)
    powers = [(atom, min(dict(m).get(atom, 0) for m in monomials)) for atom in atoms]
    return tuple((atom, power) for atom, power in powers if power)


def _written(monomial: Monomial, c: float) -> str:
    """A product as text: what has a negative power stands below the line."""
    above = [_raised(atom, power) for atom, power in monomial if power > 0]
    below = [_raised(atom, -power) for atom, power in monomial if power < 0]
    sign = "-" if c < 0 else ""
    number = f"{abs(c):.6g}"
    text = " ".join([*([number] if number != "1" or not above else []), *above])
    if len(above) == 1 and not below and number == "1":
        text = _bare(text) if not sign else text
    under = below[0] if len(below) == 1 else f"({' '.join(below)})"
    return f"{sign}{text} / {under}" if below else f"{sign}{text}"


def _raised(atom: Atom, power: int) -> str:
    return atom.text if power == 1 else f"{atom.text}^{power}"


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text


# The statements, entry by entry


def spelled_out(steps: Steps, names: Names) -> str:
    """Each entry of each quantity in a line; forward, then the gradients."""
    return "\n".join(Spelled(steps, names).lines())


class Spelled:
    """A pass on arrays of entries. arrays: what each quantity is, as far as the lines have come."""

    def __init__(self, steps: Steps, names: Names) -> None:
        self.steps, self.names = steps, names
        self.arrays: dict[Quantity, Array] = {}
        self.named = 0
        self.texts: dict[str, tuple[Quantity, tuple[int, ...]]] = {}  # whose name each one is
        added = [s for block in blocks(steps) for s in block if isinstance(s, Add)]
        self.waiting = Counter(s.target.quantity for s in added)  # terms that are still to come
        for quantity, x in steps.parameters.items():
            self.arrays[quantity] = self._named(quantity, x.data)
        for quantity, array in steps.inputs.items():
            named = array.dtype.kind == "f"
            self.arrays[quantity] = self._named(quantity, array) if named else array

    def lines(self) -> Iterator[str]:
        """The lines: each entry once, when it is complete."""
        yield from self._block(self.steps.forward)
        yield from self._block(self.steps.backward)

    def _block(self, statements: list[Statement]) -> Iterator[str]:
        for statement in statements:
            if isinstance(statement, (Assign, Add, Zero)):
                yield from self._statement(statement)

    def _statement(self, statement: Assign | Add | Zero) -> Iterator[str]:
        quantity = statement.target.quantity
        if isinstance(statement, Zero):
            self.arrays[quantity] = np.zeros(quantity.shape, object)
            return
        value = self.evaluated(statement.value)
        if isinstance(statement, Add):
            value = np.asarray(self.arrays[quantity] + value, object)
            self.waiting[quantity] -= 1
        if quantity.dtype.kind != "f" or self.waiting[quantity]:
            self.arrays[quantity] = value
            return
        value = np.broadcast_to(value, quantity.shape)
        self.arrays[quantity] = self._abbreviated(quantity, value)
        for place, x in np.ndenumerate(value):
            yield f"{self._name(quantity, place)} = {entry(x)}"

    def _abbreviated(self, quantity: Quantity, value: Array) -> Array:
        """The entries as they stand in later formulas: values by their names, short gradients."""
        named = self._named(quantity, np.vectorize(lambda x: entry(x).value, otypes=[float])(value))
        if quantity.of is None:
            return named
        long = np.vectorize(lambda x: len(str(entry(x))) > LONGEST_TERM, otypes=[bool])(value)
        return np.asarray(np.where(long, named, value), object)

    def evaluated(self, expression: Expression) -> Array:
        """The expression on arrays of entries."""
        done: dict[int, Any] = {}
        for x in parts(expression):
            if isinstance(x, Symbol):
                done[id(x)] = self.arrays[x.quantity]
            elif isinstance(x, Call):
                done[id(x)] = _applied(x, [done[id(y)] for y in x.inputs])
            else:
                done[id(x)] = x
        return np.asarray(done[id(expression)], object)

    def _named(self, quantity: Quantity, array: Array) -> Array:
        """An array of entries that are names."""
        self.named += 1
        rank = -BEFORE if quantity.kind == "parameter" else -self.named
        found = np.empty(array.shape, object)
        for place, value in np.ndenumerate(array):
            atom = Atom(self._name(quantity, place), rank, float(value))
            found[place] = Entry({((atom, 1),): 1.0})
        return found

    def _name(self, quantity: Quantity, place: tuple[int, ...]) -> str:
        """An entry's name: w_12 of W, h_2 of a column h, dL/dw_12 of its gradient."""
        if quantity.of is not None:
            return f"dL/d{self._name(quantity.of, place)}"
        name = self.names.of(quantity)
        name = name.lower() if len(name) == 1 else name
        sized = [(k + 1, n) for k, n in zip(place, quantity.shape, strict=True) if n > 1]
        joint = "" if all(n < 10 for _, n in sized) else ","
        index = joint.join(str(k) for k, _ in sized) or ("1" if place else "")
        text = f"{name}_{index}" if index else name
        while self.texts.setdefault(text, (quantity, place)) != (quantity, place):
            text += "'"  # W and w, or h_1 and the first entry of h
        return text


def _applied(call: Call, inputs: list[Any]) -> Any:
    """An op's forward function on entries. Raises: ValueError where it cannot take them."""
    if call.op is cast:
        return inputs[0]
    given = [np.asarray(x) if type(x) in (int, float) else x for x in inputs]
    try:
        return np.asarray(call.op.forward(*given, **call.settings), object)
    except (TypeError, AttributeError) as error:
        raise ValueError(
            f"spell_out: {call.op.name} computes with numbers only, so its entries cannot be "
            "spelled out"
        ) from error
