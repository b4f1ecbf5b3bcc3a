"""One training step of a character RNN, the tape against the same step written by hand.

Both compute loss and all gradients of example 03's model (T=25, V=65, H=100, B=1, float32) in one
process, in turn; what is printed are medians, and the median of the ratios of all rounds. The
hand-written step follows Karpathy's min-char-rnn: a product and an outer product per time step.

Run: python benchmarks/char_rnn.py
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import tinygrad_rnn as tg

T, V, H = 25, 65, 100
Step = Callable[[], tuple[float, list[np.ndarray]]]


class Problem:
    """Weights, a window of characters and its targets, the same for every competitor."""

    def __init__(self, dtype: type = np.float32) -> None:
        rng = np.random.default_rng(0)
        self.ids = rng.integers(0, V, T)
        self.targets = rng.integers(0, V, T)
        self.rnn = tg.nn.RNN(V, H, dtype=dtype, rng=rng)
        self.linear = tg.nn.Linear(H, V, dtype=dtype, rng=rng)
        self.dtype = dtype


def by_tape(problem: Problem, unroll: bool = False) -> Step:
    """The RNN layer and Linear on one-hot characters, backward by the tape."""
    rnn, linear = problem.rnn, problem.linear
    parameters = [*rnn.parameters(), *linear.parameters()]
    x = np.eye(V, dtype=problem.dtype)[problem.ids][:, None]
    h_0 = np.zeros((1, 1, H), problem.dtype)

    def step() -> tuple[float, list[np.ndarray]]:
        for parameter in parameters:
            parameter.grad = None
        rnn.unroll = unroll
        output, _ = rnn(x, h_0)
        logits = linear(output.reshape(T, H))
        loss = tg.cross_entropy(logits, problem.targets, reduction="sum")
        loss.backward()
        return loss.item(), [parameter.grad.data for parameter in parameters]

    return step


def by_hand(problem: Problem) -> Step:
    """The step as min-char-rnn has it: column vectors, dictionaries by time step."""
    W_xh, W_hh, b_ih, b_hh = (parameter.numpy() for parameter in problem.rnn.parameters())
    W_hy, b_y = (parameter.numpy() for parameter in problem.linear.parameters())
    b_h, b_y = (b_ih + b_hh)[:, None], b_y[:, None]
    inputs, targets = problem.ids.tolist(), problem.targets.tolist()

    def step() -> tuple[float, list[np.ndarray]]:
        xs, hs, ps = {}, {-1: np.zeros((H, 1), problem.dtype)}, {}
        loss = 0.0
        for t in range(T):
            xs[t] = np.zeros((V, 1), problem.dtype)
            xs[t][inputs[t]] = 1
            hs[t] = np.tanh(np.dot(W_xh, xs[t]) + np.dot(W_hh, hs[t - 1]) + b_h)
            y = np.dot(W_hy, hs[t]) + b_y
            ps[t] = np.exp(y) / np.sum(np.exp(y))
            loss += -np.log(ps[t][targets[t], 0])
        dW_xh, dW_hh, dW_hy = np.zeros_like(W_xh), np.zeros_like(W_hh), np.zeros_like(W_hy)
        db_h, db_y = np.zeros_like(b_h), np.zeros_like(b_y)
        dh_next = np.zeros_like(hs[0])
        for t in reversed(range(T)):
            dy = np.copy(ps[t])
            dy[targets[t]] -= 1
            dW_hy += np.dot(dy, hs[t].T)
            db_y += dy
            dh = np.dot(W_hy.T, dy) + dh_next
            dz = (1 - hs[t] * hs[t]) * dh
            db_h += dz
            dW_xh += np.dot(dz, xs[t].T)
            dW_hh += np.dot(dz, hs[t - 1].T)
            dh_next = np.dot(W_hh.T, dz)
        return float(loss), [dW_xh, dW_hh, db_h[:, 0], db_h[:, 0], dW_hy, db_y[:, 0]]

    return step


def agree(steps: dict[str, Step], tolerance: float = 1e-4) -> None:
    """Stops where a competitor's loss or a gradient differs from the first one's."""
    first, *others = steps.values()
    loss, gradients = first()
    for other in others:
        other_loss, other_gradients = other()
        np.testing.assert_allclose(other_loss, loss, rtol=tolerance)
        for a, b in zip(gradients, other_gradients, strict=True):
            np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance * np.abs(a).max())


def interleaved_medians(
    steps: dict[str, Step], rounds: int = 60, calls: int = 20
) -> dict[str, list[float]]:
    """Median seconds of a call in each round; in a round all competitors meet the same machine."""
    medians: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            step()
            times = []
            for _ in range(calls):
                start = time.perf_counter()
                step()
                times.append(time.perf_counter() - start)
            medians[name].append(statistics.median(times))
    return medians


def seconds_per_call(function: Callable[[], object], calls: int = 2000, rounds: int = 30) -> float:
    """The least mean of `calls` calls over `rounds` rounds."""
    means = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        means.append((time.perf_counter() - start) / calls)
    return min(means)


def main() -> dict[str, float]:
    """Prints the medians and returns the ratios to the hand-written step."""
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, threads {threads}"
    )
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}, T={T} V={V} H={H} B=1 float32")
    problem = Problem()
    steps = {
        "by hand (min-char-rnn)": by_hand(problem),
        "tape, nn.RNN": by_tape(problem),
        "tape, nn.RNN(unroll=True)": by_tape(problem, unroll=True),
    }
    agree(steps)
    medians = interleaved_medians(steps)
    hand = medians["by hand (min-char-rnn)"]
    ratios = {
        name: statistics.median(t / h for t, h in zip(times, hand, strict=True))
        for name, times in medians.items()
    }
    for name, times in medians.items():
        print(f"{name:28s} {statistics.median(times) * 1e3:8.3f} ms   x {ratios[name]:.2f}")
    array = np.ones((4, 4))
    leaf = tg.Tensor(array, requires_grad=True)
    bare = seconds_per_call(lambda: np.add(array, array))
    recorded = seconds_per_call(lambda: leaf + leaf)
    print(f"np.add on (4, 4) {bare * 1e6:.2f} us, recorded {recorded * 1e6:.2f} us", end="")
    print(f"   x {recorded / bare:.2f}")
    return ratios


if __name__ == "__main__":
    main()
