"""What the package has of each kind, found from `__all__`, and whether a table has a row for it.

Each kind has a table of rows in this folder, and a file of checks that every row meets. What is new
and has no row fails in a sentence that says which table wants one.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

import tinygrad_rnn as tg

VARIED = {"dtype", "rng"}  # options that the checks themselves vary


@cache
def package_modules() -> list[ModuleType]:
    """Every module of the package."""
    names = [name for _, name, _ in pkgutil.walk_packages(tg.__path__, f"{tg.__name__}.")]
    return [tg, *map(importlib.import_module, names)]


@cache
def public() -> dict[str, Any]:
    """What stands in any `__all__` and is no module, once.

    By the path that one types behind `tg.`; what no path of public modules leads to, by its bare
    name.
    """
    found = dict(_reached(tg, ""))
    known = set(map(id, found.values()))
    for module in package_modules():
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if not isinstance(value, ModuleType) and id(value) not in known:
                known.add(id(value))
                path = module.__name__.removeprefix(f"{tg.__name__}.")
                found[f"{path}.{name}" if name in found else name] = value
    return found


def _reached(module: ModuleType, path: str) -> Iterator[tuple[str, Any]]:
    """The public names of a module and of those in it, with their paths, first ones first."""
    values = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    known: set[int] = set()
    for name, value in values.items():
        if not isinstance(value, ModuleType):
            yield path + name, value
            known.add(id(value))
    for name, value in values.items():
        if isinstance(value, ModuleType):
            for inner, x in _reached(value, f"{path}{name}."):
                if id(x) not in known:
                    yield inner, x


def public_kinds(base: type[Any]) -> dict[str, type[Any]]:
    """The public classes that derive from a base, by name, the base itself left out."""
    return {
        name.rpartition(".")[2]: value
        for name, value in public().items()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    }


def hidden_kinds(base: type[Any]) -> list[str]:
    """The classes of the package that derive from a base and that no `__all__` leads to."""
    known = set(public_kinds(base).values())
    return [
        f"{module.__name__}.{name}"
        for module in package_modules()
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and issubclass(value, base)
        and not any(issubclass(one, value) for one in known)
        and value is not base
        and not name.startswith("_")
    ]


def in_code(name: str) -> Any:
    """A table that a module of `tinygrad_rnn.program` holds under this name, wherever it is."""
    for module in package_modules():
        if module.__name__.startswith(f"{tg.__name__}.program") and name in vars(module):
            return vars(module)[name]
    raise AssertionError(f"tinygrad_rnn.program has no table {name}: say here where it is")


def assert_complete(table: str, found: Iterable[str], rows: Iterable[str], row: str) -> None:
    """Each thing has a row in the table, and each row is of a thing; a sentence says which not."""
    missing, left = set(found) - set(rows), set(rows) - set(found)
    assert not missing, f"{table} wants a row for {_listed(missing)}: {row}"
    assert not left, f"{table} has a row for {_listed(left)}, which there is not: take it out"


def assert_public(base: type[Any]) -> None:
    """No class of a kind is left out of every `__all__`, where no table would find it."""
    hidden = hidden_kinds(base)
    assert not hidden, (
        f"{_listed(hidden)} is a {base.__name__}, but in no __all__: name it there, so that the "
        "tables in tests/tables/ find it, or begin its name with _"
    )


def assert_options_tried(
    table: str, name: str, callee: Any, rows: Iterable[Mapping[str, Any]], but: Iterable[str] = ()
) -> None:
    """Each option of a callee is given in some row a value other than its default."""
    options = {
        key: parameter.default
        for key, parameter in inspect.signature(callee).parameters.items()
        if parameter.default is not parameter.empty and key not in {*VARIED, *but}
    }
    given = [(key, value) for row in rows for key, value in row.items()]
    tried = {key for key, value in given if repr(value) != repr(options.get(key))}
    missing = options.keys() - tried
    assert not missing, (
        f"{table} wants a row of {name} with another value than the default for {_listed(missing)}"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
