"""The command line; what must be set before NumPy, jax and torch are imported is set here."""

from __future__ import annotations

import argparse
import contextlib
import os

NAMES = (
    "W1, W2, W3, W4: plain RNNs; W5: single operations; W6-LSTM, W6-GRU, W6-LSTM-batches, "
    "W6-GRU-batches; W7: a gated cell of one's own; training: W1 with Adagrad; growth: of time "
    "and memory with T. A name stands for all that start with it. All of them if none is given."
)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=NAMES)
    parser.add_argument("names", nargs="*", metavar="workload", help="what to measure, see below")
    parser.add_argument("--dtype", nargs="+", choices=["float32", "float64"], default=["float32"])
    parser.add_argument("--threads", type=int, default=1, help="of every pool (default: 1)")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each competitor")
    parser.add_argument("--json", metavar="FILE", help="adds the results to those in the file")
    return parser.parse_args()


def settle(threads: int) -> None:
    """Pools of so many threads; one thread stays on one core."""
    if threads == 1:
        os.environ["XLA_FLAGS"] = (
            "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        )
        with contextlib.suppress(AttributeError, OSError):  # not on every system
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


if __name__ == "__main__":
    asked = arguments()
    settle(asked.threads)
    from .run import main

    main(asked.names, asked.dtype, asked.threads, asked.seconds, asked.json)
