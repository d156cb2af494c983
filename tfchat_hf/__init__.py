# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""TFChat-HF: train, publish and talk to a small encoder-decoder chat model of your own.

Importing this loads neither torch nor transformers. As soon as transformers is imported too, before
or after, its Auto classes know the model: `AutoModelForSeq2SeqLM.from_pretrained(folder)`.
"""

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import (
        TFChatConfig,
        TFChatForConditionalGeneration,
        TFChatModel,
        TFChatPreTrainedModel,
    )

__version__ = "0.1.0"

__all__ = [
    "TFChatConfig",
    "TFChatForConditionalGeneration",
    "TFChatModel",
    "TFChatPreTrainedModel",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import the model's classes when one is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".model", __name__), name)


class _AfterTransformers(MetaPathFinder):
    """Registers the model once transformers has been imported, however it is found."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find transformers as the other finders do, and act when it has been loaded."""
        if name != "transformers":
            return None
        others = (each.find_spec(name, path, target) for each in sys.meta_path if each is not self)
        spec = next((found for found in others if found is not None), None)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_and_register(module: ModuleType) -> None:
            load(module)
            sys.meta_path.remove(self)
            import_module(".model", __name__)

        spec.loader.exec_module = load_and_register  # type: ignore[method-assign]  # of this one
        return spec


if "transformers" in sys.modules:
    import_module(".model", __name__)
else:
    sys.meta_path.insert(0, _AfterTransformers())
