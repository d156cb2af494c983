# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Does the device compute what the CPU computes? A minute of checks before anything is timed there.

    python benchmarks/gpu_checks.py --device cuda

Each check says its largest difference and what it may be; the exit code is 1 if one fails.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.tiny import batch, speaking_model, tiny_model  # noqa: E402

NO_DROPOUT = {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}
Check = Callable[[str], tuple[float, float]]


def logits_agree(device: str) -> tuple[float, float]:
    """Compares the logits of padded questions with those of the CPU."""
    inputs = batch(4, 9, 11)
    on_cpu, on_device = tiny_model(), tiny_model().to(device)
    with torch.no_grad():
        expected = on_cpu(**inputs).logits
        found = on_device(**_moved(inputs, device)).logits.cpu()
    return _difference(found, expected), 1e-4


def gradients_agree(device: str) -> tuple[float, float]:
    """Compares all gradients with those of the CPU."""
    expected = _gradients(tiny_model(**NO_DROPOUT).train(), batch(4, 9, 11))
    on_device = tiny_model(**NO_DROPOUT).to(device).train()
    found = _gradients(on_device, _moved(batch(4, 9, 11), device))
    return max(_difference(found[name], expected[name]) for name in expected), 1e-3


def padding_changes_nothing(device: str) -> tuple[float, float]:
    """Compares a question alone with the same question padded beside longer ones."""
    model, inputs = tiny_model().to(device), _moved(batch(4, 9, 11), device)
    row = 3
    real = int(inputs["attention_mask"][row].sum())
    alone = {
        "input_ids": inputs["input_ids"][row : row + 1, :real],
        "attention_mask": inputs["attention_mask"][row : row + 1, :real],
        "decoder_input_ids": inputs["decoder_input_ids"][row : row + 1],
    }
    with torch.no_grad():
        return _difference(model(**inputs).logits[row : row + 1], model(**alone).logits), 1e-4


def eager_attention_agrees(device: str) -> tuple[float, float]:
    """Compares the device's attention kernel with the plain arithmetic."""
    inputs = _moved(batch(4, 9, 11), device)
    with torch.no_grad():
        fast = tiny_model().to(device)(**inputs).logits
        plain = tiny_model(attn_implementation="eager").to(device)(**inputs).logits
    return _difference(fast, plain), 1e-4


def bf16_is_near(device: str) -> tuple[float, float]:
    """Compares the loss in bf16 with that in fp32."""
    inputs = _moved(batch(4, 9, 11), device)
    inputs["labels"] = inputs.pop("decoder_input_ids").roll(-1, 1)
    model = tiny_model().to(device)
    with torch.no_grad():
        exact = model(**inputs).loss
        with torch.autocast(device, torch.bfloat16):
            near = model(**inputs).loss
    return _difference(near, exact), 0.05


def replies_agree(device: str) -> tuple[float, float]:
    """Counts the tokens that greedy decoding writes otherwise than on the CPU."""
    inputs = batch(4, 7, 13)
    del inputs["decoder_input_ids"]
    settings = {"max_new_tokens": 12, "do_sample": False, "num_beams": 1}
    expected = speaking_model().generate(**inputs, **settings)
    found = speaking_model().to(device).generate(**_moved(inputs, device), **settings).cpu()
    cached = speaking_model().to(device)
    without = cached.generate(**_moved(inputs, device), **settings, use_cache=False).cpu()
    same = expected.shape == found.shape == without.shape
    return float((expected != found).sum() + (expected != without).sum()) if same else 1.0, 0.0


def training_learns(device: str) -> tuple[float, float]:
    """Lets the model learn four replies by heart in bf16; gives the loss left of the first."""
    model = tiny_model(**NO_DROPOUT).to(device).train()
    inputs = _moved(batch(4, 7, 13), device)
    labels = inputs.pop("decoder_input_ids").roll(-1, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, fused=True)
    losses = []
    for _ in range(60):
        with torch.autocast(device, torch.bfloat16):
            loss = model(**inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] / losses[0], 0.1


CHECKS: tuple[Check, ...] = (
    logits_agree,
    gradients_agree,
    padding_changes_nothing,
    eager_attention_agrees,
    bf16_is_near,
    replies_agree,
    training_learns,
)


def _moved(inputs: dict[str, Tensor], device: str) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in inputs.items()}


def _difference(found: Tensor, expected: Tensor) -> float:
    """Gives the largest difference, as a share of the largest value."""
    scale = expected.abs().max().clamp(min=1e-6)
    return float((found - expected).abs().max() / scale)


def _gradients(model: torch.nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    labels = inputs.pop("decoder_input_ids").roll(-1, 1)
    model(**inputs, labels=labels).loss.backward()
    named = model.named_parameters()
    return {name: p.grad.cpu() for name, p in named if p.grad is not None}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs every check, also when one before it breaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    device = parser.parse_args(argv).device
    torch.backends.cuda.matmul.allow_tf32 = False
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            difference, allowed = check(device)
        except Exception:
            traceback.print_exc()
            print(f"FAIL {name}: it broke", flush=True)
            failed += 1
            continue
        failed += difference > allowed
        word = "FAIL" if difference > allowed else "ok  "
        print(f"{word} {name}: {difference:.2e} (at most {allowed:g})", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
