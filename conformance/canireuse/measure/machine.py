"""The machine on which is measured: what levels the field for all libraries, and what to know of its processor and its load."""

import contextlib
import os
import platform
from pathlib import Path

from canireuse.run.outcome import AskedDevice

#: what levels the field, in the words of each library: one thread on one device; and on a GPU, no float32 that is computed as less,
#: and no backend that takes all of the memory
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
    **dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"),
    "XLA_FLAGS": "",  # the two virtual devices of the other specs slow every call of a small jitted function
}
ON_A_GPU = {
    "NVIDIA_TF32_OVERRIDE": "0",
    "JAX_DEFAULT_MATMUL_PRECISION": "highest",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


def level(device: AskedDevice) -> dict[str, str]:
    """Return the environment variables of hosts that are compared; where there may be a GPU, those for it as well."""
    return ONE_THREAD if device == "cpu" else {**ONE_THREAD, **ON_A_GPU}


def load_average() -> list[float]:
    """Return the load of the machine over the last 1, 5 and 15 minutes, empty where it is not told."""
    return [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else []


def processor() -> str:
    """Return the processor's name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def governor(core: int | None) -> str:
    """Return how the clock of the core is governed, empty where it is not told."""
    with contextlib.suppress(OSError):
        return Path(f"/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor").read_text().strip()
    return ""
