"""The benchmarks compare steps that do the same: losses and gradients agree, on tiny sizes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import chains, machine, ours, peers, report, run, training
from benchmarks.by_hand import in_blocks
from benchmarks.timing import agree, measured
from benchmarks.workloads import WORKLOADS, Competitor, Problem, Sizes

TOLERANCE = 1e-11
PEERS = list(peers.PEERS)


def tiny(name: str, dtype: str = "float64") -> Problem:
    """A workload with small sizes; its batch stays one sequence or several."""
    workload = WORKLOADS[name]
    B = 1 if workload.sizes.B == 1 else 5
    return Problem(workload._replace(sizes=Sizes(6, B, 3, 4, 1 if name == "W2" else 5)), dtype)


@pytest.mark.parametrize("name", WORKLOADS)
def test_ours_and_what_is_by_hand_agree(name: str) -> None:
    """Tape, compiled, and every step by hand have one loss and the same gradients."""
    problem = tiny(name)
    steps = {**ours.every(problem, 2), **run.by_hand(problem, 2)}
    assert len(steps) >= 3
    agree(steps, TOLERANCE)


@pytest.mark.parametrize("name", ["W1", "W2", "W3"])
def test_steps_by_hand_give_the_same_again(name: str) -> None:
    """What is kept between calls, and slopes that are computed late, change nothing."""
    problem = tiny(name)
    for key, competitor in run.by_hand(problem, 1).items():
        agree({key: competitor, "again": competitor}, 0)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_blocks_of_any_size_add_up(rows: int) -> None:
    """Blocks of rows, the last one smaller, give what the whole batch does."""
    for name in ("W2", "W3"):
        problem = tiny(name)
        steps = {"tape": ours.on_tape(ours.Loop(problem)), "blocks": in_blocks(problem, rows)}
        agree({**steps, "threads": in_blocks(problem, rows, 2)}, TOLERANCE)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", ["W1", "W2", "W3", "W6-LSTM", "W6-GRU", "W7"])
def test_peers_agree(name: str, peer: str) -> None:
    """Each framework that is there has the tape's loss and gradients."""
    module, make = peers.PEERS[peer]
    pytest.importorskip(module)
    problem = tiny(name)
    if peer == "torch.nn" and problem.kind == "MGU":
        pytest.skip("nobody ships this cell")
    agree({"tape": ours.on_tape(ours.Loop(problem)), peer: make(problem)}, TOLERANCE)


def test_everyone_trains_alike() -> None:
    """After clipping and Adagrad's step the weights are the same."""
    agree(training.every(lambda: tiny("W1")), 1e-9)


@pytest.mark.parametrize("kind", chains.KINDS)
def test_chains_agree(kind: str) -> None:
    """A chain of operations has one value and one gradient."""
    agree(chains.every(kind, (2, 2), "float64", 12), TOLERANCE)


def test_a_wrong_gradient_is_found() -> None:
    """A competitor with another loss, gradient or shape is refused, by name."""
    right = Competitor(lambda: None, lambda _: (1.0, [np.ones(2)]))
    for loss, gradient in [(1.1, np.ones(2)), (1.0, np.array([1.0, 1.1])), (np.nan, np.ones(2))]:
        wrong = Competitor(lambda: None, lambda _, found=(loss, [gradient]): found)
        with pytest.raises(AssertionError, match=r"^wrong: "):
            agree({"right": right, "wrong": wrong}, 1e-3)


def test_medians_are_measured() -> None:
    """Each competitor gets a median between its quartiles, in seconds."""
    rows = measured({"a": lambda: sum(range(1000)), "b": lambda: None}, seconds=0.01)
    for row in rows.values():
        low, high = row["quartiles"]
        assert 0 < low <= row["median"] <= high < 1
    assert rows["a"]["median"] > rows["b"]["median"]


def test_names_choose_workloads() -> None:
    """A name stands for all workloads that start with it, and an unknown one is an error."""
    assert run.chosen(["W6-LSTM"]) == ["W6-LSTM", "W6-LSTM-batches"]
    assert {"W5", "growth"} < set(run.chosen([]))
    with pytest.raises(SystemExit, match="no workload is called 'W9'"):
        run.chosen(["W9"])


def test_results_become_a_page(tmp_path: Path) -> None:
    """What was kept last for the same settings is in a table, and the plot is an SVG."""
    pytest.importorskip("matplotlib")
    file = tmp_path / "results.json"
    for median in (0.002, 0.001):
        row = {"median": median, "quartiles": [median, median], "calls": 9}
        rows = dict.fromkeys(("compiled", "optimised NumPy", "torch, loop"), row)
        settings = {"workload": "W1", "dtype": "float32", "threads": 1}
        run.keep(str(file), machine.description(), {**settings, "command": "-", "rows": rows})
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert len(stored["results"]) == 1
    report.write(file, tmp_path / "benchmarks.md", tmp_path / "benchmarks.svg")
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "| compiled | 1.00 ms | 1.00 |" in page
    assert "<svg" in (tmp_path / "benchmarks.svg").read_text(encoding="utf-8")
