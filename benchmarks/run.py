"""Runs workloads, prints what was found, and keeps it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import chains, growth, machine, ours, peers, training
from .by_hand import Joined, Plain, in_blocks, min_char_rnn, optimised, per_step
from .gated import OPTIMISED
from .timing import TOLERANCES, agree, measured
from .workloads import WORKLOADS, Competitor, Problem

BLOCK = 512  # rows of the batch that are taken at a time by hand
OTHERS = ["W5", "training", "growth"]
Row = dict[str, Any]


def by_hand(problem: Problem, threads: int) -> dict[str, Competitor]:
    """What is written by hand for a problem, by name."""
    B = problem.sizes.B
    if problem.kind != "RNN":
        return {"optimised NumPy": optimised(OPTIMISED[problem.kind], problem)}
    steps = {"optimised NumPy": optimised(Plain, problem), "NumPy, per step": per_step(problem)}
    if B == 1:
        steps["optimised NumPy, joined"] = optimised(Joined, problem)
        steps["min-char-rnn"] = min_char_rnn(problem)
        return steps
    steps["optimised NumPy, copied"] = optimised(Plain, problem, copied=True)
    rows = min(BLOCK, -(-B // threads))
    if rows < B:
        steps["optimised NumPy, blocks"] = in_blocks(problem, rows)
    if threads > 1:
        name = f"optimised NumPy, blocks, workers={threads}"
        steps[name] = on_one_blas_thread(in_blocks(problem, rows, threads))
    return steps


def on_one_blas_thread(competitor: Competitor) -> Competitor:
    """The competitor with BLAS held to one thread while it runs: its own threads need the cores."""
    try:
        from threadpoolctl import ThreadpoolController
    except ModuleNotFoundError:
        return competitor
    controller = ThreadpoolController()

    def step() -> Any:
        with controller.limit(limits=1, user_api="blas"):
            return competitor.step()

    return competitor._replace(step=step)


def with_best(rows: dict[str, Row]) -> dict[str, Row]:
    """The rows, and as "compiled" the faster one of compiled loop and layer."""
    found = [rows[name] for name in ("compiled, loop", "compiled, layer") if name in rows]
    best = {"compiled": min(found, key=lambda row: row["median"])} if found else {}
    return {**best, **rows}


def table(rows: dict[str, Row], unit: float, unit_name: str) -> None:
    """Prints medians, fastest first, and ratios of medians."""
    bases = {"optimised": "optimised NumPy", "torch": "torch, loop", "compiled": "compiled"}
    bases = {short: name for short, name in bases.items() if name in rows}
    if "torch" in rows:
        bases["torch"] = "torch"
    print(f"  {'':36s}{unit_name:>10s}" + "".join(f"{'/ ' + short:>13s}" for short in bases))
    for name, row in sorted(rows.items(), key=lambda item: item[1]["median"]):
        ratios = (row["median"] / rows[base]["median"] for base in bases.values())
        print(f"  {name:36s}{row['median'] * unit:10.4g}" + "".join(f"{r:13.2f}" for r in ratios))
    sys.stdout.flush()


def steps_of(name: str, dtype: str, threads: int, seconds: float) -> dict[str, Row]:
    """A workload's rows."""
    problem = Problem(WORKLOADS[name], dtype)
    steps = by_hand(problem, threads) | ours.every(problem, threads) | peers.every(problem)
    settling = 0.2 if threads > 1 else 0.0  # seconds that other pools' threads may wait busily
    rows = with_best(compared(steps, TOLERANCES[dtype], seconds, settling))
    table(rows, 1e3, "ms")
    return rows


def training_of(dtype: str, seconds: float) -> dict[str, Row]:
    """The rows of W1's whole training steps."""
    steps = training.every(lambda: Problem(WORKLOADS["W1"], dtype))
    # Adagrad's first steps divide by small gradients: float32's digits are fewer there
    rows = with_best(compared(steps, 10 * TOLERANCES[dtype], seconds))
    table(rows, 1e3, "ms")
    return rows


def operations_of(dtype: str, seconds: float) -> dict[str, Row]:
    """The rows of W5, each named by its chain and by who runs it; seconds of one operation."""
    found = {}
    for shape_name, shape in chains.SHAPES.items():
        for kind in chains.KINDS:
            steps = chains.every(kind, shape, dtype, chains.LENGTH)
            rows = compared(steps, TOLERANCES[dtype], seconds)
            for row in rows.values():
                row["median"] /= chains.LENGTH
                row["quartiles"] = [q / chains.LENGTH for q in row["quartiles"]]
            print(f"  {kind} on {shape_name}, forward and backward")
            table(rows, 1e9, "ns per op")
            found |= {f"{kind} {shape_name}, {name}": row for name, row in rows.items()}
    return found


def growth_of(dtype: str) -> dict[str, list[Row]]:
    """The rows of each competitor for each T."""
    rows = growth.measured(dtype, growth.LENGTHS)
    print(f"  {'':18s}{'T':>8s}{'ms':>10s}{'first, ms':>12s}", end="")
    print("".join(f"{each:>14s}" for each in ("peak MiB", "kept MiB", "resident MiB")))
    for name, lengths in rows.items():
        for row in lengths:
            found = (row.get(key) for key in ("peak", "kept", "resident"))
            memory = ("-" if size is None else f"{size / 2**20:.2f}" for size in found)
            print(f"  {name:18s}{row['T']:8d}{row['median'] * 1e3:10.3f}", end="")
            print(f"{row['first'] * 1e3:12.1f}" + "".join(f"{each:>14s}" for each in memory))
    return rows


def compared(
    steps: dict[str, Competitor], tolerance: float, seconds: float, settling: float = 0.0
) -> dict[str, Row]:
    """The rows of competitors, once they agree."""
    agree(steps, tolerance)
    return measured({name: each.step for name, each in steps.items()}, seconds, settling)


def chosen(names: list[str]) -> list[str]:
    """The workloads whose names start with one of these. Raises: SystemExit if one has none."""
    there = sorted([*WORKLOADS, *OTHERS], key=lambda name: (name in OTHERS[1:], name))
    for name in names:
        if not any(each.startswith(name) for each in there):
            raise SystemExit(f"no workload is called {name!r}; there are {', '.join(there)}")
    return [each for each in there if each.startswith(tuple(names or [""]))]


def one(name: str, dtype: str, threads: int, seconds: float) -> dict[str, Any]:
    """What is found for a name."""
    if name == "W5":
        return operations_of(dtype, seconds / 2)
    if name == "training":
        return training_of(dtype, seconds)
    return growth_of(dtype) if name == "growth" else steps_of(name, dtype, threads, seconds)


@contextlib.contextmanager
def pools(threads: int) -> Iterator[None]:
    """So many threads for BLAS and for torch, where they can be told."""
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(threads)
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        print("threadpoolctl is not installed: BLAS has the threads that its variables say")
        yield
        return
    with threadpool_limits(threads):
        yield


def keep(file: str, about: dict[str, Any], result: dict[str, Any]) -> None:
    """Adds a result to the file; it takes the place of an older one of the same settings."""
    path = Path(file)
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"results": []}
    same = ("workload", "dtype", "threads")
    older = [old for old in stored["results"] if any(old[k] != result[k] for k in same)]
    stored = {"machine": about, "results": [*older, result]}
    path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def main(
    names: list[str], dtypes: list[str], threads: int, seconds: float, file: str | None
) -> None:
    """Measures what is asked for; see `python -m benchmarks --help`."""
    with pools(threads):
        about = machine.description()
        command = " ".join(["python -m benchmarks", *sys.argv[1:]])
        print(f"{about['processor']}, {about['cores']} cores, {about['system']}, {about['blas']}")
        print(", ".join(f"{name} {number}" for name, number in about["versions"].items()))
        print(f"threads {threads}; {command}\n")
        for name in chosen(names):
            for dtype in dtypes:
                if name in WORKLOADS:
                    print(f"{name}: {WORKLOADS[name].title}, {WORKLOADS[name].sizes}, {dtype}")
                else:
                    print(f"{name}, {dtype}")
                rows = one(name, dtype, threads, seconds)
                settings = {"workload": name, "dtype": dtype, "threads": threads}
                if file:
                    keep(file, about, {**settings, "command": command, "rows": rows})
                print()
