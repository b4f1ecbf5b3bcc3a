"""Time and memory of W1's step when T grows, each in a process of its own.

`python -m benchmarks.growth NAME T DTYPE` prints one as JSON. Memory is the peak within a step: as
tracemalloc counts it, which sees NumPy's arrays and Python's objects but not torch's and jax's, and
by how much set-up and first step raised the process's largest resident set, which small needs do
not. What a competitor keeps between steps is in `kept`.
"""

from __future__ import annotations

import contextlib
import json
import resource
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import ours, peers
from .by_hand import Plain, min_char_rnn, optimised
from .workloads import WORKLOADS, Competitor, Problem

LENGTHS = [100, 1_000, 10_000, 100_000]
LIMIT = 30.0  # seconds: who would need more for the first step at the next T goes no further
MAKERS: dict[str, tuple[str, Callable[[Problem], Competitor]]] = {
    "tape, loop": ("numpy", lambda p: ours.on_tape(ours.Loop(p))),
    "tape, layer": ("numpy", lambda p: ours.on_tape(ours.Layer(p))),
    "compiled, loop": ("numpy", lambda p: ours.compiled(ours.Loop(p))),
    "compiled, layer": ("numpy", lambda p: ours.compiled(ours.Layer(p))),
    "optimised NumPy": ("numpy", lambda p: optimised(Plain, p)),
    "min-char-rnn": ("numpy", min_char_rnn),
    **peers.PEERS,
}


def resident() -> int:
    """The largest resident set so far, in bytes."""
    # on Linux ru_maxrss starts from that of the process which started this one
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def problem_of(T: int, dtype: str) -> Problem:
    """W1 with T steps."""
    workload = WORKLOADS["W1"]
    return Problem(workload._replace(sizes=workload.sizes._replace(T=T)), dtype)


def one(name: str, T: int, dtype: str) -> dict[str, Any]:
    """Seconds of the first and of later steps, and bytes at their peaks."""
    module, make = MAKERS[name]
    make(problem_of(2, dtype)).step()  # whatever a framework loads and prepares once
    problem, made = problem_of(T, dtype), list[Competitor]()
    before = resident()
    first = seconds_of(lambda: (made.append(make(problem)), made[0].step()))
    grown = resident() - before
    calls = 5 if first < 1 else 1
    later = statistics.median(seconds_of(made[0].step) for _ in range(calls))
    made.clear()
    times = {"T": T, "first": first, "median": later, "resident": grown}
    return times | ({} if module in ("torch", "jax") else traced(make, problem))


def traced(make: Callable[[Problem], Competitor], problem: Problem) -> dict[str, int]:
    """Bytes as tracemalloc counts them: kept after a first step, and at the peak of the next."""
    tracemalloc.start()
    competitor = make(problem)
    competitor.step()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    competitor.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"kept": kept, "peak": peak}


def seconds_of(step: Callable[[], Any]) -> float:
    """Of one call."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def measured(dtype: str, lengths: list[int]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each competitor that is there, until it takes too long."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, (module, _) in MAKERS.items():
        if not peers.installed(module):
            continue
        rows[name] = []
        for T in lengths:
            row = in_process(name, T, dtype)
            if row is None:
                break
            rows[name].append(row)
            if 10 * max(row["median"], row["first"]) > LIMIT:
                break
    return rows


def in_process(name: str, T: int, dtype: str) -> dict[str, Any] | None:
    """A row from a process of its own; None, and a line, where it fails or takes too long."""
    command = [sys.executable, "-m", "benchmarks.growth", name, str(T), dtype]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        print(f"  {name}, T={T}: left out, {type(error).__name__}")
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(name: str, length: str, dtype: str) -> None:
    """Prints a row."""
    print(json.dumps(one(name, int(length), dtype)))


if __name__ == "__main__":
    main(*sys.argv[1:])
