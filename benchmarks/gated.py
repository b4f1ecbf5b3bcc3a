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

IN_CACHE = 2**17  # entries of the gates of the steps that are treated at once


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
        self.spare = [self.empty(B, H) for _ in range(3)]
        self.x = problem.x.reshape(T * B, I)

    def empty(self, *shape: int) -> Array:
        """An array to be filled."""
        return np.empty(shape, self.problem.dtype)

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

    def forward(self) -> None:
        """The states; a keeps tanh of what the gates are of, gates their values."""
        self.project(*self.problem.weights[:3])
        T, B, G, H = self.a.shape
        z, a, gates = (array.reshape(T, B, G * H) for array in (self.z, self.a, self.gates))
        dot, add, multiply, tanh = np.dot, np.add, np.multiply, np.tanh
        h, c, tanh_c, U, (spare, *_) = self.h, self.c, self.tanh_c, self.U, self.spare
        for t in range(T):
            a_t, gates_t, new = a[t], gates[t], c[t + 1]
            dot(h[t], U, out=a_t)
            add(a_t, z[t], out=a_t)
            tanh(a_t, out=a_t)
            multiply(a_t, self.scale, out=gates_t)
            add(gates_t, self.shift, out=gates_t)
            i, f, g, o = self.gates[t].swapaxes(0, 1)
            multiply(f, c[t], out=new)
            multiply(i, g, out=spare)
            add(new, spare, out=new)
            tanh(new, out=tanh_c[t + 1])
            multiply(o, tanh_c[t + 1], out=h[t + 1])

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
        T, B, G, H = self.d.shape
        dot, add, multiply = np.dot, np.add, np.multiply
        U_T, (back, dc, carried) = self.problem.weights[1].T, self.spare
        dh, through, factors, d = self.dh, self.through, self.factors, self.d
        rows, column = d.reshape(T, B, G * H), dc[:, None]
        carried.fill(0)
        arriving = dh[-1]
        for part in self.parts[::-1]:
            self.prepare(part)
            for t in range(part.stop - 1, part.start - 1, -1):
                multiply(arriving, through[t], out=dc)
                add(dc, carried, out=dc)
                multiply(factors[t, :, :3], column, out=d[t, :, :3])
                multiply(factors[t, :, 3], arriving, out=d[t, :, 3])
                multiply(dc, self.gates[t, :, 1], out=carried)
                if t:
                    arriving = dot(rows[t], U_T, out=back)
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
        self.side = [self.empty(len(g), self.scale.size) for g in self.gradients[:2]]

    def forward(self) -> None:
        """The states; a keeps r, u and h U_n + b_n, z becomes n in its last block."""
        W, U, b, b_h = self.problem.weights[:4]
        T, B, _, H = self.a.shape
        both = b.copy()
        both[: 2 * H] += b_h[: 2 * H]
        self.project(W, U, both)
        dot, add, multiply, tanh = np.dot, np.add, np.multiply, np.tanh
        h, U, a, b_n, half = self.h, self.U, self.a.reshape(T, B, -1), b_h[2 * H :], self.half
        z, (spare, *_) = self.z.reshape(T, B, -1), self.spare
        for t in range(T):
            a_t, gates, inner, n = a[t], a[t, :, : 2 * H], a[t, :, 2 * H :], z[t, :, 2 * H :]
            dot(h[t], U, out=a_t)
            add(gates, z[t, :, : 2 * H], out=gates)
            tanh(gates, out=gates)
            multiply(gates, half, out=gates)
            add(gates, half, out=gates)
            add(inner, b_n, out=inner)
            multiply(inner, gates[:, :H], out=spare)
            add(n, spare, out=n)
            tanh(n, out=n)
            np.subtract(h[t], n, out=spare)
            multiply(spare, gates[:, H:], out=spare)
            add(spare, n, out=h[t + 1])

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
        T, B, G, H = self.d.shape
        dot, add, multiply = np.dot, np.add, np.multiply
        U_T, (back, carried, _) = self.problem.weights[1].T, self.spare
        dh, d, u = self.dh, self.d, self.a[:, :, 1]
        inner, arriving = d.reshape(T, B, G * H)[:, :, H:], dh[-1]
        for part in self.parts[::-1]:
            self.prepare(part)
            for t in range(part.stop - 1, part.start - 1, -1):
                multiply(self.factors[t], arriving[:, None], out=d[t])
                if t:
                    multiply(arriving, u[t], out=carried)
                    arriving = dot(inner[t], U_T, out=back)
                    add(back, carried, out=back)
                    add(back, dh[t - 1], out=back)

    def products(self, before: Array) -> None:
        """dW, dU and both db; dW's blocks come in the order n, r, u."""
        H, d, (dW, dU, db, db_h) = before.shape[1], self.d, self.gradients
        rows = d.reshape(len(self.ones), -1)
        sums, side = np.dot(self.ones, rows), self.side[0]
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
        steps = zip(self.h, self.f, self.n, self.gated, self.z, self.h[1:], strict=False)
        for h, f, n, gated, z_t, new in steps:
            dot(h, U_f, out=f)
            add(f, z_t[:, 0], out=f)
            tanh(f, out=f)
            multiply(f, half, out=f)
            add(f, half, out=f)
            multiply(f, h, out=gated)
            dot(gated, U_n, out=n)
            add(n, z_t[:, 1], out=n)
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
        arriving[:] = self.dh[-1]
        for part in self.parts[::-1]:
            self.prepare(part)
            for t in range(part.stop - 1, part.start - 1, -1):
                (d_f, d_n), (of_f, of_n) = self.d[t].swapaxes(0, 1), self.factors[t].swapaxes(0, 1)
                multiply(arriving, of_n, out=d_n)
                dot(d_n, U_nT, out=dq)
                multiply(arriving, of_f, out=d_f)
                multiply(dq, self.of_gated[t], out=spare)
                add(d_f, spare, out=d_f)
                if t:
                    multiply(arriving, self.of_h[t], out=arriving)
                    multiply(dq, self.f[t], out=dq)
                    add(arriving, dq, out=arriving)
                    dot(d_f, U_fT, out=spare)
                    add(arriving, spare, out=arriving)
                    add(arriving, self.dh[t - 1], out=arriving)

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
