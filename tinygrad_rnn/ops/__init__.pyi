# Written by `python -m tests.stubs`, from the operations' own signatures.

from collections.abc import Iterable, Sequence
from typing import Any, Literal, overload

from numpy.typing import DTypeLike

from ..engine.tensor import Tensor
from . import elementary as elementary
from . import elementwise as elementwise
from . import likelihood as likelihood
from . import linalg as linalg
from . import loss as loss
from . import parts as parts
from . import products as products
from . import reduce as reduce
from . import rows as rows
from . import shape as shape
from .op import Array, Numbers, Op
from .reduce import Axis

__all__: list[str] = [
    "abs",
    "add",
    "addmm",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "astype",
    "binary_cross_entropy_with_logits",
    "broadcast_to",
    "clip",
    "concatenate",
    "cos",
    "cosh",
    "cross_entropy",
    "cumsum",
    "diagonal",
    "divide",
    "dot",
    "einsum",
    "equal",
    "exp",
    "expand_dims",
    "expm1",
    "flip",
    "getitem",
    "greater",
    "greater_equal",
    "huber_loss",
    "inner",
    "kron",
    "l1_loss",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "mse_loss",
    "multiply",
    "negative",
    "norm",
    "not_equal",
    "outer",
    "pad",
    "positive",
    "power",
    "prod",
    "ravel",
    "reciprocal",
    "relu",
    "repeat",
    "reshape",
    "roll",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softmax",
    "softplus",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "swapaxes",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensordot",
    "tile",
    "trace",
    "transpose",
    "tril",
    "triu",
    "unbind",
    "var",
    "where",
]

Operand = Tensor | Numbers

class _abs(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

abs: _abs

class _add(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

add: _add

class _addmm(Op):
    @overload
    def __call__(self, c: Tensor, a: Operand, b: Operand) -> Tensor: ...
    @overload
    def __call__(self, c: Numbers, a: Tensor, b: Operand) -> Tensor: ...
    @overload
    def __call__(self, c: Numbers, a: Numbers, b: Tensor) -> Tensor: ...
    @overload
    def __call__(self, c: Numbers, a: Numbers, b: Numbers) -> Array: ...

addmm: _addmm

class _arccos(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

arccos: _arccos

class _arccosh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

arccosh: _arccosh

class _arcsin(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

arcsin: _arcsin

class _arcsinh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

arcsinh: _arcsinh

class _arctan(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

arctan: _arctan

class _arctanh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

arctanh: _arctanh

@overload
def astype(x: Tensor, dtype: DTypeLike) -> Tensor: ...
@overload
def astype(x: Numbers, dtype: DTypeLike) -> Array: ...
@overload
def binary_cross_entropy_with_logits(
    logits: Tensor,
    targets: Operand,
    *,
    weight: Operand | None = None,
    pos_weight: Operand | None = None,
    reduction: str = "mean",
) -> Tensor: ...
@overload
def binary_cross_entropy_with_logits(
    logits: Numbers,
    targets: Tensor,
    *,
    weight: Operand | None = None,
    pos_weight: Operand | None = None,
    reduction: str = "mean",
) -> Tensor: ...
@overload
def binary_cross_entropy_with_logits(
    logits: Numbers,
    targets: Numbers,
    *,
    weight: Tensor,
    pos_weight: Operand | None = None,
    reduction: str = "mean",
) -> Tensor: ...
@overload
def binary_cross_entropy_with_logits(
    logits: Numbers,
    targets: Numbers,
    *,
    weight: Numbers | None = None,
    pos_weight: Tensor,
    reduction: str = "mean",
) -> Tensor: ...
@overload
def binary_cross_entropy_with_logits(
    logits: Numbers,
    targets: Numbers,
    *,
    weight: Numbers | None = None,
    pos_weight: Numbers | None = None,
    reduction: str = "mean",
) -> Array: ...

class _broadcast_to(Op):
    @overload
    def __call__(self, x: Tensor, shape: tuple[int, ...]) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, shape: tuple[int, ...]) -> Array: ...

broadcast_to: _broadcast_to

class _clip(Op):
    @overload
    def __call__(
        self, x: Tensor, a_min: Operand | None = None, a_max: Operand | None = None
    ) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, a_min: Tensor, a_max: Operand | None = None) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, a_min: Numbers | None, a_max: Tensor) -> Tensor: ...
    @overload
    def __call__(
        self, x: Numbers, a_min: Numbers | None = None, a_max: Numbers | None = None
    ) -> Array: ...

clip: _clip

class _concatenate(Op):
    @overload
    def __call__(self, xs: Array, axis: int | None = 0) -> Array: ...
    @overload
    def __call__(self, xs: Iterable[Tensor], axis: int | None = 0) -> Tensor: ...
    @overload
    def __call__(self, xs: Iterable[Numbers], axis: int | None = 0) -> Array: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, xs: Iterable[Operand], axis: int | None = 0) -> Tensor: ...

concatenate: _concatenate

class _cos(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

cos: _cos

class _cosh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

cosh: _cosh

@overload
def cross_entropy(
    logits: Tensor,
    targets: Operand,
    *,
    weight: Operand | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor: ...
@overload
def cross_entropy(
    logits: Numbers,
    targets: Tensor,
    *,
    weight: Operand | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor: ...
@overload
def cross_entropy(
    logits: Numbers,
    targets: Numbers,
    *,
    weight: Tensor,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor: ...
@overload
def cross_entropy(
    logits: Numbers,
    targets: Numbers,
    *,
    weight: Numbers | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Array: ...
@overload
def cumsum(x: Tensor, axis: int | None = None) -> Tensor: ...
@overload
def cumsum(x: Numbers, axis: int | None = None) -> Array: ...
@overload
def diagonal(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
@overload
def diagonal(x: Numbers, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array: ...

class _divide(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

divide: _divide

@overload
def dot(a: Tensor, b: Operand) -> Tensor: ...
@overload
def dot(a: Numbers, b: Tensor) -> Tensor: ...
@overload
def dot(a: Numbers, b: Numbers) -> Array: ...
@overload
def einsum(subscripts: str, first: Tensor, /, *operands: Operand) -> Tensor: ...
@overload
def einsum(subscripts: str, first: Numbers, second: Tensor, /, *operands: Operand) -> Tensor: ...
@overload
def einsum(subscripts: str, *operands: Numbers) -> Array: ...
@overload
def einsum(subscripts: str, *operands: Operand) -> Tensor | Array: ...

class _equal(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

equal: _equal

class _exp(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

exp: _exp

@overload
def expand_dims(x: Tensor, axis: int | Sequence[int]) -> Tensor: ...
@overload
def expand_dims(x: Numbers, axis: int | Sequence[int]) -> Array: ...

class _expm1(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

expm1: _expm1

@overload
def flip(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor: ...
@overload
def flip(x: Numbers, axis: int | Sequence[int] | None = None) -> Array: ...
@overload
def getitem(x: Tensor, index: Any) -> Tensor: ...
@overload
def getitem(x: Numbers, index: Any) -> Array: ...

class _greater(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

greater: _greater

class _greater_equal(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

greater_equal: _greater_equal

@overload
def huber_loss(
    prediction: Tensor, target: Operand, *, delta: float = 1.0, reduction: str = "mean"
) -> Tensor: ...
@overload
def huber_loss(
    prediction: Numbers, target: Tensor, *, delta: float = 1.0, reduction: str = "mean"
) -> Tensor: ...
@overload
def huber_loss(
    prediction: Numbers, target: Numbers, *, delta: float = 1.0, reduction: str = "mean"
) -> Array: ...
@overload
def inner(a: Tensor, b: Operand) -> Tensor: ...
@overload
def inner(a: Numbers, b: Tensor) -> Tensor: ...
@overload
def inner(a: Numbers, b: Numbers) -> Array: ...
@overload
def kron(a: Tensor, b: Operand) -> Tensor: ...
@overload
def kron(a: Numbers, b: Tensor) -> Tensor: ...
@overload
def kron(a: Numbers, b: Numbers) -> Array: ...
@overload
def l1_loss(prediction: Tensor, target: Operand, *, reduction: str = "mean") -> Tensor: ...
@overload
def l1_loss(prediction: Numbers, target: Tensor, *, reduction: str = "mean") -> Tensor: ...
@overload
def l1_loss(prediction: Numbers, target: Numbers, *, reduction: str = "mean") -> Array: ...

class _less(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

less: _less

class _less_equal(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

less_equal: _less_equal

class _log(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

log: _log

class _log1p(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

log1p: _log1p

class _log_softmax(Op):
    @overload
    def __call__(self, x: Tensor, axis: Axis = -1) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, axis: Axis = -1) -> Array: ...

log_softmax: _log_softmax

class _logaddexp(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

logaddexp: _logaddexp

class _logsumexp(Op):
    @overload
    def __call__(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, axis: Axis = None, keepdims: bool = False) -> Array: ...

logsumexp: _logsumexp

class _matmul(Op):
    @overload
    def __call__(self, a: Tensor, b: Operand) -> Tensor: ...
    @overload
    def __call__(self, a: Numbers, b: Tensor) -> Tensor: ...
    @overload
    def __call__(self, a: Numbers, b: Numbers) -> Array: ...

matmul: _matmul

class _max(Op):
    @overload
    def __call__(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, axis: Axis = None, keepdims: bool = False) -> Array: ...

max: _max

class _maximum(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

maximum: _maximum

class _mean(Op):
    @overload
    def __call__(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, axis: Axis = None, keepdims: bool = False) -> Array: ...

mean: _mean

class _min(Op):
    @overload
    def __call__(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, axis: Axis = None, keepdims: bool = False) -> Array: ...

min: _min

class _minimum(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

minimum: _minimum

@overload
def moveaxis(
    x: Tensor, source: int | Sequence[int], destination: int | Sequence[int]
) -> Tensor: ...
@overload
def moveaxis(
    x: Numbers, source: int | Sequence[int], destination: int | Sequence[int]
) -> Array: ...
@overload
def mse_loss(prediction: Tensor, target: Operand, *, reduction: str = "mean") -> Tensor: ...
@overload
def mse_loss(prediction: Numbers, target: Tensor, *, reduction: str = "mean") -> Tensor: ...
@overload
def mse_loss(prediction: Numbers, target: Numbers, *, reduction: str = "mean") -> Array: ...

class _multiply(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

multiply: _multiply

class _negative(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

negative: _negative

@overload
def norm(
    x: Tensor, ord: float | Literal["fro"] | None = None, axis: Axis = None, keepdims: bool = False
) -> Tensor: ...
@overload
def norm(
    x: Numbers, ord: float | Literal["fro"] | None = None, axis: Axis = None, keepdims: bool = False
) -> Array: ...

class _not_equal(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

not_equal: _not_equal

@overload
def outer(a: Tensor, b: Operand) -> Tensor: ...
@overload
def outer(a: Numbers, b: Tensor) -> Tensor: ...
@overload
def outer(a: Numbers, b: Numbers) -> Array: ...
@overload
def pad(
    x: Tensor, pad_width: Numbers, mode: str = "constant", *, constant_values: Numbers = 0
) -> Tensor: ...
@overload
def pad(
    x: Numbers, pad_width: Numbers, mode: str = "constant", *, constant_values: Numbers = 0
) -> Array: ...

class _positive(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

positive: _positive

class _power(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

power: _power

@overload
def prod(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
@overload
def prod(x: Numbers, axis: Axis = None, keepdims: bool = False) -> Array: ...
@overload
def ravel(x: Tensor) -> Tensor: ...
@overload
def ravel(x: Numbers) -> Array: ...

class _reciprocal(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

reciprocal: _reciprocal

class _relu(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

relu: _relu

@overload
def repeat(x: Tensor, repeats: Numbers, axis: int | None = None) -> Tensor: ...
@overload
def repeat(x: Numbers, repeats: Numbers, axis: int | None = None) -> Array: ...

class _reshape(Op):
    @overload
    def __call__(self, x: Tensor, shape: int | Sequence[int]) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, shape: int | Sequence[int]) -> Array: ...

reshape: _reshape

@overload
def roll(
    x: Tensor, shift: int | Sequence[int], axis: int | Sequence[int] | None = None
) -> Tensor: ...
@overload
def roll(
    x: Numbers, shift: int | Sequence[int], axis: int | Sequence[int] | None = None
) -> Array: ...

class _sigmoid(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

sigmoid: _sigmoid

class _sign(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

sign: _sign

class _sin(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

sin: _sin

class _sinh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

sinh: _sinh

class _softmax(Op):
    @overload
    def __call__(self, x: Tensor, axis: Axis = -1) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, axis: Axis = -1) -> Array: ...

softmax: _softmax

class _softplus(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

softplus: _softplus

@overload
def sort(x: Tensor, axis: int | None = -1) -> Tensor: ...
@overload
def sort(x: Numbers, axis: int | None = -1) -> Array: ...
@overload
def split(x: Tensor, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]: ...
@overload
def split(x: Numbers, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]: ...

class _sqrt(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

sqrt: _sqrt

class _square(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

square: _square

@overload
def squeeze(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor: ...
@overload
def squeeze(x: Numbers, axis: int | Sequence[int] | None = None) -> Array: ...

class _stack(Op):
    @overload
    def __call__(self, xs: Array, axis: int = 0) -> Array: ...
    @overload
    def __call__(self, xs: Iterable[Tensor], axis: int = 0) -> Tensor: ...
    @overload
    def __call__(self, xs: Iterable[Numbers], axis: int = 0) -> Array: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, xs: Iterable[Operand], axis: int = 0) -> Tensor: ...

stack: _stack

class _std(Op):
    @overload
    def __call__(
        self, x: Tensor, axis: Axis = None, ddof: float = 0, keepdims: bool = False
    ) -> Tensor: ...
    @overload
    def __call__(
        self, x: Numbers, axis: Axis = None, ddof: float = 0, keepdims: bool = False
    ) -> Array: ...

std: _std

class _subtract(Op):
    @overload
    def __call__(self, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...

subtract: _subtract

class _sum(Op):
    @overload
    def __call__(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, axis: Axis = None, keepdims: bool = False) -> Array: ...

sum: _sum

@overload
def swapaxes(x: Tensor, axis1: int, axis2: int) -> Tensor: ...
@overload
def swapaxes(x: Numbers, axis1: int, axis2: int) -> Array: ...
@overload
def take(x: Tensor, indices: Operand, axis: int | None = None) -> Tensor: ...
@overload
def take(x: Numbers, indices: Numbers, axis: int | None = None) -> Array: ...
@overload
def take_along_axis(x: Tensor, indices: Operand, axis: int | None = -1) -> Tensor: ...
@overload
def take_along_axis(x: Numbers, indices: Numbers, axis: int | None = -1) -> Array: ...

class _tan(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

tan: _tan

class _tanh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers) -> Array: ...

tanh: _tanh

@overload
def tensordot(a: Tensor, b: Operand, axes: int | Sequence[Any] = 2) -> Tensor: ...
@overload
def tensordot(a: Numbers, b: Tensor, axes: int | Sequence[Any] = 2) -> Tensor: ...
@overload
def tensordot(a: Numbers, b: Numbers, axes: int | Sequence[Any] = 2) -> Array: ...
@overload
def tile(x: Tensor, reps: int | Sequence[int]) -> Tensor: ...
@overload
def tile(x: Numbers, reps: int | Sequence[int]) -> Array: ...
@overload
def trace(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
@overload
def trace(x: Numbers, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array: ...

class _transpose(Op):
    @overload
    def __call__(self, x: Tensor, axes: Sequence[int] | None = None) -> Tensor: ...
    @overload
    def __call__(self, x: Numbers, axes: Sequence[int] | None = None) -> Array: ...

transpose: _transpose

@overload
def tril(x: Tensor, k: int = 0) -> Tensor: ...
@overload
def tril(x: Numbers, k: int = 0) -> Array: ...
@overload
def triu(x: Tensor, k: int = 0) -> Tensor: ...
@overload
def triu(x: Numbers, k: int = 0) -> Array: ...
@overload
def unbind(x: Tensor, axis: int = 0) -> list[Tensor]: ...
@overload
def unbind(x: Numbers, axis: int = 0) -> list[Array]: ...

class _var(Op):
    @overload
    def __call__(
        self, x: Tensor, axis: Axis = None, ddof: float = 0, keepdims: bool = False
    ) -> Tensor: ...
    @overload
    def __call__(
        self, x: Numbers, axis: Axis = None, ddof: float = 0, keepdims: bool = False
    ) -> Array: ...

var: _var

class _where(Op):
    @overload
    def __call__(self, condition: Tensor, x: Operand, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, condition: Numbers, x: Tensor, y: Operand) -> Tensor: ...
    @overload
    def __call__(self, condition: Numbers, x: Numbers, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, condition: Numbers, x: Numbers, y: Numbers) -> Array: ...

where: _where
