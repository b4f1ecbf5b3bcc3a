"""The source keeps the rules of the house: what rules of derivatives may use, who imports whom."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import ops
from tinygrad_rnn.op import Op

from .cases import CASES, INTERNAL, MODULES

PACKAGE = Path(tg.__file__).parent
FLOORS = {
    "_version": 0,
    "op": 0,
    "tree": 0,
    "manual": 0,
    "data": 0,
    "ops": 1,
    "tape": 1,
    "anomaly": 1,
    "from_numpy": 2,
    "methods": 2,
    "tensor": 2,
    "gradients": 2,
    "program": 3,
    "nn": 3,
    "optim": 3,
    "bptt": 3,
    "calculus": 3,
    "expressions": 3,
    "func": 3,
    "interop": 3,
    "differences": 3,
    "check": 3,
    "checkpoint": 3,
    "views": 4,
    "history": 4,
    "train": 4,
    "__init__": 5,
}
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
    """Each rule is a function of (g, z, *inputs, **settings), named as in the forward function.

    One for all parts of an x together is a function of (gs, x, indices).
    """
    for forward, _, rule in rules(parsed(module)):
        assert isinstance(rule, (ast.Lambda, ast.FunctionDef)), forward.name
        whole = ["g", "z", *parameters(forward)]
        is_part = getattr(module, forward.name).is_part
        assert parameters(rule) == (["gs", "x", "indices"] if is_part else whole), forward.name


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_rules_close_over_nothing(op: Op) -> None:
    """A rule sees its arguments, and functions by name: no array is kept in it."""
    for rule in filter(None, op.edges):
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
    files = {path.stem for path in (PACKAGE / "ops").glob("*.py")} - {"__init__"}
    assert {module.__name__.rpartition(".")[2] for module in MODULES} == files


def test_every_operation_has_a_row() -> None:
    """Each Op defined in ops/ is public or internal by name, and is in the table of cases."""
    names = {op.name for op in OPS}
    assert names <= {case.function for case in CASES}
    assert names - INTERNAL <= set(ops.__all__)


def literal(module: ModuleType) -> list[str]:
    """The names that a module writes down in `__all__` itself."""
    (written,) = [
        node.value
        for node in parsed(module).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    names: list[str] = ast.literal_eval(written)
    return names


def test_public_names_are_sorted_and_complete() -> None:
    """At the top, `__all__` holds the names imported one by one, in order, and those of ops."""
    imported = {
        alias.asname or alias.name
        for node in parsed(tg).body
        if isinstance(node, ast.ImportFrom) and node.names[0].name != "*"
        for alias in node.names
    }
    assert literal(tg) == sorted(imported)
    assert tg.__all__ == literal(tg) + ops.__all__
    assert len(set(tg.__all__)) == len(tg.__all__)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_operations_name_what_is_public(module: Any) -> None:
    """Each module of ops/ lists, in order, what it defines and is neither private nor internal."""
    defined = {
        node.name
        for node in parsed(module).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert module.__all__ == sorted(module.__all__)
    assert defined - set(module.__all__) <= INTERNAL | SHARED


SHARED = {"counted_axis", "kept", "reduce_loss", "sum_to", "wide"}  # between the modules of ops/


def test_every_function_is_public_at_the_top() -> None:
    """What ops exports, the package exports: the same objects."""
    assert set(ops.__all__) <= set(tg.__all__)
    assert all(getattr(tg, name) is getattr(ops, name) for name in ops.__all__)


@pytest.mark.parametrize("name", ops.__all__)
def test_every_function_says_what_it_does(name: str) -> None:
    """Each has a docstring with an example in it."""
    assert ">>>" in str(getattr(ops, name).__doc__)


# Who imports whom

FILES = sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    """The part of the package that a file belongs to: a module or folder at the top."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> set[str]:
    """The parts of the package that a file imports, wherever in the file it does."""
    found = set()
    for top, *rest in _imported(path):
        if top == PACKAGE.name:
            part = rest[0] if rest else ""
            inside = (PACKAGE / f"{part}.py").exists() or (PACKAGE / part / "__init__.py").exists()
            found.add(part if part and inside else "__init__")
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downward(path: Path) -> None:
    """Each module stands on a floor and imports from its own floor or lower ones."""
    for part in imports(path):
        assert FLOORS[part] <= FLOORS[place(path)], part


def test_the_lowest_floor_is_three_houses() -> None:
    """op.py, manual/ and data/ import nothing of one another: the referee stands alone."""
    for path in FILES:
        if FLOORS[place(path)] == 0:
            assert imports(path) <= {place(path)}, path.name
        elif place(path) != "__init__":
            assert "manual" not in imports(path), path.name


def test_imports_are_seen() -> None:
    """The search resolves what tensor.py and the top of the package import."""
    assert {"op", "ops", "tape"} <= imports(PACKAGE / "tensor.py")
    assert {"manual", "tensor", "nn"} <= imports(PACKAGE / "__init__.py")
    assert imports(PACKAGE / "ops" / "loss.py") == {"op", "ops"}
