"""The steps by other frameworks, each imported only where it is asked for: torch, jax, autograd."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from .programs import HOISTED, Functions, loss_of, start_of
from .workloads import Competitor, Problem, as_it_is


def torch_functions() -> Functions:
    """What torch calls them."""
    import torch

    F = torch.nn.functional
    return Functions(
        tanh=torch.tanh,
        sigmoid=torch.sigmoid,
        chunks=lambda x, n: x.chunk(n, -1),
        stack=torch.stack,
        cross_entropy=lambda o, y, reduction: F.cross_entropy(
            o.reshape(-1, o.shape[-1]), y.reshape(-1), reduction=reduction
        ),
        mse=F.mse_loss,
    )


def torch_eager(problem: Problem) -> Competitor:
    """The loop of whole steps."""
    import torch

    m = torch_functions()
    weights = [torch.tensor(w, requires_grad=True) for w in problem.weights]
    x, y, start = (torch.tensor(a) for a in (problem.x, problem.y, problem.start))

    def step() -> Any:
        for w in weights:
            w.grad = None
        loss = loss_of(m, problem, weights, x, y, start)
        loss.backward()
        return loss

    return Competitor(step, lambda loss: (loss.item(), [w.grad.numpy() for w in weights]))


def torch_layers(problem: Problem) -> tuple[Any, Any]:
    """torch.nn's layer of the kind and a Linear, with the problem's weights."""
    import torch

    _, _, I, H, O = problem.sizes
    W, U, b, *others, V, c = problem.weights
    dtype = getattr(torch, problem.dtype.name)
    layer = getattr(torch.nn, problem.kind)(I, H, dtype=dtype)
    linear = torch.nn.Linear(H, O, dtype=dtype)
    values = [W.T, U.T, b, others[0] if others else np.zeros_like(b), V.T, c]
    with torch.no_grad():
        for p, value in zip([*layer.parameters(), *linear.parameters()], values, strict=True):
            p.copy_(torch.tensor(value))
    return layer, linear


def torch_layer(problem: Problem) -> Competitor:
    """torch.nn's layer and a Linear."""
    import torch

    m, (layer, linear) = torch_functions(), torch_layers(problem)
    parameters = [*layer.parameters(), *linear.parameters()]
    x, y = torch.tensor(problem.x), torch.tensor(problem.y)

    def step() -> Any:
        for p in parameters:
            p.grad = None
        output, _ = layer(x)
        if problem.loss == "mse":
            loss = m.mse(linear(output[-1]), y)
        else:
            loss = m.cross_entropy(linear(output), y, problem.loss)
        loss.backward()
        return loss

    def read(loss: Any) -> Any:
        dW, dU, db, db_h, dV, dc = (p.grad.numpy() for p in parameters)
        return loss.item(), [dW.T, dU.T, db, *([db_h] * (problem.kind == "GRU")), dV.T, dc]

    return Competitor(step, read)


def jax_scan(problem: Problem) -> Competitor:
    """jax.jit of value_and_grad of a lax.scan; the inputs' part of all steps is one product."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    m = Functions(jnp.tanh, jax.nn.sigmoid, lambda x, n: jnp.split(x, n, -1), *[None] * 3)
    inputs, cell = HOISTED[problem.kind]

    def loss(weights: Any, x: Any, y: Any, start: Any) -> Any:
        *inner, V, c = weights

        def one(state: Any, z: Any) -> Any:
            state = cell(m, inner, z, state)
            return state, state[0]

        _, h = jax.lax.scan(one, start_of(problem.kind, start), inputs(inner, x))
        if problem.loss == "mse":
            return ((h[-1] @ V + c - y) ** 2).mean()
        logs = jax.nn.log_softmax(h @ V + c)
        total = -jnp.take_along_axis(logs, y[..., None], -1)
        return total.sum() if problem.loss == "sum" else total.mean()

    run = jax.jit(jax.value_and_grad(loss))
    arguments = jax.tree.map(jnp.asarray, (problem.weights, problem.x, problem.y, problem.start))
    return Competitor(lambda: jax.block_until_ready(run(*arguments)), as_it_is)


def autograd_eager(problem: Problem) -> Competitor:
    """autograd's value_and_grad of the loop of whole steps."""
    import autograd.numpy as anp
    from autograd import value_and_grad
    from autograd.tracer import getval

    def cross_entropy(o: Any, y: Any, reduction: str) -> Any:
        o = o - getval(o).max(-1, keepdims=True)
        T, B, _ = o.shape
        picked = o[np.arange(T)[:, None], np.arange(B), y]
        total = anp.sum(anp.log(anp.sum(anp.exp(o), axis=-1)) - picked)
        return total if reduction == "sum" else total / y.size

    m = Functions(
        tanh=anp.tanh,
        sigmoid=lambda x: 0.5 * anp.tanh(0.5 * x) + 0.5,
        chunks=lambda x, n: anp.split(x, n, axis=-1),
        stack=anp.stack,
        cross_entropy=cross_entropy,
        mse=lambda o, y: anp.mean((o - y) ** 2),
    )
    run = value_and_grad(
        lambda weights: loss_of(m, problem, weights, problem.x, problem.y, problem.start)
    )
    return Competitor(lambda: run(problem.weights), as_it_is)


Makers = dict[str, tuple[str, Callable[[Problem], Competitor]]]
PEERS: Makers = {
    "torch, loop": ("torch", torch_eager),
    "torch.nn": ("torch", torch_layer),
    "jax.jit": ("jax", jax_scan),
    "autograd": ("autograd", autograd_eager),
}


def installed(module: str) -> bool:
    """Whether a framework is there; says so where it is not."""
    found = importlib.util.find_spec(module) is not None
    if not found:
        print(f"  {module}: left out, it is not installed")
    return found


def every(problem: Problem) -> dict[str, Competitor]:
    """All peers that are there and have the problem's cell, by name."""
    there = {module: installed(module) for module in sorted({m for m, _ in PEERS.values()})}
    return {
        name: make(problem)
        for name, (module, make) in PEERS.items()
        if there[module] and not (name == "torch.nn" and problem.kind == "MGU")
    }
