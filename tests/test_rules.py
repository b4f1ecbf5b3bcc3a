"""The source keeps the rules of the house: what rules of derivatives may use, who imports whom."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import ops
from tinygrad_rnn.ops.op import Op

from .cases import CASES, INTERNAL, MODULES
from .tables.found import assert_complete

PACKAGE = Path(tg.__file__).parent
FLOORS = {
    "_version": 0,
    "ops": 1,
    "manual": 1,
    "data": 1,
    "engine": 2,
    "program": 3,
    "nn": 3,
    "optim": 3,
    "bptt": 3,
    "func": 3,
    "derivation": 4,
    "training": 4,
    "calculus": 5,
    "interop": 5,
    "views": 5,
    "__init__": 6,
}
LONGEST_FILE = 400  # lines
OPS = [x for module in MODULES for x in vars(module).values() if isinstance(x, Op)]
OPS = list({op.name: op for op in OPS}.values())
FORBIDDEN = {"data", "_array", "numpy", "item"}


# What a rule is made of


def parsed(module: ModuleType) -> ast.Module:
    """The source of a module as a tree."""
    return ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))


OPTIONS = inspect.signature(tg.op).parameters.keys() - {"rules"}  # of @op: what is no rule


def rules(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, str, ast.AST]]:
    """(forward function, input name, rule) for each keyword of each `@op(...)`."""
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "op":
                for keyword in decorator.keywords:
                    if keyword.arg not in OPTIONS:
                        named = isinstance(keyword.value, ast.Name)
                        rule = helpers()[keyword.value.id] if named else keyword.value
                        yield function, str(keyword.arg), rule


def parameters(function: ast.FunctionDef | ast.Lambda) -> list[str]:
    """The names of a function's parameters in order, keyword-only ones last."""
    args = function.args
    rest = [args.vararg] if args.vararg else []
    return [a.arg for a in (*args.posonlyargs, *args.args, *rest, *args.kwonlyargs)]


@cache
def helpers() -> dict[str, ast.FunctionDef]:
    """The functions of ops/ that are neither operations nor public: parts of rules."""
    return {
        function.name: function
        for module in MODULES
        for function in parsed(module).body
        if isinstance(function, ast.FunctionDef)
        and function.name not in ops.__all__
        and not any(isinstance(d, ast.Call) for d in function.decorator_list)
    }


def reached(rule: ast.AST, settings: set[str]) -> Iterator[ast.AST]:
    """The rule, and the helpers that it hands more than settings, and those that they call."""
    waiting: list[ast.AST] = [rule]
    known: set[str] = set()
    while waiting:
        part = waiting.pop()
        yield part
        for call in ast.walk(part):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                name = call.func.id
                names = {x.id for a in call.args for x in ast.walk(a) if isinstance(x, ast.Name)}
                if name in helpers() and name not in known and names - settings:
                    known.add(name)
                    waiting.append(helpers()[name])


def wrongs(part: ast.AST) -> list[str]:
    """What in a part of a rule works on arrays alone: `np.`, `.data` and the like."""
    return [
        ast.unparse(node)
        for node in ast.walk(part)
        if (isinstance(node, ast.Name) and node.id in ("np", "numpy"))
        or (isinstance(node, ast.Attribute) and node.attr in FORBIDDEN)
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_rules_work_on_anything_with_operators(module: ModuleType) -> None:
    """No rule, and no function that a rule gives arrays to, uses np., .data or ._array."""
    found = {
        f"{forward.name}.{name}: {getattr(part, 'name', 'rule')}": wrongs(part)
        for forward, name, rule in rules(parsed(module))
        for part in reached(rule, {a.arg for a in forward.args.kwonlyargs})
    }
    assert {where: wrong for where, wrong in found.items() if wrong} == {}


def test_a_rule_with_numpy_in_it_is_found() -> None:
    """The search sees what it must see: attributes and modules, in lambdas."""
    source = "@op(x=lambda g, z, x: np.exp(x.data))\ndef f(x): return x"
    ((_, name, rule),) = rules(ast.parse(source))
    assert name == "x"
    assert sorted(wrongs(rule)) == ["np", "x.data"]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_rules_take_gradient_result_inputs_and_settings_in_order(module: ModuleType) -> None:
    """Each rule is a function of (g, z, *inputs, **settings), named as in the forward function."""
    for forward, _, rule in rules(parsed(module)):
        assert isinstance(rule, (ast.Lambda, ast.FunctionDef)), forward.name
        assert parameters(rule) == ["g", "z", *parameters(forward)], forward.name


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_rules_close_over_nothing(op: Op) -> None:
    """A rule sees its arguments, and functions by name: no array is kept in it."""
    for rule in filter(None, op.rules):
        assert rule.__closure__ is None
        assert not rule.__defaults__
        seen = [rule.__globals__.get(name) for name in rule.__code__.co_names]
        assert not any(isinstance(x, np.ndarray) for x in seen)


def test_modules_of_operations_hold_no_arrays() -> None:
    """Nothing of an array's kind lies at the top of a module of ops/."""
    held = [x for module in MODULES for x in vars(module).values() if isinstance(x, np.ndarray)]
    assert held == []


# What is complete


def test_every_module_of_ops_is_looked_at() -> None:
    """The modules that these tests read are the files in ops/."""
    files = {path.stem for path in (PACKAGE / "ops").glob("*.py")} - {"__init__", "op"}
    assert {module.__name__.rpartition(".")[2] for module in MODULES} == files


def test_every_operation_has_a_row() -> None:
    """Each Op defined in ops/ is public or internal by name, and is in the table of cases."""
    names = {op.name for op in OPS}
    rows = names & {case.function for case in CASES}
    assert_complete("the table of tests/cases/", names, rows, "NumPy's answer, and its inputs")
    hidden = names - INTERNAL - set(ops.__all__)
    assert not hidden, (
        f"{', '.join(sorted(hidden))} is not in __all__ of tinygrad_rnn.ops: name it there, or, if "
        "it is of use only inside, in INTERNAL of tests/cases/"
    )


def literal(module: ModuleType) -> list[str]:
    """The names that a module writes down in `__all__` itself."""
    (written,) = [
        node.value
        for node in parsed(module).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    names: list[str] = ast.literal_eval(written)
    return names


BEHIND = {"derivation", "program", "training", "views"}  # rooms known by the names they give


def test_public_names_are_sorted_and_complete() -> None:
    """At the top, `__all__` is what is imported there and what is loaded later, in order."""
    imported = {
        alias.asname or alias.name
        for node in parsed(tg).body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    later = {*tg._LATER, *(name for names in tg._LATER.values() for name in names)}
    assert not imported & later
    assert literal(tg) == tg.__all__ == sorted(imported | later - BEHIND)
    assert literal(ops) == ops.__all__


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_operations_name_what_is_public(module: Any) -> None:
    """Each module of ops/ lists, in order, what it defines and is neither private nor internal."""
    defined = {
        node.name.rstrip("_")
        for node in parsed(module).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert module.__all__ == sorted(module.__all__)
    missing = defined - set(module.__all__) - INTERNAL - SHARED
    assert not missing, f"{', '.join(sorted(missing))} is not in __all__ of {module.__name__}"


# Between the modules of ops/.
SHARED = {"normalized_axis", "reduce_loss", "restore_axes", "sum_to", "wide"}


def test_every_function_is_public_at_the_top() -> None:
    """What ops exports, the package exports: the same objects."""
    missing = set(ops.__all__) - set(tg.__all__)
    assert not missing, f"{', '.join(sorted(missing))} is not in tinygrad_rnn/__init__.py"
    assert all(getattr(tg, name) is getattr(ops, name) for name in ops.__all__)


@pytest.mark.parametrize("name", ops.__all__)
def test_every_function_says_what_it_does(name: str) -> None:
    """Each has a docstring with an example in it."""
    assert ">>>" in str(getattr(ops, name).__doc__)


# Who imports whom

FILES = sorted(PACKAGE.rglob("*.py"))
PATHS = {path.relative_to(PACKAGE.parent).with_suffix("").parts: path for path in FILES}
PATHS |= {path[:-1]: file for path, file in PATHS.items() if path[-1] == "__init__"}


def room(path: Path) -> str:
    """The part of the package that a file belongs to: a folder at the top, or a file there."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


class Import(NamedTuple):
    """A name that a file imports from another one of the package; of a whole file its last part."""

    file: Path
    name: str


@cache
def imports(path: Path) -> list[Import]:
    """What a file imports from the package, wherever in the file it does."""
    found = []
    for whole in _imported(path):
        length = next(k for k in range(len(whole), -1, -1) if whole[:k] in PATHS or not k)
        if length:
            found.append(Import(PATHS[whole[:length]], whole[-1]))
    return found


def _imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Each imported name with the path of packages to it, relative imports resolved."""
    home = path.relative_to(PACKAGE.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = home[: len(home) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            yield from ((*base, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)


def circle(arrows: dict[Any, set[Any]]) -> list[Any]:
    """The members of a circle of arrows; none where all arrows run one way."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def name_of(path: Path) -> str:
    """A file's path inside of the package."""
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_downward(path: Path) -> None:
    """Each file stands on a floor and imports from its own floor or lower ones."""
    for other, _ in imports(path):
        assert FLOORS[room(other)] <= FLOORS[room(path)], name_of(other)


def test_files_import_one_another_in_no_circle() -> None:
    """Inside of a room, too, whoever is imported imports nothing back, not even indirectly."""
    assert circle({path: {other for other, _ in imports(path)} - {path} for path in FILES}) == []


def test_rooms_import_one_another_in_no_circle() -> None:
    """Two rooms on one floor do not need each other; nor do two folders of one room."""
    for depth in (1, 2):
        rooms: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        for path in FILES:
            here = path.relative_to(PACKAGE).parts[:-1][:depth]
            for other, _ in imports(path):
                there = other.relative_to(PACKAGE).parts[:-1][:depth]
                if len(here) == len(there) == depth and here != there:
                    rooms.setdefault(here, set()).add(there)
        assert circle(rooms) == []


def test_circles_are_found() -> None:
    """The search finds a circle of three, and none in a line."""
    assert set(circle({1: {2}, 2: {3}, 3: {1}, 4: {1}})) == {1, 2, 3}
    assert circle({1: {2, 3}, 2: {3}}) == []


def test_manual_and_data_stand_alone() -> None:
    """The referee and the data import nothing of the rest; of these, none imports the referee."""
    for path in FILES:
        others = {room(other) for other, _ in imports(path)}
        if room(path) in ("manual", "data"):
            assert others <= {room(path)}, path.name
        elif room(path) != "__init__":
            assert "manual" not in others, path.name


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_a_room_gives_to_others_has_a_public_name(path: Path) -> None:
    """No name with an underscore before it is imported from another room."""
    private = [
        x.name for x in imports(path) if room(x.file) != room(path) and x.name.startswith("_")
    ]
    assert set(private) <= {"__version__"}


def test_every_file_is_of_use() -> None:
    """Some other file imports it; an `__init__.py` is loaded with what lies beside it."""
    used = {other for path in FILES for other, _ in imports(path) if other != path}
    loose = [name_of(path) for path in FILES if path not in used and path.stem != "__init__"]
    assert not loose, (
        f"nothing imports {', '.join(loose)}: import it where its names are used or made public"
    )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_is_long(path: Path) -> None:
    """A file is one idea, and has no more lines than fit on a few screens."""
    count = len(path.read_text(encoding="utf-8").splitlines())
    assert count <= LONGEST_FILE, (
        f"{name_of(path)} has {count} lines, more than {LONGEST_FILE}: begin a new file"
    )


def test_nothing_lies_loose() -> None:
    """Beside the rooms there are only the public names and the version."""
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "_version.py"}


def test_imports_are_seen() -> None:
    """The search resolves relative imports, of names and of files."""
    tensor = {name_of(other) for other, _ in imports(PACKAGE / "engine" / "tensor.py")}
    assert {"engine/mode.py", "engine/tape.py", "ops/__init__.py", "ops/op.py"} <= tensor
    loss = {room(other) for other, _ in imports(PACKAGE / "ops" / "loss.py")}
    assert loss == {"ops"}
