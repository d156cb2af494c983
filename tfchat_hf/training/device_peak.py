# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How fast a device can multiply matrices: the figure that a run's speed is a share of."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import torch

# Dense peaks of the data sheets in TFLOP/s: products of 16-bit numbers summed in 32 bits, of tf32,
# of fp32. The words must all stand in torch's name of the GPU; the entry with most of them wins.
_GPU_PEAKS: dict[str, tuple[float, float | None, float]] = {
    "B200": (2250, 1125, 75),
    "GH200": (989, 494, 67),
    "H200": (989, 494, 67),
    "H200 NVL": (836, 418, 60),
    "H100": (989, 494, 67),  # SXM: "NVIDIA H100 80GB HBM3"
    "H100 PCIe": (756, 378, 51),
    "H100 NVL": (836, 418, 60),
    "A100": (312, 156, 19.5),
    "A10": (125, 62.5, 31.2),
    "RTX A6000": (154.8, 77.4, 38.7),
    "L4": (121, 60, 30.3),
    "L40": (181, 90.5, 90.5),
    "L40S": (362, 183, 91.6),
    "RTX 6000 Ada": (364, 182, 91.1),
    "RTX 5090": (209.5, 104.8, 104.8),
    "RTX 5080": (112.6, 56.3, 56.3),
    "RTX 4090": (165.2, 82.6, 82.6),
    "RTX 4080": (97.5, 48.7, 48.7),
    "RTX 4080 SUPER": (104.4, 52.2, 52.2),
    "RTX 3090": (71, 35.6, 35.6),
    "RTX 3090 Ti": (80, 40, 40),
    "RTX 3080": (59.5, 29.8, 29.8),
    "T4": (65, None, 8.1),
    "V100 SXM2": (125, None, 15.7),
    "V100 PCIE": (112, None, 14),
}
# A word that makes another, slower card of the same number.
_OTHER_CARD = {"laptop", "ti", "super", "d", "mobile", "max", "q", "mig"}
_NO_BF16 = {"T4", "V100 SXM2", "V100 PCIE"}
_PRODUCT_SIZES = (512, 2048)
_MEASURE_SECONDS = 0.5


@dataclass(frozen=True)
class DevicePeak:
    """How fast a device multiplies matrices at best.

    Attributes:
        flops: FLOP per second.
        device: its name.
        dtype: the numbers that are multiplied, such as "bf16".
        measured: found by a product now, not in a data sheet.
    """

    flops: float
    device: str
    dtype: str
    measured: bool

    def describe(self) -> str:
        """Words the peak for a person."""
        unit, size = ("TFLOP/s", 1e12) if self.flops >= 1e12 else ("GFLOP/s", 1e9)
        how = "measured" if self.measured else "data sheet"
        return f"{self.device} ({self.flops / size:,.0f} {unit} {self.dtype} {how})"


def device_peak_flops(device: torch.device, dtype: torch.dtype) -> DevicePeak | None:
    """Finds what a device can do: a GPU's data sheet, a CPU by trying for half a second.

    Args:
        device: where the run computes.
        dtype: bfloat16, float16 or float32; float32 on a GPU is tf32 where torch may use it.

    Returns:
        The peak, or None for a device that is not known.
    """
    if device.type == "cpu":
        return measure_cpu_peak(dtype)
    if device.type == "cuda":
        return gpu_peak(torch.cuda.get_device_name(device), dtype, _tf32_allowed())
    return None


def _tf32_allowed() -> bool:
    """Tells whether products of float32 on a GPU may be rounded to tf32."""
    settings = torch.backends.cuda.matmul
    precision = getattr(settings, "fp32_precision", None)  # since torch 2.9
    return settings.allow_tf32 if precision is None else precision == "tf32"


def gpu_peak(name: str, dtype: torch.dtype, tf32: bool) -> DevicePeak | None:
    """Looks a GPU up by the name that torch gives it; None if it or its bf16 is not known."""
    words = set(re.findall(r"[a-z0-9]+", name.lower()))
    entries = [key for key in _GPU_PEAKS if set(key.lower().split()) <= words]
    if not entries:
        return None
    entry = max(entries, key=lambda key: len(key.split()))
    if (words - set(entry.lower().split())) & _OTHER_CARD:
        return None
    half, short, single = _GPU_PEAKS[entry]
    if dtype == torch.float32:
        use_short = tf32 and short is not None
        return DevicePeak(
            (short if use_short else single) * 1e12, name, _named(dtype, use_short), False
        )
    if dtype == torch.bfloat16 and entry in _NO_BF16:
        return None
    return DevicePeak(half * 1e12, name, _named(dtype, False), False)


def measure_cpu_peak(dtype: torch.dtype) -> DevicePeak:
    """Multiplies square matrices for half a second and takes the fastest product."""
    small, large = _PRODUCT_SIZES
    _product_seconds(small, dtype)  # the first product makes threads and kernels
    a_small = _product_seconds(small, dtype)
    # A CPU without bf16 emulates it slowly: no product that takes longer than the whole time.
    size = large if a_small * (large / small) ** 3 < _MEASURE_SECONDS else small
    end = time.perf_counter() + _MEASURE_SECONDS
    best = _product_seconds(size, dtype)
    while time.perf_counter() < end:
        best = min(best, _product_seconds(size, dtype))
    threads = torch.get_num_threads()
    name = f"the CPU, {threads} thread{'s' * (threads > 1)}"
    return DevicePeak(2 * size**3 / best, name, _named(dtype, False), True)


def _product_seconds(size: int, dtype: torch.dtype) -> float:
    """Times one product of square matrices on the CPU."""
    left, right = (torch.ones(size, size, dtype=dtype) for _ in range(2))
    start = time.perf_counter()
    torch.mm(left, right)
    return time.perf_counter() - start


def _named(dtype: torch.dtype, tf32: bool) -> str:
    """Gives the short name of a number type."""
    names = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
    return "tf32" if tf32 else names.get(dtype, str(dtype).removeprefix("torch."))
