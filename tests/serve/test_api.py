# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The API as OpenAI's own client sees it: each field does what it says, or is refused."""

from __future__ import annotations

import asyncio
import json
import math

import openai
import pytest
import torch

from tests.serve.small_server import SmallServer, small_service
from tfchat_hf.serve import service

ASK = {
    "model": "small-talk",
    "messages": [{"role": "user", "content": "What do you like to eat?"}],
    "extra_body": {"memory": False},
}
EXTRA = {"extra_body": {"memory": False, "return_token_ids": True}, "best_of": 1}
DRAWN = {**ASK, "temperature": 5.0, "extra_body": {"memory": False, "preset": "greedy"}}


@pytest.fixture(scope="module")
def server():
    with small_service() as service, SmallServer(service) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as one:
        yield one


def said(reply) -> list[str]:
    return [choice.message.content for choice in reply.choices]


def with_extra(ask: dict, **extra: object) -> dict:
    return {**ask, "extra_body": {**ask["extra_body"], **extra}}


def test_a_reply_in_pieces_is_the_reply(client) -> None:
    whole = client.chat.completions.create(**ASK)
    pieces = list(client.chat.completions.create(**ASK, stream=True))
    assert "".join(piece.choices[0].delta.content for piece in pieces) == said(whole)[0] != ""
    assert pieces[0].choices[0].delta.role == whole.choices[0].message.role == "assistant"
    reasons = [piece.choices[0].finish_reason for piece in pieces]
    assert reasons == [None] * (len(pieces) - 1) + ["stop"]
    assert len({piece.id for piece in pieces}) == 1 and pieces[0].object == "chat.completion.chunk"


def test_many_replies_are_streamed_side_by_side(server) -> None:
    async def ask() -> dict[int, str]:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="none") as client:
            texts: dict[int, str] = {}
            async for piece in await client.chat.completions.create(
                **DRAWN, n=2, seed=3, stream=True, max_tokens=8
            ):
                (choice,) = piece.choices
                texts[choice.index] = texts.get(choice.index, "") + choice.delta.content
            return texts

    texts = asyncio.run(ask())
    with openai.OpenAI(base_url=server.url, api_key="none") as client:
        whole = client.chat.completions.create(**DRAWN, n=2, seed=3, max_tokens=8)
    assert [texts[0], texts[1]] == said(whole)
    assert whole.choices[0].index == 0 and whole.choices[1].index == 1


def test_among_many_replies_tokens_go_out_together_and_none_is_lost(client, monkeypatch) -> None:
    monkeypatch.setattr(service, "_PIECE_SECONDS", 1e9)
    many = {**DRAWN, "n": 16, "seed": 3, "max_tokens": 8}
    ids, pieces = [[] for _ in range(16)], [0] * 16
    for event in client.chat.completions.create(
        **with_extra(many, return_token_ids=True), stream=True
    ):
        (choice,) = event.choices
        ids[choice.index] += getattr(choice, "token_ids", [])
        pieces[choice.index] += 1
    whole = client.chat.completions.create(**with_extra(many, return_token_ids=True))
    assert ids == [choice.token_ids for choice in whole.choices]
    assert set(pieces) == {2} and max(map(len, ids)) == 8  # the first token, and all others


def test_a_seed_draws_the_same_and_another_draws_another(client) -> None:
    def drawn(seed: int | None) -> list[str]:
        return said(client.chat.completions.create(**DRAWN, n=2, seed=seed, max_tokens=8))

    first = drawn(7)
    assert first == drawn(7) and len(set(first)) == 2
    assert not set(first) & set(drawn(1000))


def test_temperature_0_is_greedy_whatever_else_is_asked(client) -> None:
    greedy = said(client.chat.completions.create(**with_extra(ASK, preset="greedy")))
    cold = with_extra(ASK, preset="greedy") | {"temperature": 0, "top_p": 0.5, "n": 2}
    assert said(client.chat.completions.create(**cold)) == greedy * 2


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_reply_is_no_longer_than_wanted_and_usage_counts_its_tokens(client, name: str) -> None:
    reply = client.chat.completions.create(**with_extra(ASK, return_token_ids=True), **{name: 3})
    assert reply.choices[0].finish_reason == "length"
    assert len(reply.choices[0].token_ids) == reply.usage.completion_tokens == 3
    assert len(reply.prompt_token_ids) == reply.usage.prompt_tokens
    long = client.chat.completions.create(**ASK, **{name: 10**6})
    assert long.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_a_reply_ends_before_a_stop_text(client, stream: bool) -> None:
    whole = said(client.chat.completions.create(**ASK))[0]
    stop = whole[4:6]
    made = client.chat.completions.create(**ASK, stop=["@@", stop], stream=stream)
    if stream:
        pieces = list(made)
        text = "".join(piece.choices[0].delta.content for piece in pieces)
        reason = pieces[-1].choices[0].finish_reason
    else:
        text, reason = said(made)[0], made.choices[0].finish_reason
    assert text == whole[: whole.index(stop)] and reason == "stop"
    nearly = client.chat.completions.create(**ASK, stop=whole[-2:] + "@")
    assert said(nearly) == [whole]  # what was held back is said at the end


def test_usage_of_a_stream_comes_behind_it_and_is_that_of_the_whole(client) -> None:
    pieces = list(
        client.chat.completions.create(
            **ASK, n=2, stream=True, stream_options={"include_usage": True}
        )
    )
    assert pieces[-1].choices == [] and not any(piece.usage for piece in pieces[:-1])
    assert pieces[-1].usage == client.chat.completions.create(**ASK, n=2).usage


def test_token_ids_and_log_probabilities_are_those_of_the_reply(client, server) -> None:
    asked = with_extra(ASK, return_token_ids=True) | {"logprobs": True, "top_logprobs": 3}
    reply = client.chat.completions.create(**asked)
    (choice,) = reply.choices
    content, tokenizer = choice.logprobs.content, server.service.session.tokenizer
    assert "".join(entry.token for entry in content).strip() == choice.message.content
    assert (
        b"".join(map(bytes, (entry.bytes for entry in content))).decode().strip() == said(reply)[0]
    )
    assert tokenizer.decode(choice.token_ids, skip_special_tokens=True).strip() == said(reply)[0]
    for entry in content:
        assert len(entry.top_logprobs) == 3 and entry.logprob <= 0
        best = [rival.logprob for rival in entry.top_logprobs]
        assert best == sorted(best, reverse=True) and entry.logprob <= best[0]
        assert math.fsum(math.exp(one) for one in best) <= 1.0001
    pieces = client.chat.completions.create(**asked, stream=True)
    streamed = [
        entry
        for piece in pieces
        for entry in (getattr(piece.choices[0].logprobs, "content", None) or [])
    ]
    assert [entry.logprob for entry in streamed] == [entry.logprob for entry in content]


def test_the_old_way_of_asking_has_the_old_shape(client) -> None:
    made = client.completions.create(
        model="small-talk", prompt=["hello", "What do you like to eat?"], logprobs=2, **EXTRA
    )
    new = client.chat.completions.create(**ASK)
    assert made.object == "text_completion" and made.choices[1].text == said(new)[0]
    for choice in made.choices:
        scores = choice.logprobs
        assert "".join(scores.tokens).strip() == choice.text
        assert scores.text_offset[1] == len(scores.tokens[0])
        assert len(scores.token_logprobs) == len(scores.top_logprobs) == len(scores.tokens)
        assert all(len(rivals) == 2 for rivals in scores.top_logprobs)
    first, second = (len(choice.prompt_token_ids) for choice in made.choices)
    assert first < second and first + second == made.usage.prompt_tokens
    alone = {"model": "small-talk", "prompt": "hello", **EXTRA}
    pieces = list(client.completions.create(**alone, stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == made.choices[0].text


def test_penalties_change_what_is_said(client, server) -> None:
    def tokens(**settings: float) -> list[int]:
        asked = with_extra(ASK, return_token_ids=True, preset="greedy") | settings
        return client.chat.completions.create(**asked, max_tokens=30).choices[0].token_ids

    assert tokens(frequency_penalty=-2.0) != tokens() == tokens(presence_penalty=0.0)
    rewarded, punished = tokens(presence_penalty=-2.0), tokens(presence_penalty=2.0)
    assert len(set(rewarded)) / len(rewarded) < len(set(punished)) / len(punished)
    session, talk = server.service.session, [ASK["messages"][0]["content"]]
    question = torch.tensor([session.read(talk).input_ids])
    costs = {"presence_penalty": 2.0, "frequency_penalty": 0.5}
    made = session.model.generate(question, preset="greedy", max_new_tokens=30, **costs)
    assert tokens(**costs) == made[0, 1:].tolist()


def test_what_is_remembered_says_so_and_is_no_reply_of_the_model(client) -> None:
    asked = {**ASK, "extra_body": {"return_token_ids": True}, "logprobs": True}
    reply = client.chat.completions.create(**asked, n=2)
    for choice in reply.choices:
        assert choice.memory["reply"] == choice.message.content
        assert choice.logprobs is None and not hasattr(choice, "token_ids")
    assert reply.usage.completion_tokens % 2 == 0
    (*_, last) = client.chat.completions.create(**asked, stream=True)
    assert last.choices[0].memory["score"] == reply.choices[0].memory["score"] > 0


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_remembered_ends_where_the_request_says(client, stream: bool) -> None:
    asked = {**ASK, "extra_body": {}}
    whole = client.chat.completions.create(**asked).choices[0].message.content

    def text(**limits: object) -> tuple[str, str | None]:
        made = client.chat.completions.create(**asked, **limits, stream=stream)
        if not stream:
            return made.choices[0].message.content, made.choices[0].finish_reason
        *_, last = pieces = [piece.choices[0] for piece in made]
        return "".join(piece.delta.content for piece in pieces), last.finish_reason

    assert text(stop=whole[4:6]) == (whole[:4], "stop")
    short, reason = text(max_tokens=3)
    assert reason == "length" and 0 < len(short) < len(whole) and whole.startswith(short)
    assert text(max_tokens=100) == (whole, "stop")


def test_messages_may_have_parts_and_a_system_message_that_nobody_trained(client) -> None:
    parts = [{"type": "text", "text": "What do you "}, {"type": "text", "text": "like to eat?"}]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    made = client.chat.completions.with_raw_response.create(**{**ASK, "messages": messages})
    assert said(made.parse()) == said(client.chat.completions.create(**ASK))
    assert made.headers["x-tfchat-ignored"] == "system messages"


def test_what_the_model_does_not_read_of_a_long_talk_is_said(client) -> None:
    long = [{"role": ("user", "assistant")[n % 2], "content": f"number {n}"} for n in range(20)]
    messages = [*long, *ASK["messages"]]
    made = client.chat.completions.with_raw_response.create(**{**ASK, "messages": messages})
    left_out = int(made.headers["x-tfchat-turns-left-out"])
    short = {**ASK, "messages": messages[left_out:], **with_extra(ASK, return_token_ids=True)}
    short["messages"] = messages[left_out:]
    whole = client.chat.completions.with_raw_response.create(**short)
    assert 0 < left_out <= 20 and "x-tfchat-turns-left-out" not in whole.headers
    assert whole.parse().usage.prompt_tokens == made.parse().usage.prompt_tokens
    huge = [{"role": "user", "content": "ab " * 3000}]
    made = client.chat.completions.with_raw_response.create(**{**ASK, "messages": huge})
    assert int(made.headers["x-tfchat-tokens-cut"]) > 0


def test_fields_without_effect_are_named_and_names_of_messages_too(client) -> None:
    messages = [{"role": "user", "content": "hi", "name": "Eva"}]
    made = client.chat.completions.with_raw_response.create(
        **{**ASK, "messages": messages}, user="me", store=False, tools=[]
    )
    assert made.headers["x-tfchat-ignored"] == "messages.name, store, user"


WRONG = {
    "tools": ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    "a format": ({"response_format": {"type": "json_object"}}, "response_format"),
    "bias": ({"logit_bias": {"5": 10}}, "logit_bias"),
    "an image": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0]",
    ),
    "a tool's answer": ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    "calls": (
        {"messages": [{"role": "assistant", "content": "x", "tool_calls": [1]}]},
        "messages[0].tool_calls",
    ),
    "no messages": ({"messages": []}, "messages"),
    "heat": ({"temperature": 99}, "temperature"),
    "below 0": ({"temperature": -1}, "temperature"),
    "top_p": ({"top_p": 1.5}, "top_p"),
    "presence": ({"presence_penalty": 2.5}, "presence_penalty"),
    "n": ({"n": 0}, "n"),
    "many": ({"n": 1000}, "n"),
    "stop": ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    "no tokens": ({"max_tokens": 0}, "max_tokens"),
    "a text for a number": ({"max_tokens": "5"}, "max_tokens"),
    "rivals": ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    "rivals alone": ({"top_logprobs": 2}, "top_logprobs"),
    "a preset": ({"extra_body": {"preset": "wild"}}, "preset"),
    "a list": ({"extra_body": {"top_k": [5]}}, "top_k"),
    "candidates": ({"extra_body": {"num_candidates": 4, "num_beams": 4}}, "num_candidates"),
    "too many candidates": ({"n": 4, "extra_body": {"num_candidates": 64}}, "n"),
    "misspelt": ({"extra_body": {"temprature": 1}}, "temprature"),
    "settings": ({"extra_body": {"generation_config": "[]"}}, "generation_config"),
    "a setting": (
        {"extra_body": {"generation_config": '{"eos_token_id": 5}'}},
        "generation_config.eos_token_id",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_refused_with_the_field_that_is_wrong(client, what: str) -> None:
    change, param = WRONG[what]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{**ASK, **change})
    assert caught.value.param == param and caught.value.code and caught.value.body["message"]
    assert caught.value.body["type"] == "invalid_request_error"


@pytest.mark.parametrize("value", [-1, "hot", True, [0.5], 99])
def test_a_wrong_temperature_is_shown_with_what_a_caller_can_do(client, value) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**ASK, temperature=value)
    told = caught.value.body["message"]
    assert told.endswith("0 takes the likeliest token each time.")
    assert "/set" not in told and "--" not in told and "(got '')" not in told


def test_another_model_is_not_found(client) -> None:
    assert [model.id for model in client.models.list()] == ["small-talk"]
    assert client.models.retrieve("small-talk").id == "small-talk"
    for ask in (
        lambda: client.models.retrieve("gpt"),
        lambda: client.chat.completions.create(**{**ASK, "model": "gpt"}),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            ask()
        assert caught.value.code == "model_not_found"


def test_what_transformers_chat_sends_is_taken(client) -> None:
    config = {"do_sample": False, "max_new_tokens": 2, "transformers_version": "5.23.0"}
    extra = {"memory": False, "generation_config": json.dumps(config), "return_token_ids": True}
    reply = client.chat.completions.create(**{**ASK, "extra_body": extra})
    assert len(reply.choices[0].token_ids) == 2
    config = {"do_sample": True, "temperature": 5.0, "top_k": 0, "seed": 3, "max_new_tokens": 8}
    extra = {"memory": False, "preset": "greedy", "generation_config": json.dumps(config)}
    drawn = [said(client.chat.completions.create(**{**ASK, "extra_body": extra})) for _ in "12"]
    assert drawn[0] == drawn[1]
