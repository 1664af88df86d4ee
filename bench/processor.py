"""The processor that numbers are computed on: its model, and those of its features that numeric libraries go by.

Libraries choose their kernels by what a processor can do, and other kernels round otherwise.
"""

import functools
import platform
from dataclasses import dataclass
from pathlib import Path

#: What NumPy, BLAS, oneDNN, PyTorch and the boosting libraries have kernels of their own for, on x86 and on ARM.
FEATURES = (
    *("sse4_1", "sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512cd", "avx512bw", "avx512dq"),
    *("avx512vl", "avx512ifma", "avx512vbmi", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16"),
    *("amx_int8", "asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2"),
)
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True, slots=True)
class Processor:
    """A model by name, and its ``features`` in the order of `FEATURES`."""

    model: str
    features: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.model}; {' '.join(self.features)}"

    @classmethod
    def parse(cls, text: str) -> "Processor":
        """Read back what ``str`` gave."""
        model, _, features = text.rpartition("; ")
        return cls(model=model, features=tuple(features.split()))


@functools.cache
def processor() -> Processor:
    """The processor of this machine, as the kernel has it; without features where it does not tell them."""
    known: dict[str, str] = {}
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:  # of the first core; the others are like it
        name, _, value = line.partition(":")
        known.setdefault(name.strip(), value.strip())
    has = set((known.get("flags") or known.get("Features") or "").split())
    return Processor(
        model=known.get("model name") or platform.processor() or platform.machine(),
        features=tuple(feature for feature in FEATURES if feature in has),
    )
