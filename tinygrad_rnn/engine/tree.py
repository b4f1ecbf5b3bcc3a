"""Trees of values: one value; or a tuple, list or dict of trees; or None, which holds nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Tree = Any
BRANCHES = (tuple, list, dict)


def values_of(tree: Tree, place: str = "") -> dict[str, Any]:
    """All that a tree holds, by place.

    >>> values_of({"a": 1, "b": (2, None)})
    {"['a']": 1, "['b'][0]": 2}
    """
    if not isinstance(tree, BRANCHES):
        return {} if tree is None else {place: tree}
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
    several = [values_of(part, f"{place}[{key!r}]") for key, part in parts]
    return {where: x for values in several for where, x in values.items()}


def rebuilt(tree: Tree, values: Iterable[Any]) -> Tree:
    """A tree that is built alike and holds other values, in the order of `values_of`.

    >>> rebuilt({"a": 1, "b": (2, None)}, [3, 4])
    {'a': 3, 'b': (4, None)}
    """
    values = iter(values)
    if not isinstance(tree, BRANCHES):
        return None if tree is None else next(values)
    new = [rebuilt(part, values) for part in (tree.values() if isinstance(tree, dict) else tree)]
    if isinstance(tree, dict):
        return tree | dict(zip(tree, new, strict=True))
    return tuple.__new__(type(tree), new) if isinstance(tree, tuple) else new
