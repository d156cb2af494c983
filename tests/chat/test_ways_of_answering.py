# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Whatever is done to a network shows in every way of answering, and in the exact loss.

The truth is `greedy_by_hand`: the forward of the network, called for the whole reply at each step.
Each way answers before the change too, so that what it keeps from one call to the next is old.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch.ao.quantization import quantize_dynamic

from tests.tiny import greedy_by_hand
from tests.two_processes import make_batches, make_model, make_questions, make_tokenizer
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.chat.session import ChatSession, clean_reply
from tfchat_hf.compare.decode import Decoder, Row
from tfchat_hf.examples.questions import decode_reply
from tfchat_hf.fast import FastDecoder
from tfchat_hf.fast.reranking import Reranking
from tfchat_hf.measuring.evaluation import exact_loss, generate_replies
from tfchat_hf.model.generation_tfchat import TFChatPipeline
from tfchat_hf.model.layers_tfchat import TFChatLayer
from tfchat_hf.model.modeling_tfchat import TFChatDecoder, next_token_loss

NEW_TOKENS = 8
TOKENIZER = make_tokenizer()
QUESTIONS = make_questions(TOKENIZER)[4:7]
# No reply may end in half a character: without bytes there is nothing to be seen to.
BYTES = [number for token, number in TOKENIZER.get_vocab().items() if token.startswith("<0x")]
TEXTS = [question.context[0] for question in QUESTIONS]
Answer = Callable[[], list[str]]


def padded() -> dict[str, torch.Tensor]:
    rows = {"input_ids": [question.input_ids for question in QUESTIONS]}
    return dict(TOKENIZER.pad(rows, return_tensors="pt"))


def texts(replies: torch.Tensor) -> list[str]:
    return [clean_reply(decode_reply(TOKENIZER, row)) for row in replies.tolist()]


def generating(model: TFChatForConditionalGeneration, **custom: Any) -> Answer:
    return lambda: texts(model.generate(**padded(), **custom))


def session(model: TFChatForConditionalGeneration) -> ChatSession:
    return ChatSession(model, TOKENIZER)


def chatting(model: TFChatForConditionalGeneration, fast: FastDecoder | None) -> Answer:
    talk = session(model)
    talk.fast = fast

    def answer() -> list[str]:
        replies = []
        for text in TEXTS:
            talk.reset()
            replies.append(clean_reply(talk.reply(text)))
        return replies

    return answer


def comparing(model: TFChatForConditionalGeneration) -> Answer:
    decoder = Decoder(model, TOKENIZER, QUESTIONS, batch_size=4)
    row = Row("greedy", model.generation_config, is_preset=False)
    return lambda: [*map(clean_reply, decoder.answer(row, 0, lambda done: None).texts)]


def piping(model: TFChatForConditionalGeneration) -> Answer:
    pipe = TFChatPipeline(model=model, tokenizer=TOKENIZER)
    return lambda: [clean_reply(pipe(text)[0]["generated_text"]) for text in TEXTS]


# Each is made once for a model and called before and after a change.
WAYS: dict[str, Callable[[TFChatForConditionalGeneration], Answer]] = {
    "generate": generating,
    "fast": lambda model: generating(model, custom_generate=FastDecoder()),
    "reranked": lambda model: generating(model, custom_generate=Reranking(1, "unconditional")),
    "chat in bulk": lambda model: lambda: session(model).reply_to_many([[text] for text in TEXTS]),
    "chat": lambda model: chatting(model, None),
    "fast chat": lambda model: chatting(model, FastDecoder()),
    "evaluation": lambda model: (
        lambda: [*map(clean_reply, generate_replies(model, TOKENIZER, QUESTIONS, 4))]
    ),
    "compare": comparing,
    "pipeline": piping,
}
# What decodes; the other ways lead through one of these.
DOORS = ("generate", "fast", "reranked", "chat")


@pytest.fixture(scope="module")
def trained() -> TFChatForConditionalGeneration:
    """Return a model that learnt its replies by heart."""
    model = make_model(TOKENIZER).eval()
    model.generation_config.update(max_new_tokens=NEW_TOKENS, suppress_tokens=BYTES)
    assert len(set(truth(model))) == len(TEXTS)
    return model


def truth(model: nn.Module) -> list[str]:
    return texts(greedy_by_hand(model, padded(), NEW_TOKENS, BYTES))


# --------------------------------------------------------------------------------- the changes


def squared_relu(model: Any, patch: pytest.MonkeyPatch) -> None:
    def feed_forward(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
        inner = torch.relu(self.fc1(hidden_states)).square()
        return self.add_and_norm(hidden_states, self.fc2(inner), self.final_layer_norm)

    patch.setattr(TFChatLayer, "feed_forward", feed_forward)


def other_predict(model: Any, patch: pytest.MonkeyPatch) -> None:
    def predict(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
        logits = self.lm_head(hidden_states)
        return 3 * torch.tanh((logits - logits.roll(1, -1)) / 3)

    patch.setattr(TFChatForConditionalGeneration, "predict", predict)


def predict_of_one(model: Any, patch: pytest.MonkeyPatch) -> None:
    model.predict = lambda states: model.lm_head(states).roll(2, -1)


def other_decoder(model: Any, patch: pytest.MonkeyPatch) -> None:
    real = TFChatDecoder.forward

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        output = real(self, *args, **kwargs)
        output.last_hidden_state = output.last_hidden_state.roll(1, -1)
        return output

    patch.setattr(TFChatDecoder, "forward", forward)


def decoder_forward_of_one(model: Any, patch: pytest.MonkeyPatch) -> None:
    decoder = model.model.decoder
    real = decoder.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        output = real(*args, **kwargs)
        output.last_hidden_state = output.last_hidden_state.flip(-1)
        return output

    decoder.forward = forward


def hook_on_a_linear(model: Any, patch: pytest.MonkeyPatch) -> None:
    model.lm_head.register_forward_hook(lambda module, given, output: output.roll(1, -1))


def hook_on_a_layer(model: Any, patch: pytest.MonkeyPatch) -> None:
    for layer in model.model.decoder.layers:
        layer.register_forward_hook(lambda module, given, output: output.roll(1, -1))


def hook_before_attention(model: Any, patch: pytest.MonkeyPatch) -> None:
    layer = model.model.decoder.layers[1].encoder_attn.q_proj
    layer.register_forward_pre_hook(lambda module, given: (given[0] * 30,))
    model.model.decoder.layers[2].fc1.register_forward_pre_hook(lambda m, given: (-given[0],))


def another_activation(model: Any, patch: pytest.MonkeyPatch) -> None:
    for layer in model.model.decoder.layers:
        layer.activation_fn = nn.Tanh()


def a_number_in_a_module(model: Any, patch: pytest.MonkeyPatch) -> None:
    model.model.decoder.embed_scale *= -1


class LoRA(nn.Module):
    """What PEFT puts in the place of a linear layer."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.base_layer = base
        self.lora_A = nn.Linear(base.in_features, 4, bias=False)
        self.lora_B = nn.Linear(4, base.out_features, bias=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.base_layer(states) + 8 * self.lora_B(self.lora_A(states))


def lora(model: Any, patch: pytest.MonkeyPatch) -> None:
    for layer in model.model.decoder.layers:
        layer.fc2, layer.self_attn.v_proj = LoRA(layer.fc2), LoRA(layer.self_attn.v_proj)


def peft_lora(model: Any, patch: pytest.MonkeyPatch) -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    targets = ["q_proj", "v_proj", "fc2"]
    settings = peft.LoraConfig(
        r=4, lora_alpha=64, target_modules=targets, init_lora_weights=False
    )  # fmt: skip
    peft.get_peft_model(model, settings)  # it changes the model itself


def subclass(model: Any, patch: pytest.MonkeyPatch) -> None:
    class Other(TFChatForConditionalGeneration):
        def predict(self, hidden_states: torch.Tensor) -> torch.Tensor:
            return super().predict(hidden_states).roll(1, -1)

    model.__class__ = Other


def one_weight_of_every_layer(model: Any, patch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    for module in model.model.decoder.modules():
        if type(module) is nn.Linear:
            place = int(torch.randint(module.weight.numel(), ()))
            module.weight.data.view(-1)[place] += 6.0


def one_weight(model: Any, patch: pytest.MonkeyPatch) -> None:
    best = greedy_by_hand(model, padded(), 1, BYTES)[0, 1]
    model.lm_head.weight.data[best, model.lm_head.weight[best].abs().argmax()] *= -20


def one_bias(model: Any, patch: pytest.MonkeyPatch) -> None:
    model.lm_head.bias.data[greedy_by_hand(model, padded(), 1, BYTES)[0, 1]] -= 30.0


def steps_of(kind: type, **settings: Any) -> Callable:
    def change(model: Any, patch: pytest.MonkeyPatch) -> None:
        optimizer = kind(model.parameters(), lr=0.05, **settings)
        for _ in range(2):
            labels = torch.randint(5, 60, (3, 4), generator=torch.Generator().manual_seed(1))
            model(**padded(), labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return change


CHANGES: dict[str, Callable[[Any, pytest.MonkeyPatch], None]] = {
    "squared relu": squared_relu,
    "predict": other_predict,
    "predict of one model": predict_of_one,
    "decoder.forward": other_decoder,
    "decoder.forward of one model": decoder_forward_of_one,
    "hook on a linear layer": hook_on_a_linear,
    "hook on a decoder layer": hook_on_a_layer,
    "hooks before products": hook_before_attention,
    "activation": another_activation,
    "scale of the embeddings": a_number_in_a_module,
    "LoRA written out": lora,
    "LoRA of PEFT": peft_lora,
    "subclass": subclass,
    "one weight of every layer": one_weight_of_every_layer,
    "one weight": one_weight,
    "one bias": one_bias,
    "AdamW": steps_of(torch.optim.AdamW),
    "fused AdamW": steps_of(torch.optim.AdamW, fused=True),
}

# Each goes through the same door as one that is run always: they are run by hand.
TWINS = {
    "predict of one model",
    "decoder.forward",
    "hook on a decoder layer",
    "activation",
    "one weight",
    "one bias",
    "AdamW",
}
# One of each kind is followed through every way, those between the doors and the user too.
THROUGHOUT = {"squared relu", "fused AdamW"}


def by_hand(names: Iterable[str], always: Collection[str]) -> list[Any]:
    """Mark all but some as slow."""
    return [
        pytest.param(name, marks=[] if name in always else [pytest.mark.slow]) for name in names
    ]


EACH_CHANGE = by_hand(CHANGES, CHANGES.keys() - TWINS)
EACH_WAY = by_hand(WAYS, DOORS)


# --------------------------------------------------------------------------------- the tests


@pytest.fixture
def model(trained) -> TFChatForConditionalGeneration:
    return copy.deepcopy(trained)


@pytest.fixture
def patch(monkeypatch) -> Iterator[pytest.MonkeyPatch]:
    """Undo a change before anything else is made of the classes."""
    with monkeypatch.context() as patch:
        yield patch


def answers_follow(names: Iterable[str], change: str, model: Any, patch: Any) -> None:
    ways = {name: WAYS[name](model) for name in names}
    before = truth(model)
    assert {name: answer() for name, answer in ways.items()} == dict.fromkeys(ways, before)
    CHANGES[change](model, patch)
    after = truth(model)
    assert after != before, "the change must show"
    assert {name: answer() for name, answer in ways.items()} == dict.fromkeys(ways, after)


@pytest.mark.parametrize("change", by_hand(CHANGES, THROUGHOUT))
def test_every_way_of_answering_follows_a_change(change: str, model, patch) -> None:
    answers_follow(WAYS, change, model, patch)


@pytest.mark.parametrize("change", [name for name in CHANGES if name not in TWINS | THROUGHOUT])
def test_every_door_follows_a_change(change: str, model, patch) -> None:
    answers_follow(DOORS, change, model, patch)


@pytest.mark.parametrize("change", EACH_CHANGE)
def test_int8_follows_a_change(change: str, model, patch) -> None:
    used = FastDecoder("int8")
    answer = generating(model, custom_generate=used)
    before = answer()
    CHANGES[change](model, patch)
    after = answer()
    assert after == generating(model, custom_generate=FastDecoder("int8"))()
    assert after != before, "the change must show"


@pytest.mark.parametrize("change", EACH_CHANGE)
def test_the_exact_loss_is_the_loss_of_the_logits(change: str, model, patch) -> None:
    before = exact_loss(model, make_batches(TOKENIZER, Accelerator(cpu=True)), Accelerator())
    CHANGES[change](model, patch)
    batches = make_batches(TOKENIZER, Accelerator(cpu=True))
    found = exact_loss(model, batches, Accelerator())
    total = tokens = 0.0
    for batch in batches:
        with torch.no_grad():
            logits = model(**batch).logits
        real = int((batch["labels"] != -100).sum())
        total += next_token_loss(logits, batch["labels"]).item() * real
        tokens += real
    assert found["loss"] == pytest.approx(total / tokens, rel=1e-5)
    assert found["loss"] != pytest.approx(before["loss"], rel=1e-3), "the change must show"


@pytest.mark.parametrize("way", EACH_WAY)
def test_a_print_in_a_layer_is_seen(way: str, model, patch, capsys) -> None:
    answer = WAYS[way](model)
    answer()
    real = TFChatLayer.feed_forward

    def feed_forward(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
        print("here", tuple(hidden_states.shape))  # noqa: T201
        return real(self, hidden_states)

    patch.setattr(TFChatLayer, "feed_forward", feed_forward)
    answer()
    assert capsys.readouterr().out.count("here") >= 3 * NEW_TOKENS


@pytest.mark.parametrize("way", EACH_WAY)
def test_products_under_autocast_are_in_its_type(way: str, model, patch) -> None:
    answer, types = WAYS[way](model), set()
    answer()

    def feed_forward(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
        inner = self.fc1(hidden_states)
        types.add(inner.dtype)
        output = self.fc2(self.activation_fn(inner))
        types.add(output.dtype)
        return self.add_and_norm(hidden_states, output, self.final_layer_norm)

    patch.setattr(TFChatLayer, "feed_forward", feed_forward)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer()
    assert types == {torch.bfloat16}
    types.clear()
    answer()
    assert types == {torch.float32}


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated")
@pytest.mark.parametrize("way", EACH_WAY)
def test_quantised_layers_make_the_products(way: str, model, patch) -> None:
    answer = WAYS[way](model)
    answer()
    quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8, inplace=True)
    kind, calls = type(model.lm_head), []
    assert kind is not nn.Linear
    real = kind.forward
    patch.setattr(kind, "forward", lambda self, states: calls.append(self) or real(self, states))
    replies = answer()
    layers = {layer for layer in model.model.decoder.modules() if isinstance(layer, kind)}
    assert layers <= set(calls) and model.lm_head in calls
    # Rounding goes by the largest number of a batch: near ties may fall otherwise.
    assert sum(a == b for a, b in zip(replies, truth(model), strict=True)) >= len(TEXTS) - 1


def test_two_threads_with_a_model_each_do_not_mix_their_weights(trained) -> None:
    decoder = FastDecoder()
    other = copy.deepcopy(trained)
    other.lm_head.weight.data.neg_()
    expected, found = [truth(trained), truth(other)], {}

    def work(place: int, model: Any) -> None:
        found[place] = [generating(model, custom_generate=decoder)() for _ in range(4)]

    threads = [threading.Thread(target=work, args=given) for given in enumerate([trained, other])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[place] for place in (0, 1)] == [[replies] * 4 for replies in expected]
