# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The peak of a GPU by its name, the peak of this CPU by trying."""

from __future__ import annotations

import pytest
import torch

from tfchat_hf.training.device_peak import DevicePeak, device_peak_flops, gpu_peak

BF16, FP16, FP32 = torch.bfloat16, torch.float16, torch.float32


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 836),
        ("NVIDIA H200", 989),
        ("NVIDIA A100-SXM4-40GB", 312),
        ("NVIDIA A100 80GB PCIe", 312),
        ("NVIDIA A10", 125),
        ("NVIDIA L4", 121),
        ("NVIDIA L40S", 362),
        ("NVIDIA RTX 6000 Ada Generation", 364),
        ("NVIDIA GeForce RTX 5090", 209.5),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA GeForce RTX 4080 SUPER", 104.4),
        ("NVIDIA GeForce RTX 3090", 71),
        ("NVIDIA GeForce RTX 3090 Ti", 80),
    ],
)
def test_a_gpu_is_found_by_the_name_torch_gives(name, tera):
    assert gpu_peak(name, BF16, False).flops == pytest.approx(tera * 1e12)


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 5080 SUPER",
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "NVIDIA A10G",
        "NVIDIA GeForce GTX 1080",
    ],
)
def test_a_card_that_only_looks_like_a_known_one_is_unknown(name):
    assert gpu_peak(name, BF16, False) is None


def test_the_precision_decides():
    def tera(name, dtype, tf32=False):
        return round(gpu_peak(name, dtype, tf32).flops / 1e12, 1)

    a100, t4 = "NVIDIA A100-SXM4-40GB", "Tesla T4"
    assert (tera(a100, FP32), tera(a100, FP32, True), tera(a100, FP16)) == (19.5, 156, 312)
    assert (
        gpu_peak(a100, FP32, True).dtype == "tf32" and gpu_peak(a100, FP32, False).dtype == "fp32"
    )
    assert (tera(t4, FP32, True), tera(t4, FP16)) == (8.1, 65)  # neither tf32 nor bf16
    assert gpu_peak(t4, FP32, True).dtype == "fp32"
    assert gpu_peak(t4, BF16, False) is None
    assert tera("Tesla V100-SXM2-16GB", FP16) == 125


def test_the_cpu_is_measured():
    peak = device_peak_flops(torch.device("cpu"), FP32)
    assert peak.measured and peak.dtype == "fp32"
    # any machine of this century, any of the next years
    assert 1e8 < peak.flops < 1e14
    assert "thread" in peak.describe() and "fp32 measured" in peak.describe()


def test_another_kind_of_device_is_unknown():
    assert device_peak_flops(torch.device("meta"), FP32) is None


def test_the_unit_fits_the_size():
    assert DevicePeak(205.4e9, "the CPU", "bf16", True).describe() == (
        "the CPU (205 GFLOP/s bf16 measured)"
    )
    assert DevicePeak(989e12, "X", "bf16", False).describe() == "X (989 TFLOP/s bf16 data sheet)"
