"""Training steps of RNNs: the tape, the compiled step and what else there is, side by side.

Workloads (float32): W1 a character RNN (B=1, T=25, V=65, H=100, softmax cross-entropy summed over
time), W3 (B=32, T=100, I=64, H=256, V=65), W4 (B=1, T=1,000, H=100, V=65), and LSTM and GRU of W1's
size. A step is forward, loss and backward. "optimised NumPy" is written by hand: products of all
steps at once, buffers kept. PyTorch is run if it is there.

Run: python benchmarks/compiled.py [W1 W3 ...]
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinygrad_rnn as tg

Step = Callable[[], Any]


class Sizes(NamedTuple):
    """B sequences of T steps of I inputs, H hidden units, V classes."""

    B: int
    T: int
    I: int
    H: int
    V: int


SIZES = {
    "W1": Sizes(1, 25, 65, 100, 65),
    "W3": Sizes(32, 100, 64, 256, 65),
    "W4": Sizes(1, 1000, 65, 100, 65),
}
KINDS = {"W1": "RNN", "W3": "RNN", "W4": "RNN", "W6 LSTM": "LSTM", "W6 GRU": "GRU"}


class Problem:
    """Weights and data, the same for every competitor."""

    def __init__(self, kind: str, sizes: Sizes) -> None:
        rng = np.random.default_rng(0)
        B, T, I, H, V = self.sizes = sizes
        self.kind = kind
        self.x = rng.normal(size=(T, B, I)).astype(np.float32)
        if B == 1:
            self.x = np.eye(I, dtype=np.float32)[rng.integers(0, I, T)][:, None]
        self.y = rng.integers(0, V, (T, B))
        self.layer = getattr(tg.nn, kind)(I, H, dtype=np.float32, rng=rng)
        self.linear = tg.nn.Linear(H, V, dtype=np.float32, rng=rng)

    def loss(self, x: Any, y: Any) -> tg.Tensor:
        """Softmax cross-entropy, summed over time and batch."""
        output, _ = self.layer(x)
        return tg.cross_entropy(self.linear(output), y, reduction="sum")

    def parameters(self) -> list[tg.Tensor]:
        """Of the layer and of Linear."""
        return [*self.layer.parameters(), *self.linear.parameters()]


def by_tape(problem: Problem) -> Step:
    """As it is."""

    def step() -> Any:
        for p in problem.parameters():
            p.grad = None
        loss = problem.loss(problem.x, problem.y)
        loss.backward()
        return loss.item()

    return step


def compiled(problem: Problem) -> Step:
    """The same step, compiled."""
    run = tg.compile(problem.loss)

    def step() -> Any:
        for p in problem.parameters():
            p.grad = None
        return run(problem.x, problem.y).item()

    return step


def by_hand(problem: Problem) -> Step:
    """A plain RNN's step in NumPy with one product for all inputs, outputs and weight gradients."""
    B, T, I, H, V = problem.sizes
    W_ih, W_hh, b_ih, b_hh, W_hy, b_y = (p.numpy() for p in problem.parameters())
    rows, y, picked = problem.x.reshape(T * B, I), problem.y.ravel(), np.arange(T * B)
    h = np.zeros((T + 1, B, H), np.float32)
    dz, p = np.empty((T, B, H), np.float32), np.empty((T * B, V), np.float32)
    dh, back, slope = (np.empty(shape, np.float32) for shape in [(B, H), (B, H), (T, B, H)])
    W_xT, W_hT, W_yT = (np.ascontiguousarray(W.T) for W in (W_ih, W_hh, W_hy))

    def step() -> Any:
        z = (rows @ W_xT + (b_ih + b_hh)).reshape(T, B, H)
        for t in range(T):
            np.dot(h[t], W_hT, h[t + 1])
            np.add(h[t + 1], z[t], h[t + 1])
            np.tanh(h[t + 1], h[t + 1])
        hs = h[1:].reshape(T * B, H)
        np.add(np.dot(hs, W_yT, p), b_y, p)
        np.subtract(p, p.max(1, keepdims=True), p)
        target = p[picked, y]
        np.exp(p, p)
        total = p.sum(1, keepdims=True)
        loss = float((np.log(total[:, 0]) - target).sum())
        np.divide(p, total, p)
        p[picked, y] -= 1
        dhs = (p @ W_hy).reshape(T, B, H)
        np.subtract(1, np.multiply(h[1:], h[1:], slope), slope)
        back.fill(0)
        for t in range(T - 1, -1, -1):
            np.add(dhs[t], back, dh)
            np.multiply(dh, slope[t], dz[t])
            np.dot(dz[t], W_hh, back)
        flat = dz.reshape(T * B, H)
        db = flat.sum(0)
        gradients = [flat.T @ rows, flat.T @ h[:-1].reshape(T * B, H), db, db]
        return loss, [*gradients, p.T @ hs, p.sum(0)]

    return lambda: step()[0]


def by_torch(problem: Problem) -> Step:
    """torch.nn's layer of the kind, with the same weights."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    _, _, I, H, V = problem.sizes
    layer, linear = getattr(torch.nn, problem.kind)(I, H), torch.nn.Linear(H, V)
    for ours, theirs in ((problem.layer, layer), (problem.linear, linear)):
        theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    x, y = torch.tensor(problem.x), torch.tensor(problem.y.ravel())
    parameters = [*layer.parameters(), *linear.parameters()]

    def step() -> Any:
        for p in parameters:
            p.grad = None
        logits = linear(layer(x)[0]).reshape(-1, V)
        loss = torch.nn.functional.cross_entropy(logits, y, reduction="sum")
        loss.backward()
        return loss.item()

    return step


def competitors(problem: Problem) -> dict[str, Step]:
    """Every way to take the step that there is here."""
    steps = {"compiled": compiled(problem), "tape": by_tape(problem)}
    if problem.kind == "RNN":
        steps["optimised NumPy"] = by_hand(problem)
    try:
        steps[f"torch.nn.{problem.kind}"] = by_torch(problem)
    except ModuleNotFoundError:
        print("  (PyTorch is not installed: left out)")
    return steps


def interleaved_medians(steps: dict[str, Step], seconds: float = 6.0) -> dict[str, float]:
    """Median seconds of a call; blocks of the competitors in turn, for about so long."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, step in steps.items():
            step()
            for _ in range(5):
                start = time.perf_counter()
                step()
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(measured) for name, measured in times.items()}


def measure(name: str) -> dict[str, float]:
    """Prints the medians of a workload, and what each is beside the compiled step; returns them."""
    problem = Problem(KINDS[name], SIZES.get(name, SIZES["W1"]))
    print(f"{name}: {problem.kind}, {problem.sizes}")
    steps = competitors(problem)
    losses = {each: step() for each, step in steps.items()}
    first = next(iter(losses.values()))
    for each, loss in losses.items():
        if abs(loss - first) > 1e-4 * abs(first):
            raise AssertionError(f"{each}: the loss is {loss}, not {first}")
    medians = interleaved_medians(steps)
    for each, median in medians.items():
        ratio = medians["compiled"] / median
        print(f"  {each:18s} {median * 1e3:9.3f} ms   compiled is x {ratio:.2f} of it")
    return medians


def main(names: list[str]) -> None:
    """Measures the workloads of these names, or all."""
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {os.cpu_count()} cores, threads {threads}, float32")
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}")
    for name in names or KINDS:
        measure(name)


if __name__ == "__main__":
    main(sys.argv[1:])
