# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a request of OpenAI's API may hold: taken, refused, or ignored and said so."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from data_builders.command_line import did_you_mean
from data_builders.errors import UserError, shown
from data_builders.translation import _, joined

from ..chat.settings import SETTINGS
from ..text.dialogue import messages_to_turns
from .errors import ApiError

MOST_CHOICES = 16
# Beams and candidates counted, replies that are made for one request.
MOST_ROWS = 128
MOST_MESSAGES = 1000
_MOST_SEED = 2**63 - 1
# They change nothing that this model could do, and clients send them by habit.
IGNORED = set(
    """
    add_generation_prompt chat_id id keep_alive metadata moderation parallel_tool_calls prediction
    prompt_cache_key prompt_cache_retention reasoning_effort safety_identifier service_tier
    session_id store user verbosity
    """.split()
)
# What they ask for cannot be had; where they ask for nothing they are no matter.
REFUSED = set(
    """
    audio best_of continue_final_message echo function_call functions logit_bias modalities
    response_format suffix tool_choice tools web_search_options
    """.split()
)
_NOTHING: tuple[Any, ...] = (
    None, False, "", [], {}, 0, "none", "auto", ["text"], {"type": "text"},
)  # fmt: skip
Stop = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _StreamOptions(BaseModel):
    """What a stream holds beside the reply."""

    include_usage: bool = False


class Asked(BaseModel):
    """What both ways of asking have in common."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    model: str | None = None
    n: int = Field(1, ge=1, le=MOST_CHOICES)
    seed: int | None = Field(None, ge=-_MOST_SEED, le=_MOST_SEED)
    stop: Annotated[list[Stop], Field(max_length=4)] = []
    max_tokens: int | None = Field(None, ge=1)
    stream: bool = False
    stream_options: _StreamOptions = _StreamOptions()
    memory: bool = True
    return_token_ids: bool = False
    generation_config: str | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else [] if value is None else value

    @field_validator("n", "stream", "stream_options", "memory", "return_token_ids", mode="before")
    @classmethod
    def _null_is_the_default(cls, value: Any, info: Any) -> Any:
        return cls.model_fields[info.field_name].default if value is None else value

    @property
    def settings(self) -> dict[str, Any]:
        """The generation settings among the fields, by the names of the chat's `/set`."""
        extra = {**self._of_transformers(), **(self.model_extra or {})}
        found = {name: extra[name] for name in SETTINGS if extra.get(name) is not None}
        return found if (most := self.most) is None else {**found, "max_new_tokens": most}

    @property
    def most(self) -> int | None:
        """The most tokens of a reply, where OpenAI's fields say so."""
        return self.max_tokens

    @property
    def rivals(self) -> int | None:
        """How many rivals of each token to tell; None tells no probabilities."""
        raise NotImplementedError

    def _of_transformers(self) -> dict[str, Any]:
        """Read the settings that `transformers chat` sends, a JSON object within a string.

        Raises:
            ApiError: It is none, or holds what is no setting here.
        """
        if self.generation_config is None:
            return {}
        try:
            config = dict(json.loads(self.generation_config).items())
        except (ValueError, AttributeError, RecursionError):
            what = _("`generation_config` must be a JSON object in a string.")
            raise ApiError(400, what, "invalid_value", "generation_config") from None
        config.pop("transformers_version", None)
        for name in config:
            if name not in SETTINGS:
                raise self._unknown(name, "generation_config.")
        return config

    def ignored(self, reads_system: bool) -> list[str]:
        """Name what makes no difference.

        Args:
            reads_system: Whether the model reads system messages.

        Raises:
            ApiError: One asks for what cannot be had, or is unknown.
        """
        found = []
        for name, value in (self.model_extra or {}).items():
            if name in IGNORED:
                found.append(name)
            elif name in REFUSED:
                asks = not any(type(value) is type(one) and value == one for one in _NOTHING)
                if asks and (name, value) != ("best_of", 1):
                    what = _("This server has no `{name}`. Leave it out.", name=name)
                    raise ApiError(400, what, "unsupported_parameter", name)
            elif name not in SETTINGS:
                raise self._unknown(name)
        return found

    def _unknown(self, name: str, where: str = "") -> ApiError:
        name, known = shown(name[:50]), [*SETTINGS, *({} if where else type(self).model_fields)]
        near = did_you_mean(name, known, "")
        what = joined(_("There is no field {name!r}.", name=where + name), *filter(None, [near]))
        return ApiError(400, what, "unknown_parameter", where + name)


class ChatRequest(Asked):
    """The body of `/v1/chat/completions`."""

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)

    @field_validator("messages")
    @classmethod
    def _only_texts(cls, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for place, message in enumerate(messages):
            for name in ("tool_calls", "function_call", "audio"):
                if message.get(name):
                    raise UserError(
                        "messages[{place}].{name}: this model calls no tools and reads text only. "
                        "Leave it out.",
                        place=place,
                        name=name,
                    )
        messages_to_turns(messages)
        return messages

    @property
    def most(self) -> int | None:
        """The most tokens of a reply, by the newer name or the older one."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def rivals(self) -> int | None:
        """How many rivals of each token to tell."""
        return (self.top_logprobs or 0) if self.logprobs else None

    def ignored(self, reads_system: bool) -> list[str]:
        """Name what makes no difference, also of messages."""
        if self.top_logprobs and not self.logprobs:
            what = _("`top_logprobs` needs `logprobs`: true.")
            raise ApiError(400, what, "invalid_value", "top_logprobs")
        names = {name for message in self.messages for name in message} - {"role", "content"}
        named = sorted(name for name in names if name.isidentifier() and name.isascii())
        found = [*super().ignored(reads_system), *(f"messages.{name[:50]}" for name in named[:20])]
        has_system = any(one["role"] in ("system", "developer") for one in self.messages)
        return [*found, "system messages"] if has_system and not reads_system else found

    def turns(self, reads_system: bool) -> list[str]:
        """Return what was said, oldest first; a model that saw no system messages gets none."""
        return messages_to_turns(self.messages, reads_system)[0]


class CompletionRequest(Asked):
    """The body of `/v1/completions`: each prompt is a conversation of one turn."""

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=MOST_CHOICES)]
    logprobs: int | None = Field(None, ge=0, le=20)

    @property
    def rivals(self) -> int | None:
        """How many rivals of each token to tell."""
        return self.logprobs


class LoadRequest(BaseModel):
    """What `transformers chat` asks before it talks."""

    model: str | None = None
