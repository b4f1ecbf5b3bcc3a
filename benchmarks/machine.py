"""What a measurement was made on and with."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_rnn as tg

PACKAGES = ("torch", "jax", "autograd")


def processor() -> str:
    """The model of the CPU, as well as it can be found."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Of Python, NumPy, this package and the peers that are there."""
    found = {"Python": platform.python_version(), "NumPy": np.__version__}
    found["tinygrad_rnn"] = tg.__version__
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def blas() -> str:
    """Which BLAS NumPy multiplies with, and for which kernels, where threadpoolctl can tell."""
    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        return "unknown (threadpoolctl is not installed)"
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    kinds = (f"{p['internal_api']} {p['version']} {p.get('architecture', '')}" for p in pools)
    return ", ".join(sorted({kind.strip() for kind in kinds})) or "unknown"


def description() -> dict[str, Any]:
    """All of it."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "blas": blas(),
        "versions": versions(),
    }
