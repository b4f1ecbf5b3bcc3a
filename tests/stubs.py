"""Writes the stubs: what type checkers and editors read of the public names and the operations.

`python -m tests.stubs` writes them anew, from the operations' own signatures. An argument whose
annotation is Any is an array or a Tensor; where one is a Tensor, so is the result.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import tinygrad_rnn as tg
from tinygrad_rnn import ops
from tinygrad_rnn.engine.methods import Methods
from tinygrad_rnn.ops.op import Op

Parameter = inspect.Parameter
Choice = tuple[list[Parameter], str]
PACKAGE = Path(tg.__file__).parent
WIDTH = 100
NOTE = "# Written by `python -m tests.stubs`, from the operations' own signatures.\n"
NO_OPERANDS = {  # arguments that make no result a Tensor; their types, where not an operand's
    "constant_values": "Numbers",
    "index": "Any",
    "indices": None,
    "pad_width": "Numbers",
    "repeats": "Numbers",
}


# Signatures


def typed(p: Parameter, operand: str) -> Parameter:
    """The parameter as checkers see it: an operand is of the type that is given."""
    if p.annotation != "Any":
        return p.replace(annotation=str(p.annotation).replace("'", '"'))
    annotation = NO_OPERANDS.get(p.name) or operand
    return p.replace(annotation=annotation if p.default is not None else f"{annotation} | None")


def is_operand(p: Parameter) -> bool:
    """Whether it may be an array or a Tensor, which the result then is."""
    return p.annotation == "Any" and p.name not in NO_OPERANDS


def choices(parameters: Sequence[Parameter]) -> Iterator[Choice]:
    """The parameters of each overload, and what stands for Any in its result.

    One overload for each operand that can be the first Tensor, and one where there is none.
    """
    for k, first in enumerate(parameters):
        if is_operand(first):
            before = [typed(p, "Numbers") for p in parameters[:k]]
            if first.kind is not first.KEYWORD_ONLY:  # nothing before it may be left out
                before = [p.replace(default=p.empty) for p in before]
            tensor = first.replace(annotation="Tensor", default=first.empty)
            after = [typed(p, "Operand") for p in parameters[k + 1 :]]
            yield [*before, tensor, *after], "Tensor"
    yield [typed(p, "Numbers") for p in parameters], "Array"


# An array first, since to checkers it is a sequence of anything. Last arrays and Tensors mixed: one
# who says so has a Tensor among them, though to checkers there might be none.
IN_A_LIST = (
    ("Array", "Array"),
    ("Iterable[Tensor]", "Tensor"),
    ("Iterable[Numbers]", "Array"),
    ("Iterable[Operand]", "Tensor"),
)


def choices_of_list(parameters: Sequence[Parameter]) -> Iterator[Choice]:
    """The same where the first parameter is a sequence of operands."""
    xs, *rest = parameters
    for annotation, result in IN_A_LIST:
        yield [xs.replace(annotation=annotation), *rest], result


def choices_of_many(parameters: Sequence[Parameter]) -> Iterator[Choice]:
    """The same where the last parameter is *operands."""
    *before, operands = parameters
    alone = [p.replace(kind=p.POSITIONAL_ONLY) for p in before]
    for name in ("Tensor", "Numbers"):
        first = Parameter("first", Parameter.POSITIONAL_ONLY, annotation=name)
        second = Parameter("second", Parameter.POSITIONAL_ONLY, annotation="Tensor")
        needed = [first] if name == "Tensor" else [first, second]
        yield [*alone, *needed, operands.replace(annotation="Operand")], "Tensor"
    yield [*before, operands.replace(annotation="Numbers")], "Array"
    yield [*before, operands.replace(annotation="Operand")], "Tensor | Array"


def overloads(function: Callable[..., Any]) -> Iterator[tuple[list[Parameter], str]]:
    """The parameters and the result's type of each overload."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if getattr(function, "variadic", False):
        found = choices_of_list(parameters)
    elif parameters[-1].kind is Parameter.VAR_POSITIONAL:
        found = choices_of_many(parameters)
    else:
        found = choices(parameters)
    for each, result in found:
        yield each, signature.return_annotation.replace("Any", result)


# Text


def written(name: str, parameters: Sequence[Parameter], result: str, indent: str = "") -> str:
    """A function of a stub, in the layout of `ruff format`."""
    words = list(words_of(parameters))
    text = f"{indent}def {name}({', '.join(words)}) -> {result}: ..."
    if len(text) <= WIDTH:
        return text
    inner = f"{indent}    {', '.join(words)}"
    lines = [inner] if len(inner) <= WIDTH else [f"{indent}    {word}," for word in words]
    return "\n".join([f"{indent}def {name}(", *lines, f"{indent}) -> {result}: ..."])


def words_of(parameters: Sequence[Parameter]) -> Iterator[str]:
    """What stands between the parentheses."""
    kinds = [p.kind for p in parameters] + [None]
    for k, p in enumerate(parameters):
        if p.kind is p.KEYWORD_ONLY and kinds[k - 1] not in (p.KEYWORD_ONLY, p.VAR_POSITIONAL):
            yield "*"
        yield word(p)
        if p.kind is p.POSITIONAL_ONLY and kinds[k + 1] is not p.POSITIONAL_ONLY:
            yield "/"


def word(p: Parameter) -> str:
    """A parameter of a stub."""
    stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}
    name = stars.get(p.kind, "") + p.name
    text = name if p.annotation is p.empty else f"{name}: {p.annotation}"
    if p.default is p.empty:
        return text
    return f"{text} = " + (f'"{p.default}"' if isinstance(p.default, str) else repr(p.default))


SELF = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)


def an_op(name: str) -> str:
    """An Op whose call is typed."""
    lines = [f"class _{name}(Op):"]
    for parameters, result in overloads(getattr(ops, name)):
        lines += ["    @overload", written("__call__", [SELF, *parameters], result, "    ")]
    if getattr(ops, name).variadic:
        lines[-3] += "  # type: ignore[overload-overlap]"
    return "\n".join(["", *lines, "", f"{name}: _{name}", ""])


def a_function(name: str) -> str:
    """A function composed of ops."""
    return "\n".join(
        f"@overload\n{written(name, parameters, result)}"
        for parameters, result in overloads(getattr(ops, name))
    )


def a_method(name: str) -> str:
    """A function as a method of its first operand, a Tensor."""
    signature = inspect.signature(getattr(Methods, name))
    parameters = [typed(p, "Operand") for p in list(signature.parameters.values())[1:]]
    result = signature.return_annotation.replace("Any", "Tensor")
    return written(name, [SELF, *parameters], result, "    ")


def imported(module: str, names: Sequence[str], public: Collection[str]) -> str:
    """Names imported from a module in order to be had from this one; `__all__` has the public."""
    rest = [f"from {module} import {name} as {name}" for name in names if name not in public]
    names = [name for name in names if name in public]
    text = f"from {module} import {', '.join(names)}"
    if len(text) > WIDTH:
        text = "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])
    return "\n".join([text] * bool(names) + rest)


def listed(names: Sequence[str]) -> str:
    """The names as `__all__`."""
    return "\n".join(["__all__: list[str] = [", *(f'    "{name}",' for name in names), "]"])


def used(text: str) -> str:
    """The imports of what a stub uses of other packages."""
    lines = []
    for module, names in OTHERS.items():
        found = [name for name in names if re.search(rf"\b{name}\b", text)]
        lines += [f"from {module} import {', '.join(found)}"] * bool(found)
    return "\n".join(lines).replace("\nfrom numpy", "\n\nfrom numpy")


OTHERS = {
    "collections.abc": ("Callable", "Iterable", "Sequence"),
    "typing": ("Any", "Concatenate", "Generic", "Literal", "ParamSpec", "TypeVar", "overload"),
    "numpy.typing": ("DTypeLike",),
}


# The stubs

OPS = """
from ..engine.tensor import Tensor
{modules}
from .op import Array, Numbers, Op
from .reduce import Axis

{all}

Operand = Tensor | Numbers
{parts}
"""


def ops_stub() -> str:
    """Each operation, and each function composed of some."""
    files = sorted(path.stem for path in (PACKAGE / "ops").glob("*.py"))
    modules = imported(".", [name for name in files if name not in ("__init__", "op")], [])
    parts = [
        an_op(name) if isinstance(getattr(ops, name), Op) else a_function(name)
        for name in ops.__all__
    ]
    return OPS.format(modules=modules, all=listed(ops.__all__), parts=spaced(parts))


def spaced(parts: Sequence[str]) -> str:
    """One below the other; around classes there is a blank line, as `ruff format` has it."""
    return "\n".join(parts).replace("\n\n\n", "\n\n").rstrip()


METHODS = """
from ..ops.op import Numbers
from ..ops.reduce import Axis
from .tensor import Tensor

Operand = Tensor | Numbers

class Methods:
{methods}
"""


def methods_stub() -> str:
    """The operations that are methods of a Tensor."""
    methods = [a_method(name) for name in vars(Methods) if not name.startswith("_")]
    return METHODS.format(methods="\n".join(methods))


PUBLIC = """
{imports}

{all}

_P = ParamSpec("_P")
_R = TypeVar("_R")

class _Declared(Op, Generic[_P, _R]):
    @overload
    def __call__(self, x: Tensor, /, *rest: _P.args, **settings: _P.kwargs) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, /, *rest: _P.args, **settings: _P.kwargs) -> _R: ...
    @overload
    def __call__(self, x: Iterable[Tensor], /, *rest: _P.args, **settings: _P.kwargs) -> Tensor: ...

{op}

class _Step(Compiled, Generic[_P, _R]):
    def __call__(self, *inputs: _P.args, **settings: _P.kwargs) -> _R: ...

@overload
{compile}
@overload
{compile_later}
"""
TYPES = {
    ".ops.op": ["Numbers", "Rule"],
    ".program": ["Compiled"],
    ".program.compiled": ["BatchAxis"],
}
FORWARD = "Callable[Concatenate[Any, _P], _R]"


def public_stub() -> str:
    """The public names; a declared op and a compiled step keep the arguments of their function."""
    options = list(inspect.signature(tg.compile).parameters.values())[1:]
    of_op = list(inspect.signature(tg.op).parameters.values())
    f = Parameter("f", Parameter.POSITIONAL_OR_KEYWORD, annotation="Callable[_P, _R]")
    nothing = f.replace(annotation="None", default=None)
    decorator = "Callable[[Callable[_P, _R]], _Step[_P, _R]]"
    return PUBLIC.format(
        imports="\n".join(imports_at_the_top()),
        all=listed(tg.__all__),
        op=written("op", of_op, f"Callable[[{FORWARD}], _Declared[_P, _R]]"),
        compile=written("compile", [f, *options], "_Step[_P, _R]"),
        compile_later=written("compile", [nothing, *options], decorator),
    )


def imports_at_the_top() -> Iterator[str]:
    """Where each public name is from, those that are loaded at first use among them."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level]
    names = {"." + (node.module or ""): [alias.name for alias in node.names] for node in found}
    names["."] += tg._LATER
    names |= {f".{room}": list(given) for room, given in tg._LATER.items()}
    for module in sorted({*names, *TYPES}):
        own = TYPES.get(module, [])
        several = sorted({*names.get(module, []), *own} - {"op", "compile"})  # typed here
        if several:
            yield imported(module, several, [*tg.__all__, *own])


STUBS = {
    PACKAGE / "__init__.pyi": public_stub,
    PACKAGE / "engine" / "methods.pyi": methods_stub,
    PACKAGE / "ops" / "__init__.pyi": ops_stub,
}


def whole(stub: str) -> str:
    """A stub as a file."""
    return f"{NOTE}\n{used(stub)}\n{stub}"


def main() -> None:
    """Writes all stubs."""
    for path, stub in STUBS.items():
        path.write_text(whole(stub()), encoding="utf-8")


if __name__ == "__main__":
    main()
