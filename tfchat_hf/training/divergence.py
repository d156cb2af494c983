# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Stop a training whose numbers go wrong, before it writes over a checkpoint that is good."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from data_builders.errors import UserError
from data_builders.translation import _, joined, listed

from ..settings.run_folder import list_checkpoints

if TYPE_CHECKING:
    from .trainer import TFChatTrainer

# A loss so many times that of guessing is no training any more: rates that are merely too high
# level off below it.
HOPELESS = 3.0


class LossWatch:
    """Adds up the losses of updates on the device, and looks at them now and then.

    Each look waits for the device, so there is one a log and one a checkpoint. A CPU is not waited
    for: there a loss that is no number ends the run at once.
    """

    def __init__(self, vocabulary: int) -> None:
        """Begin with nothing seen; guessing among `vocabulary` tokens costs its logarithm."""
        self.guessing = math.log(vocabulary)
        self._first: torch.Tensor | None = None
        self._first_step = 0
        self._sum: torch.Tensor | None = None
        self._since = 0

    def add(self, loss: torch.Tensor, step: int) -> None:
        """Count the loss of one batch.

        Args:
            loss: Its share of the mean of its update.
            step: Updates before this one.
        """
        if self._first is None:
            self._first, self._first_step = torch.zeros_like(loss), step
        if self._sum is None:
            self._sum, self._since = torch.zeros_like(loss), step
        self._sum += loss
        if step == self._first_step:
            # Of a new network, whose weights may be worse than guessing, or of one to go on with.
            self._first += loss

    def look(self, trainer: TFChatTrainer) -> None:
        """Check between two updates where that costs nothing; a sum keeps what is no number."""
        if self._sum is None or self._sum.device.type != "cpu" or trainer.args.world_size > 1:
            return
        if not math.isfinite(self._sum.item()):
            self.check(trainer)

    def check(self, trainer: TFChatTrainer) -> None:
        """Look at what came since the last look; every process calls this.

        Raises:
            UserError: says what is wrong, what to lower, and where the last good checkpoint is.
        """
        if self._sum is None or self._first is None:
            return
        updates = max(1, trainer.state.global_step - self._since)
        broken = _broken(trainer.model, self._sum.device)
        seen = torch.stack([self._sum / updates, self._first, broken])
        loss, first, broken = trainer.accelerator.gather(seen[None]).mean(dim=0).tolist()
        self._sum = None
        limit = HOPELESS * max(self.guessing, first)
        if broken or not loss <= limit:
            raise UserError(_what_is_wrong(trainer, loss, bool(broken), self.guessing))


def _broken(model: torch.nn.Module, device: torch.device) -> torch.Tensor:
    """Return 1 where a weight is no number, else 0, without waiting for the device."""
    whole = [weight.detach().isfinite().all() for weight in model.parameters()]
    return (~torch.stack(whole).all()).to(device, torch.float32)


def _what_is_wrong(trainer: TFChatTrainer, loss: float, broken: bool, guessing: float) -> str:
    """Say what is wrong, what to lower, and what is left."""
    args, step = trainer.args, trainer.state.global_step
    if math.isfinite(loss) and not broken:
        fault = _(
            "training went wrong by update {step:,}: the loss is {loss:.3g}, and guessing gives "
            "{guessing:.1f}.",
            step=step,
            loss=loss,
            guessing=guessing,
        )
    else:
        fault = _(
            "training went wrong by update {step:,}: loss or weights are no numbers any more.",
            step=step,
        )
    rates = {"learning_rate": args.learning_rate, "muon_learning_rate": args.muon_learning_rate}
    advice = _(
        "Lower {rates} or raise `warmup_steps` (now {warmup:g}).",
        rates=listed(
            _("`{setting}` (now {value})", setting=name, value=f"{rate:.2e}")
            for name, rate in rates.items()
            if rate
        ),
        warmup=args.warmup_steps,
    )
    newest = next(iter(list_checkpoints(Path(args.output_dir))), None)
    kept = (
        _("{checkpoint} is good: add --resume to go on from it.", checkpoint=newest)
        if newest
        else _("There is no checkpoint before it: begin anew.")
    )
    return joined(fault, advice, kept)
