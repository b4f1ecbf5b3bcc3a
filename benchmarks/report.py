"""Writes docs/benchmarks.md and its plot from the results: `python -m benchmarks.report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .workloads import WORKLOADS

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = Path(__file__).parent / "results.json"
BARS = ["optimised NumPy", "compiled", "tape, loop", "torch, loop", "torch.nn", "jax.jit"]
INTRODUCTION = """# Benchmarks

Written by `python -m benchmarks.report` from [results.json](../benchmarks/results.json), which
`make bench` measures. A step is forward, loss and backward. All competitors of a table ran in one
process, in turn; the loss and every gradient of each was compared with the others' first. Times are
medians, and ratios are ratios of medians. "loop" is a loop over time of primitives as a user writes
it, "layer" is a layer of `tg.nn`; "compiled" is the faster of the two. "optimised NumPy" is written
by hand, backward pass and all: [by_hand.py](../benchmarks/by_hand.py),
[gated.py](../benchmarks/gated.py); its variants, some of them faster, have rows of their own.
In `growth` "peak" and "kept" are what tracemalloc counts, which sees no memory of PyTorch and JAX;
"resident" is by how much the first step, tracing or compiling included, raised the process's
largest resident set. Times there are of few steps, one process each, and not in turn.
"""


def machine_of(about: dict[str, Any]) -> str:
    """A line on what it was measured on."""
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    where = f"{about['processor']}, {about['cores']} cores, {about['system']}, {about['blas']}"
    return f"Machine: {where}. {versions}.\n"


def time_of(seconds: float) -> str:
    """Seconds in a unit that suits them, with three digits."""
    units = ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
    unit, name = next((each for each in units if seconds >= each[0]), units[-1])
    value = seconds / unit
    return f"{value:.{max(0, 3 - len(str(int(value))))}f} {name}"


def steps_table(rows: dict[str, Any]) -> list[str]:
    """Medians, and how they compare with those of compiled, by hand and by torch."""
    bases = [
        name for name in ("compiled", "optimised NumPy", "torch, loop", "torch") if name in rows
    ]
    lines = ["| step | median |" + "".join(f" / {base} |" for base in bases)]
    lines += ["|---|---:|" + "---:|" * len(bases)]
    for name, row in sorted(rows.items(), key=lambda item: item[1]["median"]):
        ratios = (f" {row['median'] / rows[base]['median']:.2f} |" for base in bases)
        lines.append(f"| {name} | {time_of(row['median'])} |" + "".join(ratios))
    return lines


def operations_table(rows: dict[str, Any]) -> list[str]:
    """A line per chain, a column per competitor: time of one operation."""
    cells: dict[str, dict[str, float]] = {}
    for key, row in rows.items():
        chain, _, name = key.partition(", ")
        cells.setdefault(chain, {})[name] = row["median"]
    names = list(dict.fromkeys(name for row in cells.values() for name in row))
    lines = ["| chain |" + "".join(f" {name} |" for name in names), "|---|" + "---:|" * len(names)]
    for chain, row in cells.items():
        times = (f" {time_of(row[name])} |" if name in row else " |" for name in names)
        lines.append(f"| {chain} |" + "".join(times))
    return lines


def growth_table(rows: dict[str, Any]) -> list[str]:
    """A line per competitor and T."""
    lines = ["| step | T | median | first step | peak, MiB | kept, MiB | resident, MiB |"]
    lines += ["|---|---:|---:|---:|---:|---:|---:|"]
    for name, lengths in rows.items():
        for row in lengths:
            found = (row.get(key) for key in ("peak", "kept", "resident"))
            memory = (" |" if size is None else f" {size / 2**20:.1f} |" for size in found)
            times = f"{time_of(row['median'])} | {time_of(row['first'])}"
            lines.append(f"| {name} | {row['T']:,} | {times} |" + "".join(memory))
    return lines


def section(result: dict[str, Any]) -> str:
    """A heading, the command, and the table of one result."""
    name = result["workload"]
    threads = "1 thread" if result["threads"] == 1 else f"{result['threads']} threads"
    lines = [f"## {name}, {result['dtype']}, {threads}", ""]
    if name in WORKLOADS:
        sizes = ", ".join(f"{k}={v}" for k, v in WORKLOADS[name].sizes._asdict().items())
        lines += [f"{WORKLOADS[name].title}: {sizes}.", ""]
    tables = {"W5": operations_table, "growth": growth_table}
    lines += tables.get(name, steps_table)(result["rows"])
    return "\n".join([*lines, "", f"`{result['command']}`", ""])


def plot(results: list[dict[str, Any]], file: Path) -> None:
    """Bars of the medians beside optimised NumPy, workload by workload."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "benchmarks"
    shown = [r for r in results if "optimised NumPy" in r["rows"] and r["dtype"] == "float32"]
    shown = [r for r in shown if r["threads"] == 1 and r["workload"] != "growth"]
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(BARS)
    for k, bar in enumerate(BARS):
        there = [(place, r["rows"]) for place, r in enumerate(shown) if bar in r["rows"]]
        places = [place + (k - (len(BARS) - 1) / 2) * width for place, _ in there]
        heights = [rows[bar]["median"] / rows["optimised NumPy"]["median"] for _, rows in there]
        axes.bar(places, heights, width, label=bar)
    axes.set_xticks(range(len(shown)), [r["workload"] for r in shown], rotation=20)
    axes.set_yscale("log")
    axes.set_ylabel("time of a step / optimised NumPy")
    axes.legend(ncols=3, fontsize="small")
    figure.savefig(file, format="svg", metadata={"Date": None})


def write(results: Path = RESULTS, page: Path | None = None, picture: Path | None = None) -> None:
    """Writes page and picture from the results."""
    page = page or DOCS / "benchmarks.md"
    picture = picture or DOCS / "images" / "benchmarks.svg"
    stored = json.loads(results.read_text(encoding="utf-8"))
    found = sorted(stored["results"], key=lambda r: (r["threads"], r["dtype"], r["workload"]))
    plot(found, picture)
    image = "![Time of a step beside optimised NumPy](images/benchmarks.svg)\n"
    parts = [INTRODUCTION, machine_of(stored["machine"]), image, *map(section, found)]
    page.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
