"""The plain network's step written out in NumPy, backward pass and all; no framework.

`min_char_rnn` and `per_step` are how one writes it first. `Plain` is as fast as NumPy allows: one
product for the inputs of all steps and one for each weight's gradient, every result in an array
that is kept, weights as they are. `Joined` is `Plain` for a single sequence, with fewer calls.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .readout import CrossEntropy, SquaredError
from .workloads import Array, Competitor, Problem, as_it_is

Result = tuple[float, list[Array]]
LARGE = 4096  # entries of a step's state from which its slope is better computed on the way back


def min_char_rnn(problem: Problem) -> Competitor:
    """As min-char-rnn has it: column vectors, a product and an outer product per time step."""
    W, U, V = (np.ascontiguousarray(problem.weights[k].T) for k in (0, 1, 3))
    b, c = problem.weights[2][:, None], problem.weights[4][:, None]
    ids, targets, I = problem.ids[:, 0].tolist(), problem.y[:, 0].tolist(), problem.sizes.I

    def forward() -> tuple[float, Any, Any, Any]:
        xs, hs, ps = {}, {-1: problem.start.T}, {}
        loss = 0.0
        for t, character in enumerate(ids):
            xs[t] = np.zeros((I, 1), problem.dtype)
            xs[t][character] = 1
            hs[t] = np.tanh(np.dot(W, xs[t]) + np.dot(U, hs[t - 1]) + b)
            y = np.dot(V, hs[t]) + c
            ps[t] = np.exp(y) / np.sum(np.exp(y))
            loss += -np.log(ps[t][targets[t], 0])
        return loss, xs, hs, ps

    def step() -> tuple[float, list[Array]]:
        loss, xs, hs, ps = forward()
        dW, dU, db, dV, dc = (np.zeros_like(weight) for weight in (W, U, b, V, c))
        dh_next = np.zeros_like(hs[0])
        for t in reversed(range(len(ids))):
            dy = np.copy(ps[t])
            dy[targets[t]] -= 1
            dV += np.dot(dy, hs[t].T)
            dc += dy
            dh = np.dot(V.T, dy) + dh_next
            dz = (1 - hs[t] * hs[t]) * dh
            db += dz
            dW += np.dot(dz, xs[t].T)
            dU += np.dot(dz, hs[t - 1].T)
            dh_next = np.dot(U.T, dz)
        return loss, [dW.T, dU.T, db[:, 0], dV.T, dc[:, 0]]

    return Competitor(step, as_it_is)


def per_step(problem: Problem) -> Competitor:
    """The same for a batch in rows, and for either loss: products per time step, new arrays."""
    W, U, b, V, c = problem.weights
    x, y, T = problem.x, problem.y, problem.sizes.T
    rows = np.arange(problem.sizes.B)
    scale = 1 if problem.loss == "sum" else 1 / y.size

    def output(t: int, h: Array) -> tuple[float, Array]:
        o = np.dot(h, V) + c
        if problem.loss == "mse":
            d = o - y
            return float(np.mean(d * d)), d * (2 * scale)
        e = np.exp(o - o.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        loss = -float(np.log(p[rows, y[t]]).sum()) * scale
        p[rows, y[t]] -= 1
        return loss, p * scale

    def step() -> tuple[float, list[Array]]:
        hs, dys, loss = {-1: problem.start}, {}, 0.0
        for t in range(T):
            hs[t] = np.tanh(np.dot(x[t], W) + np.dot(hs[t - 1], U) + b)
            if problem.loss != "mse" or t == T - 1:
                part, dys[t] = output(t, hs[t])
                loss += part
        dW, dU, db, dV, dc = (np.zeros_like(weight) for weight in problem.weights)
        dh = np.zeros_like(problem.start)
        for t in reversed(range(T)):
            if t in dys:
                dV += np.dot(hs[t].T, dys[t])
                dc += dys[t].sum(0)
                dh = dh + np.dot(dys[t], V.T)
            dz = (1 - hs[t] * hs[t]) * dh
            db += dz.sum(0)
            dW += np.dot(x[t].T, dz)
            dU += np.dot(hs[t - 1].T, dz)
            dh = np.dot(dz, U.T)
        return loss, [dW, dU, db, dV, dc]

    return Competitor(step, as_it_is)


class Plain:
    """The optimised step. copied: whether backward multiplies by a contiguous copy of Uᵀ.

    examples: of the whole batch, where the problem is a part of it.
    """

    def __init__(self, problem: Problem, copied: bool = False, examples: int | None = None) -> None:
        T, B, _, H, _ = problem.sizes
        self.problem, self.every = problem, problem.loss != "mse"
        self.readout = (CrossEntropy if self.every else SquaredError)(problem, examples or B)
        self.h, self.z, self.dz, self.slope = (
            np.empty((n, B, H), problem.dtype) for n in (T + 1, T, T, T)
        )
        self.h[0] = problem.start
        self.dh = np.empty((T if self.every else 1, B, H), problem.dtype)
        self.spare, self.U_T = np.empty((B, H), problem.dtype), np.empty((H, H), problem.dtype)
        self.copied, self.late = copied, B * H >= LARGE
        self.gradients = [np.empty_like(weight) for weight in problem.weights[:3]]
        self.ones, self.one = np.ones(T * B, problem.dtype), np.ones((), problem.dtype)
        arrays = (self.h, self.z, self.dz, self.slope, self.dh, self.spare[None])
        self.steps = [list(a.reshape(len(a), H) if B == 1 else a) for a in arrays]
        self.rows = [a.reshape(-1, a.shape[-1]) for a in (*arrays, problem.x)]

    def __call__(self) -> Result:
        """Loss and gradients; the arrays are overwritten by the next call."""
        _, U, _, V, c = self.problem.weights
        self.forward()
        h, _, dz, _, dh, _, x = self.rows
        B = self.problem.sizes.B
        loss = self.readout(h[B:] if self.every else h[-B:], V, c, dh)
        if self.copied:
            np.copyto(self.U_T, U.T)
        self.backward(self.U_T if self.copied else U.T)
        dW, dU, db = self.gradients
        np.dot(x.T, dz, out=dW)
        np.dot(h[:-B].T, dz, out=dU)
        np.dot(self.ones, dz, out=db)
        return loss, [dW, dU, db, self.readout.dV, self.readout.dc]

    def forward(self) -> None:
        """The states."""
        W, U, b, _, _ = self.problem.weights
        _, z_all, _, _, _, _, x = self.rows
        h, z, _, _, _, (spare,) = self.steps
        dot, add, tanh = np.dot, np.add, np.tanh
        dot(x, W, out=z_all)
        add(z_all, b, out=z_all)
        for h_t, z_t, new in zip(h, z, h[1:], strict=False):
            dot(h_t, U, out=spare)
            add(spare, z_t, out=spare)
            tanh(spare, out=new)

    def backward(self, U_T: Array) -> None:
        """The gradients dz of what tanh is taken of."""
        dot, add, multiply = np.dot, np.add, np.multiply
        h, _, dz, slope, dh, (spare,) = self.steps
        if not self.late:
            multiply(self.h[1:], self.h[1:], out=self.slope)
            np.subtract(self.one, self.slope, out=self.slope)
        arriving = dh[-1]
        for t in range(len(dz) - 1, -1, -1):
            s, dz_t = slope[t], dz[t]
            if self.late:
                s = slope[0]
                multiply(h[t + 1], h[t + 1], out=s)
                np.subtract(self.one, s, out=s)
            multiply(arriving, s, out=dz_t)
            if t:
                arriving = dot(dz_t, U_T, out=spare)
                if self.every:
                    add(arriving, dh[t - 1], out=arriving)


class Joined:
    """`Plain` for one sequence: z_t = [h_{t-1} x_t 1] [U; W; b], so that a step is two calls."""

    def __init__(self, problem: Problem) -> None:
        T, _, I, H, _ = problem.sizes
        self.problem, self.readout = problem, CrossEntropy(problem, 1)
        self.s = np.zeros((T + 1, H + I + 1), problem.dtype)
        self.s[:T, H:-1], self.s[:, -1] = problem.x[:, 0], 1
        self.dz, self.slope, self.dh = (np.empty((T, H), problem.dtype) for _ in range(3))
        self.joined = np.empty((H + I + 1, H), problem.dtype)
        self.gradient, self.spare = np.empty_like(self.joined), np.empty(H, problem.dtype)
        self.h, self.one = np.empty((T, H), problem.dtype), np.ones((), problem.dtype)
        self.steps = [list(a) for a in (self.s, self.s[1:, :H], self.dz, self.slope, self.dh)]

    def __call__(self) -> Result:
        """Loss and gradients; the arrays are overwritten by the next call."""
        W, U, b, V, c = self.problem.weights
        H = len(U)
        np.concatenate([U, W, b[None]], out=self.joined)
        self.forward()
        np.copyto(self.h, self.s[1:, :H])
        loss = self.readout(self.h, V, c, self.dh)
        self.backward(U.T)
        np.dot(self.s[:-1].T, self.dz, out=self.gradient)
        dU, dW, db = self.gradient[:H], self.gradient[H:-1], self.gradient[-1]
        return loss, [dW, dU, db, self.readout.dV, self.readout.dc]

    def forward(self) -> None:
        """The states, each in its row of s."""
        dot, tanh, joined, spare = np.dot, np.tanh, self.joined, self.spare
        for s_t, h_t in zip(self.steps[0], self.steps[1], strict=False):
            dot(s_t, joined, out=spare)
            tanh(spare, out=h_t)

    def backward(self, U_T: Array) -> None:
        """The gradients dz of what tanh is taken of."""
        dot, add, multiply, spare = np.dot, np.add, np.multiply, self.spare
        _, _, dz, slope, dh = (a[::-1] for a in self.steps)
        multiply(self.h, self.h, out=self.slope)
        np.subtract(self.one, self.slope, out=self.slope)
        multiply(dh[0], slope[0], out=dz[0])
        for later, dh_t, slope_t, dz_t in zip(dz, dh[1:], slope[1:], dz[1:], strict=False):
            dot(later, U_T, out=spare)
            add(spare, dh_t, out=spare)
            multiply(spare, slope_t, out=dz_t)


def in_blocks(problem: Problem, rows: int, workers: int = 1) -> Competitor:
    """`Plain` for so many rows of the batch at a time, which stay in the cache; also in threads."""
    B = problem.sizes.B
    bounds = [(start, min(start + rows, B)) for start in range(0, B, rows)]
    blocks = [Plain(problem.rows(*bound), examples=B) for bound in bounds]
    if workers == 1:
        return Competitor(lambda: total(blocks), as_it_is)
    pool = ThreadPoolExecutor(workers)
    shares = [blocks[k::workers] for k in range(min(workers, len(blocks)))]
    return Competitor(lambda: total([lambda r=r: r for r in pool.map(total, shares)]), as_it_is)


def total(blocks: list[Any]) -> Result:
    """The sum of what the blocks give."""
    loss, first = blocks[0]()
    gradients = [g.copy() for g in first]
    for block in blocks[1:]:
        part, others = block()
        loss += part
        for g, other in zip(gradients, others, strict=True):
            np.add(g, other, out=g)
    return loss, gradients


def optimised(make: Callable[..., Any], problem: Problem, **settings: Any) -> Competitor:
    """A class of optimised steps as a competitor."""
    return Competitor(make(problem, **settings), as_it_is)
