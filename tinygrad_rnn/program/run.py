"""run: a Program carried out on arrays, into buffers that are kept from call to call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.tensor import Tensor
from ..ops import matmul, sigmoid
from ..ops.op import Array, Op
from ..ops.parts import getitem_
from ..ops.shape import checked_
from .code import function_of
from .kernels import UFUNCS, KernelCall, calls_of, part_of, writes_in_place
from .layout import ALIASES, Contiguous, Layout, covers, with_members_copied, with_transposes_copied
from .program import Equation, Program, Var

Buffer = Var | Contiguous  # what has memory of its own


class OutputCall(NamedTuple):
    """The call that gives a result, but for the new array that it writes into.

    before, after: the arguments around that array. written: its shape.
    """

    function: Any
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    written: tuple[int, ...]
    dtype: np.dtype[Any]
    shape: tuple[int, ...] | None  # of the result, if it is another

    def __call__(self) -> Array:
        """The result."""
        out = np.empty(self.written, self.dtype)
        self.function(*self.before, out, *self.after)
        return out if self.shape is None else out.reshape(self.shape)


class Runner:
    """A Program made ready to run: an array for each value, and a list of calls."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._copied: set[Tensor] = set()  # the leaves whose arrays are others at each call
        self._bind()

    def _bind(self) -> None:
        """Arrays for all values, and the calls that fill them."""
        program = self.program
        leaves = [tensor for _, tensor in program.leaves]
        self._bound = [(x, x._array) for x in leaves if x not in self._copied]
        self._inputs = [np.empty(var.shape, var.dtype) for var in program.inputs]
        arrays = dict(zip(program.inputs, self._inputs, strict=True))
        arrays |= dict(program.constants)
        self._leaves = []
        for var, tensor in program.leaves:
            arrays[var] = tensor._array
            if tensor in self._copied:
                arrays[var] = np.array(tensor._array)
                self._leaves.append((arrays[var], tensor))
        binding = _Binding(with_members_copied(with_transposes_copied(program)), arrays)
        self._last = binding.last
        self._run = function_of(binding.calls)
        self._outputs = [arrays[var] for var in program.outputs]

    def _rebind(self) -> None:
        """From now on the leaves whose arrays are others than they were are copied at each call."""
        changed = [tensor for tensor, bound in self._bound if tensor._array is not bound]
        self._copied.update(changed)
        self._bind()

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for these inputs, arrays that nothing else writes or reads."""
        for tensor, bound in self._bound:
            if tensor._array is not bound:
                self._rebind()
                break
        for array, given in zip(self._inputs, inputs, strict=True):
            array[...] = given
        for own, tensor in self._leaves:
            own[...] = tensor._array
        outputs: list[Array] = []
        with np.errstate(all="ignore"):
            self._run()
            for array, last in zip(self._outputs, self._last, strict=True):
                if isinstance(last, OutputCall):
                    outputs.append(last())
                else:
                    outputs.append((array if last is None else outputs[last]).copy())
        return outputs


class _Binding:
    """Memory for the values of a Program, and its calls.

    Each buffer gets memory when its first value is computed and gives it back after its last is
    read; what comes later takes it over.
    """

    def __init__(self, program: Program, arrays: dict[Var, Array]) -> None:
        self.arrays = arrays
        self.calls: list[KernelCall] = []
        self._program = program
        self._layout = Layout(program)
        self._vectors: dict[Var, Array] = {}
        self._memory: dict[Buffer, Array] = {}
        self._free: dict[tuple[Any, int], list[Array]] = {}
        self._buffers: dict[Var, Buffer] = {}
        self._ends: dict[int, list[Buffer]] = {}
        self._last_read: dict[Buffer, int] = {}
        read = {x for e in program.equations for x in e.inputs if type(x) is Var}
        self._results = set(program.outputs) - read
        self._own: dict[Var, OutputCall] = {}
        self._follow()
        for k, equation in enumerate(program.equations):
            self._bind(k, equation)
            for buffer in self._ends.get(k, ()):
                memory = self._memory.get(buffer)
                if memory is not None:
                    self._free.setdefault((memory.dtype, memory.size), []).append(memory)
        self.last = self._output_calls()

    def _follow(self) -> None:
        """Finds for each value the buffer that holds it, and for each buffer its last reader."""
        layout, buffers, last = self._layout, self._buffers, self._last_read
        for k, (op, inputs, _, output, _) in enumerate(self._program.equations):
            if op in ALIASES:
                buffer = buffers.get(inputs[0])
            elif output in layout.joins:
                buffer = buffers[layout.joins[output]]
            else:
                buffer = self._buffer_of(output)
            if buffer is not None:
                buffers[output] = buffer
                last[buffer] = k
            for x in inputs:
                if type(x) is Var and x in buffers:
                    last[buffers[x]] = k
        kept = [x for e in self._program.equations if e.output in self._results for x in e.inputs]
        for var in (*self._program.outputs, *kept):
            if type(var) is Var and var in buffers:
                last.pop(buffers[var], None)
        for buffer, k in last.items():
            self._ends.setdefault(k, []).append(buffer)

    def _buffer_of(self, var: Var) -> Buffer:
        while var in self._layout.inside:
            var = self._layout.inside[var][0]
        return self._layout.rows[var][0] if var in self._layout.rows else var

    def _bind(self, k: int, equation: Equation) -> None:
        op, inputs, settings, output, _ = equation
        given = [self.arrays[x] if type(x) is Var else x for x in inputs]
        if op is checked_:
            self.calls.append(KernelCall(settings["check"], (given[0],)))
            self.arrays[output] = given[0]
            return
        if op in ALIASES:
            view = _view(op, given, settings)
            if np.may_share_memory(view, given[0]) or not view.size:
                self.arrays[output] = view
                return
            self._buffers[output] = output
        if output in self._layout.joins:
            first = self.arrays[self._layout.joins[output]]
            self.arrays[output] = self._stack_in_memory(first, self._layout.joins[output], output)
            return
        out = self._output_array(k, equation)
        given, out = self._as_vectors(equation, given, out)
        if covers(equation):
            for x, index in zip(given, settings["indices"], strict=True):
                part = part_of(out, index)
                if part.ctypes.data != x.ctypes.data or part.strides != x.strides:
                    self.calls.append(KernelCall(np.copyto, (part, x)))
        else:
            self._call(output, calls_of(op, given, settings, out))

    def _call(self, output: Var, calls: list[KernelCall]) -> None:
        """Takes the calls in; the only call for a result of the Program waits for a new array."""
        alone = len(calls) == 1 and self._buffers.get(output) is output and output in self._results
        k = calls[0].result if alone else None
        if k is None:
            self.calls += calls
            return
        function, arguments, _ = calls[0]
        before, target, after = arguments[:k], arguments[k], arguments[k + 1 :]
        shape = None if target.shape == output.shape else output.shape
        self._own[output] = OutputCall(function, before, after, target.shape, target.dtype, shape)

    def _as_vectors(
        self, equation: Equation, given: list[Any], out: Array
    ) -> tuple[list[Any], Array]:
        """One view for each value of one row, where that serves: what T steps hold stays small."""
        op, inputs, _, output, _ = equation
        last = output.shape[-1:]
        if len(output.shape) < 2 or output.shape[-1] != output.size or not output.size:
            return given, out
        if op is matmul and len(inputs[0].shape) == len(inputs[1].shape) == 2:
            return [self._vector(inputs[0], given[0]), given[1]], self._vector(output, out)
        shapes = {x.shape for x in inputs if type(x) is Var}
        if not shapes <= {output.shape, last} or not (op in UFUNCS or op is sigmoid):
            return given, out
        rows = zip(inputs, given, strict=True)
        vectors = [self._vector(x, y) if type(x) is Var and x.shape != last else y for x, y in rows]
        return vectors, self._vector(output, out)

    def _vector(self, var: Var, array: Array) -> Array:
        found = self._vectors.get(var)
        if found is None:
            found = self._vectors[var] = array[(0,) * (array.ndim - 1)]
        return found

    def _stack_in_memory(self, first: Array, var: Var, output: Var) -> Array:
        """A stack whose members lie in a row."""
        row, start = self._layout.rows[var]
        memory = self._memory[row]
        return self._shaped(memory, row)[start : start + output.shape[0]]

    def _output_array(self, k: int, equation: Equation) -> Array:
        """Where the result is written."""
        output = equation.output
        if output in self.arrays:
            return self.arrays[output]
        out = self._in_place(k, equation)
        if out is None:
            out = self._array_in_memory(output)
        self.arrays[output] = out
        return out

    def _in_place(self, k: int, equation: Equation) -> Array | None:
        """The array of an operand that nobody reads any more."""
        op, inputs, _, output, _ = equation
        if self._buffers.get(output) is not output or not writes_in_place(op):
            return None
        for x in inputs:
            if type(x) is not Var or self._buffers.get(x) is not x or self._last_read.get(x) != k:
                continue
            if (x.shape, x.dtype) == (output.shape, output.dtype) and x in self._memory:
                self._memory[output] = self._memory.pop(x)
                if x in self._vectors:
                    self._vectors[output] = self._vectors[x]
                return self.arrays[x]
        return None

    def _array_in_memory(self, var: Var) -> Array:
        """The array of a value in the memory of its buffer."""
        if var in self._layout.inside:
            whole, index = self._layout.inside[var]
            if whole not in self.arrays:
                self.arrays[whole] = self._array_in_memory(whole)
            return part_of(self.arrays[whole], index)
        if var in self._layout.rows:
            row, k = self._layout.rows[var]
            return self._shaped(self._memory_of(row, row.members[0].dtype), row)[k, ...]
        return self._memory_of(var, var.dtype).reshape(var.shape)

    def _shaped(self, memory: Array, row: Contiguous) -> Array:
        return memory.reshape(len(row.members), *row.members[0].shape)

    def _memory_of(self, buffer: Buffer, dtype: Any) -> Array:
        """The memory of a buffer: what another one has given back, or new."""
        memory = self._memory.get(buffer)
        if memory is None:
            size = buffer.nbytes // dtype.itemsize
            waiting = self._free.get((dtype, size))
            memory = self._memory[buffer] = waiting.pop() if waiting else np.empty(size, dtype)
        return memory

    def _output_calls(self) -> list[OutputCall | int | None]:
        """For each output the call that writes it, None where it is there, or an equal output."""
        outputs = self._program.outputs
        return [
            outputs.index(var) if var in outputs[:k] else self._own.get(var)
            for k, var in enumerate(outputs)
        ]


def _view(op: Op, given: list[Any], settings: dict[str, Any]) -> Array:
    """A part, a transpose or a reshape of an array, a view of it where that is possible."""
    if op is getitem_:
        return part_of(given[0], settings["index"])
    view: Array = op.forward(*given, **settings)
    return view
