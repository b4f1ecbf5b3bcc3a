"""The steps of gated networks written out in NumPy, as fast as it allows: LSTM, GRU, and an MGU.

σ(a) = (1 + tanh(a/2)) / 2, so the gates' columns of the weights are halved in a copy and one tanh
serves all of them. What the way back multiplies by is computed for as many steps at once as stay
in the cache. Letters: `programs`, `workloads.shapes`; d is the gradient of what stands behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .readout import CrossEntropy
from .workloads import Array, Problem

IN_CACHE = 2**16  # entries of the gates of the steps that are treated at once


class Gated:
    """What the three share: buffers, the outputs, and the frame of a step.

    blocks: how many blocks of H columns the way back writes. scales: of each gate's columns.
    """

    blocks = 0
    scales: Sequence[float] = ()

    def __init__(self, problem: Problem) -> None:
        T, B, I, H, _ = problem.sizes
        gates = len(self.scales)
        self.problem, self.readout = problem, CrossEntropy(problem, B)
        self.h, self.dh = self.empty(T + 1, B, H), self.empty(T, B, H)
        self.h[0] = problem.start
        self.a, self.z = self.empty(T, B, gates, H), self.empty(T, B, gates, H)
        self.factors = self.empty(T, B, self.blocks, H)
        self.d = self.empty(T, B, self.blocks, H)
        self.scale = np.repeat(np.array(self.scales, problem.dtype), H)
        self.W, self.U = self.empty(I, gates * H), self.empty(H, gates * H)
        self.ones, self.one = np.ones(T * B, problem.dtype), np.ones((), problem.dtype)
        self.half = problem.dtype.type(0.5) * self.one
        chunk = max(1, IN_CACHE // (B * gates * H))
        self.parts = [slice(t, min(t + chunk, T)) for t in range(0, T, chunk)]
        self.gradients = [np.empty_like(weight) for weight in problem.weights[:-2]]
        self.spare = self.steps(self.empty(3, B, H))
        self.x = problem.x.reshape(T * B, I)

    def empty(self, *shape: int) -> Array:
        """An array to be filled."""
        return np.empty(shape, self.problem.dtype)

    def steps(self, array: Array) -> list[Array]:
        """The part of each step (B, ...); without B where there is one sequence."""
        return [part[0] if len(part) == 1 else part for part in array]

    def rows(self, array: Array) -> list[Array]:
        """The same with the gates' columns side by side."""
        return self.steps(array.reshape(*array.shape[:2], -1))

    def gate(self, array: Array, k: int) -> list[Array]:
        """The same of one gate."""
        return self.steps(array[:, :, k])

    def __call__(self) -> tuple[float, list[Array]]:
        """Loss and gradients; the arrays are overwritten by the next call."""
        *_, V, c = self.problem.weights
        H = len(V)
        self.forward()
        loss = self.readout(self.h[1:].reshape(-1, H), V, c, self.dh.reshape(-1, H))
        self.backward()
        self.products(self.h[:-1].reshape(-1, H))
        return loss, [*self.gradients, self.readout.dV, self.readout.dc]

    def project(self, W: Array, U: Array, b: Array) -> None:
        """z of all steps, from weights whose gates are scaled."""
        np.multiply(W, self.scale, out=self.W)
        np.multiply(U, self.scale, out=self.U)
        z = self.z.reshape(len(self.ones), -1)
        np.dot(self.x, self.W, out=z)
        np.add(z, b * self.scale, out=z)

    def forward(self) -> None:
        """The states."""
        raise NotImplementedError

    def backward(self) -> None:
        """d for all steps."""
        raise NotImplementedError

    def products(self, before: Array) -> None:
        """The weights' gradients; before: the states that the steps started from."""
        raise NotImplementedError


class LSTM(Gated):
    """Gates i, f, g, o."""

    blocks, scales = 4, (0.5, 0.5, 1.0, 0.5)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        T, B, _, H, _ = problem.sizes
        self.c, self.tanh_c, self.through = self.empty(T + 1, B, H), self.h.copy(), self.dh.copy()
        self.c[0] = problem.start
        self.gates, self.shift = self.empty(T, B, 4, H), np.repeat([0.5, 0.5, 0.0, 0.5], H)
        self.shift = self.shift.astype(problem.dtype)
        h, c, steps = self.steps(self.h), self.steps(self.c), self.steps
        sums = [self.rows(array) for array in (self.a, self.z, self.gates)]
        gates = [self.gate(self.gates, k) for k in range(4)]
        tanh_c, new = steps(self.tanh_c[1:]), (h[1:], c[1:])
        self.there = list(zip(h, c, *sums, *gates, tanh_c, *new, strict=False))
        of_c = (steps(array[:, :, :3]) for array in (self.factors, self.d))
        of_o = (self.gate(array, 3) for array in (self.factors, self.d))
        back = (steps(self.through), *of_c, *of_o, gates[1], self.rows(self.d))
        self.back = list(zip(*back, strict=True))

    def forward(self) -> None:
        """The states; a keeps tanh of what the gates are of, gates their values."""
        self.project(*self.problem.weights[:3])
        dot, add, multiply, tanh = np.dot, np.add, np.multiply, np.tanh
        U, scale, shift, (spare, *_) = self.U, self.scale, self.shift, self.spare
        for h, c, a, z, gates, i, f, g, o, tanh_c, h_new, c_new in self.there:
            dot(h, U, out=a)
            add(a, z, out=a)
            tanh(a, out=a)
            multiply(a, scale, out=gates)
            add(gates, shift, out=gates)
            multiply(f, c, out=c_new)
            multiply(i, g, out=spare)
            add(c_new, spare, out=c_new)
            tanh(c_new, out=tanh_c)
            multiply(o, tanh_c, out=h_new)

    def prepare(self, part: slice) -> None:
        """What gradients of c (for i, f, g) and of h (for o) are multiplied by, for some steps."""
        factors, slope = self.factors[part], self.a[part]
        later = slice(part.start + 1, part.stop + 1)
        i, _, g, o = np.moveaxis(self.gates[part], 2, 0)
        np.multiply(slope, slope, out=slope)
        np.subtract(self.one, slope, out=slope)
        for k, (factor, value) in enumerate(((0.25, g), (0.25, self.c[part]), (1.0, i))):
            np.multiply(slope[:, :, k], value, out=factors[:, :, k])
            if factor != 1:
                np.multiply(factors[:, :, k], factor, out=factors[:, :, k])
        np.multiply(slope[:, :, 3], self.tanh_c[later], out=factors[:, :, 3])
        np.multiply(factors[:, :, 3], 0.25, out=factors[:, :, 3])
        through = self.through[part]
        np.multiply(self.tanh_c[later], self.tanh_c[later], out=through)
        np.subtract(self.one, through, out=through)
        np.multiply(through, o, out=through)

    def backward(self) -> None:
        """d of the gates' sums."""
        dot, add, multiply = np.dot, np.add, np.multiply
        U_T, (back, dc, carried) = self.problem.weights[1].T, self.spare
        dh, column = self.steps(self.dh), dc[..., None, :]
        carried.fill(0)
        arriving = dh[-1]
        for part in self.parts[::-1]:
            self.prepare(part)
            for t in range(part.stop - 1, part.start - 1, -1):
                through, of_c, d_c, of_o, d_o, f, d = self.back[t]
                multiply(arriving, through, out=dc)
                add(dc, carried, out=dc)
                multiply(of_c, column, out=d_c)
                multiply(of_o, arriving, out=d_o)
                multiply(dc, f, out=carried)
                if t:
                    arriving = dot(d, U_T, out=back)
                    add(back, dh[t - 1], out=back)

    def products(self, before: Array) -> None:
        """dW, dU and db."""
        d, (dW, dU, db) = self.d.reshape(len(self.ones), -1), self.gradients
        np.dot(self.x.T, d, out=dW)
        np.dot(before.T, d, out=dU)
        np.dot(self.ones, d, out=db)


class GRU(Gated):
    """Gates r, u and n, of which d's blocks are n, r, u, and r n: r's product with d of n."""

    blocks, scales = 4, (0.5, 0.5, 1.0)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        _, _, I, H, _ = problem.sizes
        self.side = self.empty(I, 3 * H)
        h, a, z = self.steps(self.h), self.rows(self.a), self.rows(self.z)
        both = ([row[..., : 2 * H] for row in rows] for rows in (a, z))
        self.u, n = self.gate(self.a, 1), self.gate(self.z, 2)
        gates = (self.gate(self.a, 0), self.u, self.gate(self.a, 2), n)
        self.there = list(zip(h, a, *both, *gates, h[1:], strict=False))
        inner = [row[..., H:] for row in self.rows(self.d)]
        self.back = list(zip(*map(self.steps, (self.factors, self.d)), inner, strict=True))

    def forward(self) -> None:
        """The states; a keeps r, u and h U_n + b_n, z becomes n in its last block."""
        W, U, b, b_h = self.problem.weights[:4]
        H = len(U)
        both = b.copy()
        both[: 2 * H] += b_h[: 2 * H]
        self.project(W, U, both)
        dot, add, multiply, tanh = np.dot, np.add, np.multiply, np.tanh
        U, b_n, half, (spare, *_) = self.U, b_h[2 * H :], self.half, self.spare
        for h, a, gates, z, r, u, inner, n, new in self.there:
            dot(h, U, out=a)
            add(gates, z, out=gates)
            tanh(gates, out=gates)
            multiply(gates, half, out=gates)
            add(gates, half, out=gates)
            add(inner, b_n, out=inner)
            multiply(inner, r, out=spare)
            add(n, spare, out=n)
            tanh(n, out=n)
            np.subtract(h, n, out=spare)
            multiply(spare, u, out=spare)
            add(spare, n, out=new)

    def prepare(self, part: slice) -> None:
        """What a gradient of h is multiplied by to give d, for some steps."""
        r, u, inner = np.moveaxis(self.a[part], 2, 0)
        of_n, of_r, of_u, of_rn = np.moveaxis(self.factors[part], 2, 0)
        n, multiply, subtract = self.z[part][:, :, 2], np.multiply, np.subtract
        multiply(n, n, out=of_n)
        subtract(self.one, of_n, out=of_n)
        subtract(self.one, u, out=of_u)
        multiply(of_n, of_u, out=of_n)
        multiply(of_u, u, out=of_u)
        subtract(self.h[part], n, out=of_r)
        multiply(of_u, of_r, out=of_u)
        multiply(of_n, r, out=of_rn)
        subtract(self.one, r, out=of_r)
        multiply(of_r, of_rn, out=of_r)
        multiply(of_r, inner, out=of_r)

    def backward(self) -> None:
        """d of the gates' sums."""
        dot, add, multiply = np.dot, np.add, np.multiply
        U_T, (back, carried, _) = self.problem.weights[1].T, self.spare
        dh, u = self.steps(self.dh), self.u
        arriving = dh[-1]
        for part in self.parts[::-1]:
            self.prepare(part)
            for t in range(part.stop - 1, part.start - 1, -1):
                factors, d, inner = self.back[t]
                multiply(factors, arriving[..., None, :], out=d)
                if t:
                    multiply(arriving, u[t], out=carried)
                    arriving = dot(inner, U_T, out=back)
                    add(back, carried, out=back)
                    add(back, dh[t - 1], out=back)

    def products(self, before: Array) -> None:
        """dW, dU and both db; dW's blocks come in the order n, r, u."""
        H, d, (dW, dU, db, db_h) = before.shape[1], self.d, self.gradients
        rows = d.reshape(len(self.ones), -1)
        sums, side = np.dot(self.ones, rows), self.side
        np.dot(self.x.T, rows[:, : 3 * H], out=side)
        dW[:, : 2 * H], dW[:, 2 * H :] = side[:, H:], side[:, :H]
        np.dot(before.T, rows[:, H:], out=dU)
        db[: 2 * H], db[2 * H :], db_h[:] = sums[H : 3 * H], sums[:H], sums[H:]


class MGU(Gated):
    """The gate f, then n."""

    blocks, scales = 2, (0.5, 1.0)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        T, B, _, H, _ = problem.sizes
        self.gated, self.n, self.f = (self.empty(T, B, H) for _ in range(3))
        self.of_h, self.of_gated = self.empty(T, B, H), self.empty(T, B, H)
        self.U_f, self.dW = self.empty(H, H), np.empty_like(self.W)
        h, f, n, gated = (self.steps(array) for array in (self.h, self.f, self.n, self.gated))
        z = (self.gate(self.z, k) for k in range(2))
        self.there = list(zip(h, f, n, gated, *z, h[1:], strict=False))
        ways = (self.gate(array, k) for array in (self.d, self.factors) for k in range(2))
        others = (self.steps(array) for array in (self.of_h, self.of_gated))
        self.back = list(zip(*ways, *others, f, strict=True))

    def forward(self) -> None:
        """The states, f, n and gated = f h."""
        W_f, U_f, b_f, W_n, U_n, b_n = self.problem.weights[:-2]
        np.multiply(U_f, self.half, out=self.U_f)
        W, b = np.concatenate([W_f, W_n], 1), np.concatenate([b_f, b_n])
        np.multiply(W, self.scale, out=self.W)
        z = self.z.reshape(len(self.ones), -1)
        np.add(np.dot(self.x, self.W, out=z), b * self.scale, out=z)
        dot, add, multiply, tanh = np.dot, np.add, np.multiply, np.tanh
        U_f, half, (spare, *_) = self.U_f, self.half, self.spare
        for h, f, n, gated, z_f, z_n, new in self.there:
            dot(h, U_f, out=f)
            add(f, z_f, out=f)
            tanh(f, out=f)
            multiply(f, half, out=f)
            add(f, half, out=f)
            multiply(f, h, out=gated)
            dot(gated, U_n, out=n)
            add(n, z_n, out=n)
            tanh(n, out=n)
            multiply(f, n, out=spare)
            add(h, spare, out=new)
            np.subtract(new, gated, out=new)

    def prepare(self, part: slice) -> None:
        """What gradients of h (and of gated, for f) are multiplied by, for some steps."""
        f, n, h = self.f[part], self.n[part], self.h[part]
        of_f, of_n = np.moveaxis(self.factors[part], 2, 0)
        of_h, of_gated = self.of_h[part], self.of_gated[part]
        np.multiply(n, n, out=of_n)
        np.subtract(self.one, of_n, out=of_n)
        np.multiply(of_n, f, out=of_n)
        np.subtract(self.one, f, out=of_h)
        np.multiply(f, of_h, out=of_f)
        np.multiply(of_f, h, out=of_gated)
        np.multiply(of_f, n, out=of_f)
        np.subtract(of_f, of_gated, out=of_f)

    def backward(self) -> None:
        """d of both sums."""
        _, U_f, _, _, U_n, _ = self.problem.weights[:-2]
        U_fT, U_nT, (dq, arriving, spare) = U_f.T, U_n.T, self.spare
        dot, add, multiply = np.dot, np.add, np.multiply
        dh = self.steps(self.dh)
        np.copyto(arriving, dh[-1])
        for part in self.parts[::-1]:
            self.prepare(part)
            for t in range(part.stop - 1, part.start - 1, -1):
                d_f, d_n, of_f, of_n, of_h, of_gated, f = self.back[t]
                multiply(arriving, of_n, out=d_n)
                dot(d_n, U_nT, out=dq)
                multiply(arriving, of_f, out=d_f)
                multiply(dq, of_gated, out=spare)
                add(d_f, spare, out=d_f)
                if t:
                    multiply(arriving, of_h, out=arriving)
                    multiply(dq, f, out=dq)
                    add(arriving, dq, out=arriving)
                    dot(d_f, U_fT, out=spare)
                    add(arriving, spare, out=arriving)
                    add(arriving, dh[t - 1], out=arriving)

    def products(self, before: Array) -> None:
        """The gradients of W, U and b of f, then of n."""
        H, rows = before.shape[1], self.d.reshape(len(self.ones), -1)
        dW_f, dU_f, db_f, dW_n, dU_n, db_n = self.gradients
        np.dot(self.x.T, rows, out=self.dW)
        sums = np.dot(self.ones, rows)
        np.dot(before.T, rows[:, :H], out=dU_f)
        np.dot(self.gated.reshape(-1, H).T, rows[:, H:], out=dU_n)
        dW_f[:], dW_n[:] = self.dW[:, :H], self.dW[:, H:]
        db_f[:], db_n[:] = sums[:H], sums[H:]


OPTIMISED: dict[str, Any] = {"LSTM": LSTM, "GRU": GRU, "MGU": MGU}
