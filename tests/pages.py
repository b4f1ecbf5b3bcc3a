"""A two-step RNN and its page, for the tests that read pages and those that open them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn.engine.tape import tape

T, B, I, H, O = 2, 5, 2, 4, 3
NASTY = [
    "</script><script>window.injected = 1</script>",
    "<!--<script>",
    "-->",
    "<img src=x onerror='window.injected = 1'>",
    "\" onload='window.injected = 1'",
    "\u2028window.injected = 1\u2029",
    "'; window.injected = 1; //",
    "${window.injected = 1}",
    "&lt;b&gt; &amp; %%DATA%%",
    "\ud800 alone",
    "]]>",
    "__proto__",
    "σ(日本) 🎉",
]


class Computed(NamedTuple):
    """A loss after its backward pass, in which every node kept its gradient; names of nodes."""

    loss: tg.Tensor
    names: dict[str, tg.Tensor]
    nodes: list[tg.Tensor]


def two_steps() -> Computed:
    """h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h), y = W_hy h_2 + b_y, softmax and cross-entropy."""
    rng = np.random.default_rng(0)
    shapes = {"W_xh": (H, I), "W_hh": (H, H), "b_h": (H, 1), "W_hy": (O, H), "b_y": (O, 1)}
    names = {k: tg.Tensor(rng.normal(size=s), requires_grad=True) for k, s in shapes.items()}
    W_xh, W_hh, b_h, W_hy, b_y = names.values()
    h = names["h_0"] = tg.Tensor(rng.normal(size=(H, B)))
    for t in range(1, T + 1):
        x = names[f"x_{t}"] = tg.Tensor(rng.normal(size=(I, B)))
        with tg.scope(f"t={t}"):
            z = names[f"z_{t}"] = W_xh @ x + W_hh @ h + b_h
            h = names[f"h_{t}"] = tg.tanh(z)
    y = names["y"] = W_hy @ h + b_y
    target = names["target"] = tg.Tensor(np.eye(O)[:, rng.integers(O, size=B)])
    loss = names["loss"] = -tg.sum(target * tg.log(tg.softmax(y, axis=0)))
    return with_gradients(loss, names)


def with_gradients(loss: tg.Tensor, names: dict[str, tg.Tensor] | None = None) -> Computed:
    """The loss after a backward pass in which every node kept its gradient."""
    nodes = tape(loss)
    for node in nodes:
        if node.op is not None and node.requires_grad:
            node.retain_grad()
    loss.backward()
    return Computed(loss, names or {}, nodes)


def page_data(page: Path) -> dict[str, Any]:
    """The data in a page."""
    text = page.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    found: dict[str, Any] = json.loads(data)
    return found


def entries(shown: dict[str, Any]) -> np.ndarray[Any, Any]:
    """An array out of the page's data, which has all of it."""
    assert shown["block"] == [1, 1]
    return np.array(shown["cells"], dtype=float).reshape(shown["shape"])
