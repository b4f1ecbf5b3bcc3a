"""Changes each derivative rule in turn, and asks the project's own tests whether one notices.

`python -m tests.mutants` tries every change, and ends with 1 if one survives all tests;
`python -m tests.mutants tanh matmul tape` tries those of a few owners. A change is another code
object: it is put into the function, and taken out after the checks that run the function.
"""

from __future__ import annotations

import ast
import inspect
import multiprocessing
import signal
import sys
import textwrap
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product, starmap
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from tinygrad_rnn import ops
from tinygrad_rnn.engine import tape, totals
from tinygrad_rnn.engine.totals import Totals

from . import (
    test_guard_points,
    test_ops,
    test_programs,
    test_scales,
    test_special_points,
    test_tape,
)
from .cases import MODULES
from .test_rules import OPS, parsed, rules

PATIENCE = 20.0  # seconds; a mutant that takes longer is killed
PROCESSES = 2
Check = Callable[[], None]  # one call of a test
Change = Callable[[ast.AST], Iterator[ast.AST]]  # of a node to what may stand in its place


class Site(NamedTuple):
    """A function that gradients run through, as it is written, and what to change in it."""

    owner: str  # an operation, a module of ops/, or the tape
    part: str
    function: FunctionType
    tree: ast.Module
    changes: tuple[Change, ...]


class Mutant(NamedTuple):
    """A site's function with one change. name: the site's, and the lines that are new."""

    owner: str
    name: str
    function: FunctionType
    code: CodeType


Judges = dict[CodeType, list[Check]]  # for each function's code the checks that run it
EQUIVALENT = {  # by a mutant's name: why no test can notice it
    "cast.x: lambda g, z, x, dtype: g": "the walk gives each gradient its input's dtype",
    "sign.x: lambda g, z, x: times(where(equal(x, x), 0, x), -1)": "the gradient is 0",
    "sign.x: lambda g, z, x: times(where(equal(x, x), 0, x), 1.01)": "the gradient is 0",
}
TESTS: tuple[Any, ...] = (  # that judge
    test_ops.test_values_are_numpys_on_tensors_and_on_arrays,
    test_ops.test_gradients_equal_central_differences,
    test_ops.test_gradients_of_gradients_equal_central_differences,
    test_ops.test_a_tensor_used_twice_gets_both_gradients,
    test_ops.test_shapes_that_broadcast_give_gradients_of_their_own_shape,
    test_special_points.test_values_and_gradients_at_special_points,
    test_guard_points.test_slopes_and_what_becomes_of_them_are_right_at_guards,
    test_scales.test_lengths_grow_with_the_entries_and_their_slopes_do_not,
    test_scales.test_small_entries_beside_large_ones_have_their_slopes,
    test_scales.test_float16_counts_beyond_its_end,
    test_tape.test_contributions_of_every_kind_add_up,
    test_tape.test_the_gradient_of_a_weight_is_the_sum_over_its_uses,
    test_tape.test_what_waits_is_joined_before_it_is_large,
    test_programs.test_programs_written_down_are_right,
)
FIXTURES = [("pair", test_ops.BOTH_WAYS)]


# What judges


def checks() -> Iterator[Check]:
    """Every call that pytest makes of these tests."""
    for test in TESTS:
        marks = [mark.args for mark in test.pytestmark if mark.name == "parametrize"]
        marks += [one for one in FIXTURES if one[0] in inspect.signature(test).parameters]
        for given in product(*starmap(_given, marks)):
            yield partial(test, **{name: x for one in given for name, x in one.items()})


def _given(names: str | Sequence[str], values: Iterable[Any]) -> list[dict[str, Any]]:
    """The arguments of each call, where pytest is given their names and their values."""
    if isinstance(names, str):
        return [{names: x} for x in values]
    return [dict(zip(names, x, strict=True)) for x in values]


def run(check: Check) -> None:
    """Runs the test as pytest does: warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check()


def reaching(every: Iterable[Check]) -> Judges:
    """For each function's code the checks that run it, the fastest first.

    Raises: what a check raises; where nothing is changed, all must pass.
    """
    judges: Judges = {}
    for _, check, codes in sorted(map(_traced, every), key=lambda one: one[0]):
        for code in codes:
            judges.setdefault(code, []).append(check)
    return judges


def _traced(check: Check) -> tuple[float, Check, set[CodeType]]:
    """How many seconds the check takes, and the code of the functions that it calls."""
    codes: set[CodeType] = set()
    start = time.perf_counter()
    sys.settrace(lambda frame, event, arg: codes.add(frame.f_code))
    try:
        run(check)
    finally:
        sys.settrace(None)
    return time.perf_counter() - start, check, codes


# What is changed

NAMES = {name for module in MODULES for name in vars(module)} - {"astype"}  # it keeps the values
TIMES = (
    "lambda r, by: type(r)(r.op, (r.inputs[0] * by, *r.inputs[1:]), r.settings) if callable(r)"
    " else [x if x is None else x * by for x in r] if isinstance(r, list) else r * by"
)
FIRST = "lambda r, x: r[(slice(1),) * (r.ndim - x.ndim) + tuple([slice(n) for n in x.shape])]"
LAST = ast.Slice(ast.Constant(-1))


def values(node: ast.AST) -> Iterator[ast.AST]:
    """Without a term, a factor, a sign, a function or a transpose; with a sign or choice turned."""
    match node:
        case ast.BinOp(x, ast.Add() | ast.Sub() as sign, y):
            turned = ast.Sub() if isinstance(sign, ast.Add) else ast.Add()
            yield from (x, y, ast.BinOp(x, turned, y))
        case ast.BinOp(x, ast.Mult() | ast.Div(), y):
            yield from (x, y)
        case ast.UnaryOp(ast.USub(), x) | ast.Attribute(x, "T"):
            yield x
        case ast.Call(ast.Name("where") as where, [condition, x, y]):
            yield ast.Call(where, [condition, y, x], [])
        case ast.Call(ast.Name(name), [x, *_]) if name in NAMES and not isinstance(x, ast.Starred):
            yield x


def sums(node: ast.AST) -> Iterator[ast.AST]:
    """The last term in place of a sum: = where += was, or of all that wait the last alone."""
    match node:
        case ast.AugAssign(target, _, last):
            yield ast.Assign([target], last)
        case ast.Assign(targets, ast.BinOp(_, ast.Add(), last)):
            yield ast.Assign(targets, last)
        case ast.Expr(ast.Call(ast.Attribute(_, "at"), [total, index, last])):
            yield ast.Assign([ast.Subscript(total, index, ast.Store())], last)
        case ast.Call(function, [ast.Name("several" | "terms") as x], []):
            yield ast.Call(function, [ast.Subscript(x, LAST)], [])
        case ast.Starred(ast.Name("several") as x):
            yield ast.Starred(ast.Subscript(x, LAST))


def result(node: ast.AST, function: str, other: Any) -> Iterator[ast.AST]:
    """What a function returns, handed to TIMES or FIRST with another value."""
    match node:
        case ast.Lambda(args, r):
            yield ast.Lambda(args, _call(function, r, other))
        case ast.Return(ast.AST() as r):
            yield ast.Return(_call(function, r, other))


def _call(function: str, r: ast.AST, other: Any) -> ast.expr:
    return ast.parse(f"({function})({ast.unparse(r)}, {other})", mode="eval").body


SCALED = (partial(result, function=TIMES, other=-1), partial(result, function=TIMES, other=1.01))


# Where it is changed


def sites() -> list[Site]:
    """The rules, what they call, and what adds gradients up."""
    return [*_with_helpers(list(_rules())), *_sums()]


def _rules() -> Iterator[Site]:
    for module in MODULES:
        for forward, name, tree in rules(parsed(module)):
            op = vars(module)[forward.name]
            repeats = op.elementwise and (len(op.inputs) > 1 or op.settings)
            unsummed = [partial(result, function=FIRST, other=name)] * bool(repeats)
            edge, whole = op.rules[op.inputs.index(name)], ast.parse(ast.unparse(tree))
            yield Site(op.name, name, edge, whole, (values, *SCALED, *unsummed))
    for op in OPS:
        for part in filter(None, (op.join, *op.through.values())):
            yield Site(op.name, part.__name__, part, written(part), (values, sums))


def _with_helpers(found: list[Site]) -> list[Site]:
    """The sites, and what they call of ops/ that is neither an operation nor public."""
    known = {site.function for site in found}
    for site in found:  # it grows
        for x in [x for x in dict.fromkeys(_called(site)) if x not in known]:
            known.add(x)
            module = x.__module__.rpartition(".")[2]
            found.append(Site(module, x.__name__, x, written(x), (values,)))
    return found


def _called(site: Site) -> Iterator[FunctionType]:
    for node in ast.walk(site.tree):
        x = site.function.__globals__.get(getattr(node, "id", ""))
        ours = isinstance(x, FunctionType) and x.__module__.startswith(ops.__name__)
        if ours and x.__name__ not in ops.__all__:
            yield x


def _sums() -> Iterator[Site]:
    for function in (tape.pullback, Totals.add, Totals.gather, Totals.receive):
        yield Site("tape", function.__qualname__, function, written(function), (sums,))
    yield Site("totals", "fitted", totals.fitted, written(totals.fitted), (values,))
    for op in OPS:
        yield Site(op.name, "forward", op.forward, written(op.forward), (sums,))


def written(function: Callable[..., Any]) -> ast.Module:
    """The definition of a function as a tree, without decorators."""
    tree: Any = ast.parse(textwrap.dedent(inspect.getsource(function)))
    tree.body[0].decorator_list = []
    return tree


LEFT_ALONE = {"test", "ifs", "annotation", "returns"}  # conditions choose between right ways


def places(tree: ast.AST) -> Iterator[tuple[Any, Any]]:
    """Where each part of a tree is held: in a list at an index, or in a node's dict by a name."""
    waiting = [tree]
    for node in waiting:  # it grows
        for field, value in ast.iter_fields(node):
            holder = value if isinstance(value, list) else vars(node)
            for key in range(len(value)) if holder is value else [field]:
                if isinstance(holder[key], ast.AST) and field not in LEFT_ALONE:
                    yield holder, key
                    waiting.append(holder[key])


def mutants(site: Site) -> Iterator[Mutant]:
    """Each change of one place of the site's function; equal ones once."""
    known = {original := ast.unparse(site.tree)}
    for holder, key in list(places(site.tree)):
        old = holder[key]
        for new in [new for change in site.changes for new in change(old)]:
            holder[key] = ast.fix_missing_locations(ast.copy_location(new, old))
            text = ast.unparse(site.tree)
            if text not in known:
                known.add(text)
                yield _mutant(site, original, text)
        holder[key] = old


def _mutant(site: Site, original: str, text: str) -> Mutant:
    lines = zip(original.splitlines(), text.splitlines(), strict=True)
    changed = " ".join(new.strip() for old, new in lines if new != old)
    changed = changed.replace(f"({TIMES})", "times").replace(f"({FIRST})", "first")
    codes = compile(text, str(site.function), "exec", dont_inherit=True).co_consts
    (code,) = (x for x in codes if getattr(x, "co_name", "") == site.function.__code__.co_name)
    return Mutant(site.owner, f"{site.owner}.{site.part}: {changed}", site.function, code)


# Judging


def survives(mutant: Mutant, judges: Judges) -> bool:
    """Whether all checks that run the function pass with the mutant's code in its place."""
    original = mutant.function.__code__
    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    mutant.function.__code__ = mutant.code
    try:
        for check in judges.get(original, []):
            run(check)
    except Exception:  # a wrong number, an error, or too late
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        mutant.function.__code__ = original
    return True


def _too_late(*_: object) -> None:
    raise TimeoutError


def survivors(every: Sequence[Mutant], judges: Judges) -> list[Mutant]:
    """Tries the mutants in several processes; prints a line when an owner's have been tried."""
    context = multiprocessing.get_context("fork")  # what is to be tried cannot be pickled
    queue = context.Queue()
    for k in range(PROCESSES):
        share = range(k, len(every), PROCESSES)
        context.Process(target=_try, args=(share, every, judges, queue), daemon=True).start()
    total, alive = Counter(mutant.owner for mutant in every), []
    left = total.copy()
    for _ in every:
        k, survived = queue.get(timeout=2 * PATIENCE)
        owner = every[k].owner
        alive += [every[k]] * survived
        left[owner] -= 1
        if not left[owner]:
            killed = total[owner] - sum(mutant.owner == owner for mutant in alive)
            print(f"{owner:28}{total[owner]:4} mutants, {killed:3} killed", flush=True)
    return alive


def _try(share: range, every: Sequence[Mutant], judges: Judges, queue: Any) -> None:
    for k in share:
        queue.put((k, survives(every[k], judges)))


def main(owners: Sequence[str], every_check: Iterable[Check]) -> int:
    """Tries the mutants of these owners, or all; 1 where one survives that is not EQUIVALENT."""
    start = time.perf_counter()
    chosen = [site for site in sites() if not owners or site.owner in owners]
    every = [mutant for site in chosen for mutant in mutants(site)]
    alive = survivors(every, reaching(every_check))
    unknown = [mutant for mutant in alive if mutant.name not in EQUIVALENT]
    for mutant in every if owners else unknown:
        print(f"{'survived' if mutant in alive else 'killed':10}{mutant.name}")
    print(
        f"\n{sum(SCALED[0] in site.changes for site in chosen)} rules, {len(every)} mutants, "
        f"{len(every) - len(alive)} killed, {len(alive) - len(unknown)} equivalent, "
        f"{len(unknown)} survivors, {time.perf_counter() - start:.0f} s"
    )
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], checks()))
