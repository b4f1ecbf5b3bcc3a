"""Every public name says what it is, shows how it is used, and refuses what makes no sense."""

from __future__ import annotations

import inspect
import re
import warnings
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import tinygrad_rnn as tg

from .found import assert_complete, package_modules
from .names import (
    ERRORS,
    FORMULAS,
    INNER,
    KINDS,
    RECORDS,
    REFUSES,
    SHOWN_BY,
    arguments_of,
    required_of,
    said_of,
)

FINE = (TypeError, ValueError, IndexError, RuntimeError, FileNotFoundError, ModuleNotFoundError)
every_name = pytest.mark.parametrize("name", KINDS)


class Odd:
    """What nobody takes."""

    def __repr__(self) -> str:
        return "<odd>"


@every_name
def test_a_name_says_what_it_is(name: str) -> None:
    """Its docstring, which is its own, begins with a sentence."""
    value = KINDS[name]
    own = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    first = re.split(r"\n\s*\n", inspect.cleandoc(own or ""))[0]
    generated = getattr(value, "__name__", "") + "("
    assert re.search(r"[.:](\s|$)", first), f"{name} wants a docstring that begins with a sentence"
    assert not first.startswith(generated), f"{name} wants a docstring of its own"


@pytest.mark.parametrize("name", sorted(KINDS.keys() - RECORDS))
def test_a_name_tells_its_arguments(name: str) -> None:
    """All behind the first are named in its docstring, its module's, or where it refers to."""
    words = set(re.findall(r"\w+", said_of(name)))
    missing = [argument for argument in arguments_of(KINDS[name]) if argument not in words]
    assert not missing, f"the docstring of {name} does not tell what {', '.join(missing)} is"


@every_name
def test_a_name_has_an_example(name: str) -> None:
    """Of its own, in a method, or where the table says."""
    value = KINDS[name]
    docs = [inspect.getdoc(value) or ""]
    if inspect.isclass(value):
        docs += [inspect.getdoc(f) or "" for f in vars(value).values() if inspect.isfunction(f)]
    shown = any(">>>" in doc for doc in docs)
    assert shown or name in SHOWN_BY, (
        f"{name} has no example (>>>): give it one, or say in SHOWN_BY of tests/tables/names.py "
        "where there is one"
    )
    assert not (shown and name in SHOWN_BY), f"{name} has an example: take it out of SHOWN_BY"


@pytest.mark.parametrize("place", sorted(set(SHOWN_BY.values())))
def test_examples_are_where_they_are_said_to_be(place: str) -> None:
    """In a file, or in the docstring of a name or of a module."""
    if "/" in place or place.endswith(".md"):
        assert (Path(tg.__file__).parents[1] / place).is_file()
        return
    assert ">>>" in str(attrgetter(place)(tg).__doc__)


def test_tables_are_of_names_that_there_are() -> None:
    """And none is in two of them."""
    for table, names in (("SHOWN_BY", SHOWN_BY), ("REFUSES", REFUSES), ("INNER", INNER)):
        where = f"{table} of tests/tables/names.py"
        assert_complete(where, names, set(names) & set(KINDS), "a name that there is")


def tried(value: Any, bad: Any) -> bool:
    """Whether a callable takes a bad value for all that it must have."""
    count, names = required_of(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = value(*[bad] * count, **dict.fromkeys(names, bad))
            list(result if inspect.isgenerator(result) else ())
        except FINE:
            return False
        except Exception as error:
            raise AssertionError(
                f"{getattr(value, '__name__', value)} given {bad!r} ends in {error!r}: let it look "
                "at what it is given, and refuse it with a TypeError or ValueError that says why"
            ) from error
        return True


CHECKED = [name for name in KINDS.keys() - ERRORS - RECORDS - INNER if FORMULAS not in name]


@pytest.mark.parametrize("name", sorted(CHECKED))
def test_a_name_refuses_what_makes_no_sense(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object, None and a text for all arguments; or, where some of it is taken, a bad call.

    By an error that tells of the call, none from the inside such as AttributeError.
    """
    monkeypatch.chdir(Path(__file__).parent)  # where no file has such a name
    taken = [tried(KINDS[name], bad) for bad in (Odd(), None, "text")]
    assert not taken[0] or name in REFUSES, (
        f"{name} takes any object: REFUSES of tests/tables/names.py wants a row for it, a call "
        "that it refuses"
    )
    if name in REFUSES:
        with pytest.raises(FINE):
            REFUSES[name]()


def _defined(module: Any) -> set[str]:
    """The functions and classes that a module makes itself and does not keep to itself."""
    return {
        name
        for name, x in vars(module).items()
        if (inspect.isfunction(x) or inspect.isclass(x))
        and x.__module__ == module.__name__
        and not name.startswith("_")
    }


@pytest.mark.parametrize("path", ["nn.init", "nn.utils", "optim.lr_scheduler", "manual.kronecker"])
def test_modules_of_functions_leave_out_nothing(path: str) -> None:
    """What is in no `__all__` begins with _, so that the tables find all the rest."""
    module = attrgetter(path)(tg)
    assert_complete(f"__all__ of {path}", _defined(module), module.__all__, "its name")


def test_public_names_are_there_once() -> None:
    """Each `__all__` names what there is, and nothing twice."""
    for module in package_modules():
        names = getattr(module, "__all__", ())
        assert all(hasattr(module, name) for name in names), module.__name__
        assert len(set(names)) == len(names), module.__name__
