"""Importing the package loads little; everything else comes when it is first used."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import tinygrad_rnn as tg

ROOMS = {"_version", "engine", "nn", "ops"}  # that are loaded at once
HEAVY = {"dataclasses", "graphviz", "json", "logging", "numpy.random", "subprocess", "xml"}


def fresh(code: str) -> Any:
    """What `found` is after the code was run by another Python."""
    code = f"import json, sys\n{code}\nprint(json.dumps(found))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_importing_loads_the_operations_the_engine_and_the_layers() -> None:
    """No other room is loaded with them, and nothing heavy of the standard library's."""
    done = subprocess.run(
        [sys.executable, "-c", "import tinygrad_rnn, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(done.stdout.split())
    assert {name.split(".")[1] for name in modules if name.startswith("tinygrad_rnn.")} == ROOMS
    beyond = modules - set(fresh("import numpy; found = list(sys.modules)"))
    assert beyond & HEAVY == set()


def test_every_public_name_is_found_at_first_use() -> None:
    """Each is there, is among those that completion sees, and is the same afterwards."""
    found = fresh(
        "import tinygrad_rnn as tg; seen = dir(tg)\n"
        "found = [n for n in tg.__all__ if n not in seen or getattr(tg, n) is not getattr(tg, n)]"
    )
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "from tinygrad_rnn import fit; found = fit.__name__",
        "from tinygrad_rnn import *; found = fit.__name__",
        "import tinygrad_rnn as tg; found = tg.training.fit.__name__",
        "import tinygrad_rnn.training; found = tinygrad_rnn.training.fit.__name__",
        "from tinygrad_rnn import training as room; found = room.fit.__name__",
    ],
)
def test_what_is_loaded_later_is_imported_as_ever(code: str) -> None:
    """By each form of import, as the first that is done."""
    assert fresh(code) == "fit"


@pytest.mark.parametrize(
    "shown", ["tg.Tensor([1.0])", "tg.nn.Linear(1, 1)", "tg.nn.Parameter([1.0])"]
)
def test_a_notebook_loads_what_it_needs(shown: str) -> None:
    """What shows Tensors and Modules is loaded when one is shown."""
    before, after, keys = fresh(
        "import tinygrad_rnn as tg\n"
        f"x, before = {shown}, 'tinygrad_rnn.views' in sys.modules\n"
        "bundle = x._repr_mimebundle_(include=None, exclude=None)\n"
        "found = before, 'tinygrad_rnn.views' in sys.modules, list(bundle)"
    )
    assert (before, after) == (False, True)
    assert "text/plain" in keys


def test_a_pickle_loads_what_it_needs() -> None:
    """What was pickled comes back in a Python that has not loaded its room."""
    code = "import tinygrad_rnn as tg, pickle; found = pickle.dumps(tg.training.History()).hex()"
    back = f"import pickle; found = pickle.loads(bytes.fromhex({fresh(code)!r})).loss"
    assert fresh(back) == []


def test_unknown_names_are_no_attributes() -> None:
    """As of any module; the error names the package and the name."""
    with pytest.raises(AttributeError, match=r"'tinygrad_rnn' has no attribute 'tahn'"):
        _ = tg.tahn
