"""What all optimisers share; their formulas are in tests/tables/optimisers.py."""

from __future__ import annotations

import copy
import json
import tracemalloc
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg

from .tables.found import public_kinds
from .tables.optimisers import SETTINGS

GRADIENTS = np.random.default_rng(0).normal(size=(6, 4))
START = np.linspace(-1.0, 1.0, 4)


def test_a_variance_that_rounds_below_0_is_0() -> None:
    """A constant gradient has variance 0, of which rounding must not make a root of -1e-17."""
    parameter = tg.nn.Parameter([0.0])
    optimizer = tg.optim.RMSprop([parameter], lr=1e-10, centered=True)
    for _ in range(5000):
        parameter.grad = tg.Tensor([0.1])
        optimizer.step()

    assert np.isfinite(parameter.data).all()


KINDS = list(public_kinds(tg.optim.Optimizer).values())
every_setting = pytest.mark.parametrize(("kind", "settings"), SETTINGS, ids=str)


@pytest.mark.parametrize("kind", KINDS)
def test_updates_happen_in_place_and_keep_the_dtype(kind: Any) -> None:
    """The parameter's array stays the same object, in float32 too; no gradient, no update."""
    moved, still = (tg.nn.Parameter(START, dtype=np.float32) for _ in range(2))
    array = moved.data
    optimizer = kind([moved, still], lr=0.1)
    moved.grad = tg.Tensor(np.ones(4), dtype=np.float32)

    optimizer.step()

    assert moved.data is array
    assert array.dtype == np.float32
    assert not np.array_equal(array, START.astype(np.float32))
    np.testing.assert_array_equal(still.data, START.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_arguments_are_named(kind: Any) -> None:
    """No parameters, a negative learning rate and things that are no leaves are refused."""
    parameter = tg.nn.Parameter(START)

    with pytest.raises(ValueError, match="no parameters"):
        kind([])
    with pytest.raises(ValueError, match="lr is -1"):
        kind([parameter], lr=-1.0)
    with pytest.raises(TypeError, match="not a leaf"):
        kind([parameter * 2])
    with pytest.raises(TypeError, match="not a leaf"):
        kind([np.ones(2)])


def test_options_that_exclude_each_other_are_refused() -> None:
    """nesterov needs momentum; betas lie in [0, 1)."""
    parameter = tg.nn.Parameter(START)

    with pytest.raises(ValueError, match="nesterov needs a momentum"):
        tg.optim.SGD([parameter], nesterov=True)
    with pytest.raises(ValueError, match=r"betas are \(1.0, 0.9\)"):
        tg.optim.Adam([parameter], betas=(1.0, 0.9))


def test_a_step_between_forward_and_backward_is_noticed() -> None:
    """The tape refuses gradients of a loss whose parameters have moved since."""
    parameter = tg.nn.Parameter(START)
    parameter.grad = tg.Tensor(np.ones(4))
    loss = (parameter * parameter).sum()

    tg.optim.SGD([parameter], lr=0.1).step()

    with pytest.raises(RuntimeError, match="written after it was recorded"):
        loss.backward()
    np.testing.assert_array_equal(parameter.grad.data, np.ones(4))


# What a step costs and keeps


def step(optimizer: tg.optim.Optimizer, seed: int) -> None:
    """One step along gradients drawn from the seed."""
    rng = np.random.default_rng(seed)
    for parameter in optimizer.parameters:
        gradient = rng.normal(size=parameter.shape)
        parameter.grad = tg.Tensor(gradient, dtype=parameter.dtype)
    optimizer.step()


@every_setting
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_steps_allocate_no_arrays(kind: Any, settings: dict[str, Any], dtype: Any) -> None:
    """After the first step, memory grows by less than a hundredth of a parameter."""
    parameter = tg.nn.Parameter(np.ones((300, 500)), dtype=dtype)
    optimizer = kind([parameter], **settings)
    step(optimizer, 0)

    grown = []
    tracemalloc.start()
    try:
        for _ in range(4):  # other threads may allocate meanwhile, but not at each of them
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            optimizer.step()
            _, peak = tracemalloc.get_traced_memory()
            grown.append(peak - before)
    finally:
        tracemalloc.stop()

    assert min(grown[1:]) < parameter.data.nbytes / 100


@every_setting
def test_gradients_are_not_changed(kind: Any, settings: dict[str, Any]) -> None:
    """A step reads them only, the first one and later ones."""
    parameter = tg.nn.Parameter(START)
    optimizer = kind([parameter], **settings)
    parameter.grad = tg.Tensor(GRADIENTS[0])

    for _ in range(3):
        optimizer.step()

    np.testing.assert_array_equal(parameter.grad.data, GRADIENTS[0])


@every_setting
def test_parameters_of_one_shape_do_not_mix(kind: Any, settings: dict[str, Any]) -> None:
    """Three optimised together, one in float32, move as they would alone."""
    alone, together = (
        [tg.nn.Parameter(START + k, dtype=dtype) for k, dtype in enumerate("fdd")] for _ in range(2)
    )
    optimizers = [kind([p], **settings) for p in alone] + [kind(together, **settings)]

    for k in range(4):
        for p in together + alone:
            p.grad = tg.Tensor(GRADIENTS[k] * p.data, dtype=p.dtype)
        for optimizer in optimizers:
            optimizer.step()

    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.data, other.data)


def test_settings_from_numpy_do_not_widen_parameters() -> None:
    """np.float64 settings give what Python's floats give, in float32."""
    results = []
    for number in (float, np.float64):
        parameter = tg.nn.Parameter(np.linspace(-1, 1, 1000), dtype=np.float32)
        betas = number(0.9), number(0.99)
        optimizer = tg.optim.Adam([parameter], lr=number(0.1), betas=betas, eps=number(1e-8))
        for seed in range(3):
            step(optimizer, seed)
        results.append(parameter.data)
        arrays = [x for x in optimizer.state[parameter].values() if np.ndim(x)]
        assert {x.dtype for x in arrays} == {np.dtype(np.float32)}

    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (1, 2, 3)], ids=str)
@every_setting
def test_parameters_may_have_any_shape(kind: Any, settings: dict[str, Any], shape: Any) -> None:
    """Numbers and empty ones too."""
    parameter = tg.nn.Parameter(np.ones(shape))
    optimizer = kind([parameter], **settings)

    step(optimizer, 0)
    step(optimizer, 1)

    assert parameter.data.shape == shape
    assert np.all(parameter.data != 1)


# Groups


def test_groups_have_settings_of_their_own() -> None:
    """What a group does not say is the optimiser's."""
    w, b = tg.nn.Parameter([1.0]), tg.nn.Parameter([1.0])
    optimizer = tg.optim.SGD([{"params": [w]}, {"params": b, "lr": 0.5}], lr=0.1)
    w.grad = b.grad = tg.Tensor([1.0])

    optimizer.step()

    assert (w.item(), b.item()) == (0.9, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    assert [group["momentum"] for group in optimizer.param_groups] == [0, 0]
    assert optimizer.parameters == [w, b]


def test_groups_may_be_changed_and_added() -> None:
    """A changed learning rate holds from the next step on."""
    w, b = tg.nn.Parameter([1.0]), tg.nn.Parameter([1.0])
    w.grad = b.grad = tg.Tensor([1.0])
    optimizer = tg.optim.SGD(iter([w]), lr=0.25)

    optimizer.step()
    optimizer.add_param_group({"params": (p for p in [b]), "lr": 0.5})
    optimizer.param_groups[0]["lr"] = 0.125
    optimizer.step()
    optimizer.zero_grad()

    assert (w.item(), b.item()) == (0.625, 0.5)
    assert (w.grad, b.grad) == (None, None)


def test_the_learning_rate_of_all_groups() -> None:
    """`lr` is all groups' where it is one, and sets every group's."""
    w, b = tg.nn.Parameter([1.0]), tg.nn.Parameter([1.0])
    optimizer = tg.optim.SGD([{"params": [w]}, {"params": [b], "lr": 0.5}], lr=0.1)

    with pytest.raises(ValueError, match=r"SGD: .*rates \[0.1, 0.5\], not one"):
        optimizer.lr
    optimizer.lr = 0.2

    assert optimizer.lr == 0.2
    assert [group["lr"] for group in optimizer.param_groups] == [0.2, 0.2]


def test_the_given_groups_are_not_changed() -> None:
    """The optimiser's groups are dicts of their own."""
    given = {"params": [tg.nn.Parameter([1.0])], "lr": 0.5}

    tg.optim.SGD([given]).param_groups[0]["lr"] = 0.1

    assert given.keys() == {"params", "lr"}
    assert given["lr"] == 0.5


def test_a_parameter_given_twice_is_refused() -> None:
    """Within a group, across groups and added later; then the groups are as before."""
    w, b = tg.nn.Parameter([1.0]), tg.nn.Parameter([2.0])

    with pytest.raises(ValueError, match="given twice"):
        tg.optim.SGD([w, b, w])
    with pytest.raises(ValueError, match="given twice"):
        tg.optim.SGD([{"params": [w]}, {"params": [b, w]}])
    optimizer = tg.optim.SGD([w])
    with pytest.raises(ValueError, match=r"given twice"):
        optimizer.add_param_group({"params": [b, w]})

    assert optimizer.parameters == [w]


def test_what_is_no_list_of_parameters_is_refused() -> None:
    """A Tensor, a module, a set, a method that was not called, a mix of tensors and groups."""
    linear = tg.nn.Linear(2, 3)
    for params in (linear.weight, linear, {linear.weight}, linear.parameters):
        with pytest.raises(TypeError, match="SGD: params must be"):
            tg.optim.SGD(params)
    with pytest.raises(TypeError, match=r"SGD: .* is no group"):
        tg.optim.SGD([{"params": [linear.weight]}, linear.bias])
    with pytest.raises(TypeError, match=r"SGD: .* is no group"):
        tg.optim.SGD([{"lr": 0.1}])


# Settings out of range


@pytest.mark.parametrize("value", [np.nan, -0.1, np.inf, "0.1", None], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_learning_rate_out_of_range_is_named(kind: Any, value: Any) -> None:
    """When the optimiser is made, when a group is added, and when a changed one is to be used."""
    w, b = tg.nn.Parameter(START), tg.nn.Parameter(START)
    words = f"{kind.__name__}: lr is {value!r}; it must be a finite number, at least 0"

    with pytest.raises(ValueError, match=words):
        kind([w], lr=value)
    optimizer = kind([w])
    with pytest.raises(ValueError, match=words):
        optimizer.add_param_group({"params": [b], "lr": value})
    optimizer.add_param_group({"params": [b]})
    optimizer.param_groups[1]["lr"] = value
    with pytest.raises(ValueError, match=words):
        step(optimizer, 0)

    np.testing.assert_array_equal(w.data, START)
    assert optimizer.state == {}


def test_unknown_settings_are_refused() -> None:
    """A misspelt one would otherwise be silently without effect."""
    parameter = tg.nn.Parameter(START)
    optimizer = tg.optim.SGD([parameter])
    optimizer.param_groups[0]["learning_rate"] = 0.1

    with pytest.raises(ValueError, match="there is no 'learning_rate', only lr, momentum"):
        tg.optim.SGD([{"params": [parameter], "learning_rate": 0.1}])
    with pytest.raises(ValueError, match="there is no 'learning_rate'"):
        optimizer.step()


@pytest.mark.parametrize("betas", [0.9, (0.9,), (0.9, 1.0), (np.nan, 0.9), (-0.1, 0.9)], ids=str)
def test_betas_are_two_numbers_below_1(betas: Any) -> None:
    """Anything else is named."""
    with pytest.raises(ValueError, match=r"Adam: betas are .*; there must be two"):
        tg.optim.Adam([tg.nn.Parameter(START)], betas=betas)


# States


def pair(kind: Any, settings: dict[str, Any], dtype: Any = np.float64) -> tg.optim.Optimizer:
    """An optimiser of two parameters in two groups and of one without any gradient."""
    shapes: list[tuple[int, ...]] = [(2, 3), (4,), (2,)]
    w, b, unused = (tg.nn.Parameter(np.ones(shape), dtype=dtype) for shape in shapes)
    optimizer: tg.optim.Optimizer = kind([{"params": [w, unused]}, {"params": [b]}], **settings)
    return optimizer


def some_steps(optimizer: tg.optim.Optimizer, seeds: range) -> None:
    """Steps in which the second parameter has no gradient."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        w, _, b = optimizer.parameters
        for p in (w, b):
            p.grad = tg.Tensor(rng.normal(size=p.shape), dtype=p.dtype)
        optimizer.step()


def through_text(state: dict[str, Any]) -> dict[str, Any]:
    """The state as JSON gives it back, arrays as lists."""
    text = json.dumps(state, default=lambda x: x.tolist())
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@every_setting
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("carried", [dict, through_text])
def test_a_state_goes_on_where_it_was_saved(
    carried: Any, dtype: Any, kind: Any, settings: dict[str, Any]
) -> None:
    """Four steps are three, saved and loaded by another optimiser, and one: bit by bit."""
    straight, saved, resumed = (pair(kind, settings, dtype) for _ in range(3))
    some_steps(straight, range(4))
    some_steps(saved, range(3))

    state = carried(saved.state_dict())
    some_steps(saved, range(9, 10))  # the state is a copy
    other = pair(kind, settings | {"lr": 9.0}, dtype)
    some_steps(resumed, range(3))
    for p, q in zip(other.parameters, resumed.parameters, strict=True):
        p.data = q.data
    other.load_state_dict(state)
    some_steps(other, range(3, 4))

    for p, q in zip(straight.parameters, other.parameters, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
        assert q.dtype == dtype
    assert_same_states(straight.state_dict(), other.state_dict())


def assert_same_states(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Equal in keys, numbers and arrays."""
    assert one["param_groups"] == other["param_groups"]
    assert one["state"].keys() == other["state"].keys()
    for k, entries in one["state"].items():
        assert entries.keys() == other["state"][k].keys()
        for name, value in entries.items():
            np.testing.assert_array_equal(value, other["state"][k][name])


def test_a_state_is_made_of_dicts_numbers_and_arrays() -> None:
    """Keys are the parameters' positions; one that never had a gradient has no entry."""
    optimizer = pair(tg.optim.Adam, {"lr": np.float32(0.5)})
    some_steps(optimizer, range(2))

    state = optimizer.state_dict()

    assert state["param_groups"][1] == {
        "params": [2], "lr": 0.5, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0,
        "amsgrad": False,
    }  # fmt: skip
    assert type(state["param_groups"][1]["lr"]) is float
    assert state["state"].keys() == {0, 2}
    assert state["state"][0]["step"] == 2
    assert {type(x) for x in state["state"][0].values()} == {int, np.ndarray}


def test_what_is_not_in_a_state_starts_anew() -> None:
    """SGD without momentum keeps nothing; loaded where something was kept, that is forgotten."""
    optimizer = pair(tg.optim.SGD, {})
    some_steps(optimizer, range(1))
    state = optimizer.state_dict()
    for group in optimizer.param_groups:
        group["momentum"] = 0.9
    some_steps(optimizer, range(2))
    assert optimizer.state_dict()["state"].keys() == {0, 2}

    optimizer.load_state_dict(state)

    assert state["state"] == {} == optimizer.state


@every_setting
def test_a_deep_copy_is_an_optimiser_of_its_own(kind: Any, settings: dict[str, Any]) -> None:
    """Of copied parameters, with a copied state, and it goes on as the first does."""
    one = pair(kind, settings)
    some_steps(one, range(2))

    other = copy.deepcopy(one)
    some_steps(one, range(2, 4))
    some_steps(other, range(2, 4))

    for p, q in zip(one.parameters, other.parameters, strict=True):
        assert p is not q
        np.testing.assert_array_equal(p.data, q.data)
    assert_same_states(one.state_dict(), other.state_dict())


def test_a_setting_turned_on_before_saving_can_be_loaded() -> None:
    """What it needs and does not have yet is saved as zeros, which is where it starts."""
    one, other = pair(tg.optim.Adam, {}), pair(tg.optim.Adam, {})
    some_steps(one, range(2))
    one.param_groups[0]["amsgrad"] = True

    other.load_state_dict(one.state_dict())
    some_steps(one, range(2, 3))
    some_steps(other, range(2, 3))

    assert_same_states(one.state_dict(), other.state_dict())


def test_a_state_that_does_not_fit_changes_nothing_and_names_every_difference() -> None:
    """Groups, settings, parameters, entries and shapes come in one error."""
    optimizer = pair(tg.optim.Adam, {"lr": 0.1})
    some_steps(optimizer, range(2))
    before, state = optimizer.state_dict(), optimizer.state_dict()
    state["param_groups"][0]["lr"] = -1.0
    state["param_groups"][0]["params"] = [0]
    del state["param_groups"][1]["eps"]
    state["param_groups"][1]["momentum"] = 0.9
    state["param_groups"].append({})
    del state["state"][0]["exp_avg"]
    state["state"][0]["exp_avg_sq"] = np.ones(7)
    state["state"][2]["sum"] = np.ones(4)
    state["state"][5] = {}
    differences = [
        "there are 3 groups, not 2",
        "group 0: params are [0], not [0, 1]",
        "group 0: lr is -1.0; it must be a finite number, at least 0",
        "group 1: eps is missing",
        "group 1: there is no 'momentum', only lr, betas, eps, weight_decay, amsgrad",
        "parameter 0: exp_avg is missing",
        "parameter 0: exp_avg_sq has shape (7,), not (2, 3)",
        "parameter 2: there is no 'sum'",
        "parameter 5: there is no such one",
    ]

    with pytest.raises(ValueError, match=r"\AAdam: load_state_dict: ") as caught:
        optimizer.load_state_dict(state)

    assert str(caught.value) == f"Adam: load_state_dict: {'; '.join(differences)}"
    assert_same_states(optimizer.state_dict(), before)


@pytest.mark.parametrize("missing", ["state", "param_groups"])
def test_a_state_without_a_part_is_refused(missing: str) -> None:
    """The part is named."""
    optimizer = pair(tg.optim.SGD, {})
    state = optimizer.state_dict()
    del state[missing]

    with pytest.raises(ValueError, match=f"'{missing}' is missing"):
        optimizer.load_state_dict(state)


def test_a_state_of_another_kind_is_refused() -> None:
    """Adam's is none of SGD's."""
    adam, sgd = pair(tg.optim.Adam, {}), pair(tg.optim.SGD, {})
    some_steps(adam, range(1))

    with pytest.raises(ValueError, match=r"there is no 'betas'.*there is no 'exp_avg'"):
        sgd.load_state_dict(adam.state_dict())


def test_options_that_exclude_each_other_are_refused_in_states_too() -> None:
    """What cannot be made cannot be loaded."""
    optimizer = pair(tg.optim.SGD, {})
    state = optimizer.state_dict()
    state["param_groups"][1]["nesterov"] = True

    with pytest.raises(ValueError, match="group 1: nesterov needs a momentum"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"state": {}, "param_groups": [3]}, "no list of dicts"),
        ({"state": [], "param_groups": []}, "no dict of dicts"),
        ({"state": {0: 5}, "param_groups": []}, "no dict of dicts"),
        ({"param_groups": []}, "'state' is missing"),
    ],
    ids=["a group that is none", "a list", "entries that are none", "without state"],
)
def test_what_is_no_state_is_refused(state: Any, words: str) -> None:
    """With words, and nothing has changed."""
    w = tg.Tensor([1.0], requires_grad=True)
    optimizer = tg.optim.Adam([w], lr=0.5)
    with pytest.raises(ValueError, match=words):
        optimizer.load_state_dict(state)
    assert optimizer.lr == 0.5


@pytest.mark.parametrize("count", [-1, np.nan])
def test_a_negative_step_is_refused(count: Any) -> None:
    """It would make the next step fail, as would one that is no number."""
    w = tg.Tensor([1.0], requires_grad=True)
    optimizer = tg.optim.Adam([w])
    (w * w).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    state["state"][0]["step"] = count
    with pytest.raises(ValueError, match=f"step is {count}"):
        optimizer.load_state_dict(state)
