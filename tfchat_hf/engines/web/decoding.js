// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// From turns to a reply: what the encoder reads, the graphs step by step, the choice of each token.

import { processorsOf, softmax } from "./processors.js";

// As chat/session.py: what is far too long is cut before it is looked at closely.
const CHARACTERS_PER_TOKEN = 64;

/**
 * Encode turns, the oldest ones dropped when they do not fit: text/dialogue.py's `encode_context`.
 *
 * `about` is page.json. Returns the ids and how many turns and tokens had to be left out.
 */
export function encodeContext(encode, turns, about) {
  const room = about.max_source_length - about.question_end.length;
  const most = CHARACTERS_PER_TOKEN * about.max_source_length;
  const kept = turns.filter((turn, place) => turn || place === turns.length - 1);
  const shown = kept.slice(-Math.max(1, about.config.max_context_turns));
  const older = shown.map((turn) => encode(lastCharacters(turn, most)));
  let ids = older.pop();
  if (ids.length > room) {
    const cut = ids.length - room;
    return { ids: [...ids.slice(cut), ...about.question_end], dropped: older.length, cut };
  }
  while (older.length && older.at(-1).length + 1 + ids.length <= room) {
    ids = [...older.pop(), about.config.sep_token_id, ...ids];
  }
  return { ids: [...ids, ...about.question_end], dropped: older.length, cut: 0 };
}

/** Cut as Python does, which counts characters and no halves of them. */
function lastCharacters(text, count) {
  return [...text.slice(-2 * count).toWellFormed()].slice(-count).join("");
}

/** The three graphs of a model, for one reply at a time; `ort` is onnxruntime-web. */
export class Model {
  constructor(ort, sessions, config) {
    Object.assign(this, { ort, sessions, config });
  }

  /** Read a question; return what gives the scores after one more token of the reply. */
  async read(question, room) {
    const { encoder, cross_attention: cross } = this.sessions;
    const length = question.length;
    const { encoder_hidden_states } = await encoder.run({
      input_ids: this.tensor("int64", question, [1, length]),
      attention_mask: this.tensor("int64", question.map(() => 1), [1, length]),
    });
    const cache = {
      ...(await cross.run({ encoder_hidden_states })),
      encoder_mask: this.tensor("float32", new Array(length).fill(0), [1, 1, 1, length]),
      ...this.emptyBuffers(room),
    };
    let position = 0;
    return (token) => this.step(cache, token, position++);
  }

  /** Decode one token, which leaves its keys and values in the cache. */
  async step(cache, token, position) {
    const made = await this.sessions.decoder.run({
      ...cache,
      input_ids: this.tensor("int64", [token], [1, 1]),
      past_length: this.tensor("int32", [position], [1]),
      total_length: this.tensor("int32", [position + 1], [1]),
    });
    for (const [name, value] of Object.entries(made)) {
      if (name.startsWith("present.")) cache[name.replace("present.", "past.")] = value;
    }
    return made.logits.data;
  }

  emptyBuffers(room) {
    const heads = this.config.decoder_attention_heads;
    const size = Math.ceil(this.config.d_model / heads / 8) * 8; // as onnx_names.cache_head_dim
    const names = this.sessions.decoder.inputNames.filter((name) => name.startsWith("past."));
    const empty = () => new this.ort.Tensor("float32", new Float32Array(heads * room * size), [1, heads, room, size]);
    return Object.fromEntries(names.map((name) => [name, empty()]));
  }

  tensor(type, values, shape) {
    const kinds = { int64: BigInt64Array, int32: Int32Array, float32: Float32Array };
    return new this.ort.Tensor(type, kinds[type].from(type === "int64" ? values.map(BigInt) : values), shape);
  }
}

/** Yield the tokens of a reply, without the end token; `random` gives numbers from 0 to below 1. */
export async function* decode(model, question, settings, random = Math.random) {
  const ends = [model.config.eos_token_id].flat();
  const step = await model.read(question, settings.max_new_tokens);
  const nothing = settings.anti_lm_weight ? await afterNothing(model, ends[0], settings) : null;
  const processors = processorsOf(settings, model.config, question, nothing);
  const ids = [model.config.decoder_start_token_id];
  while (ids.length <= settings.max_new_tokens) {
    const scores = await step(ids.at(-1));
    for (const change of processors) await change(ids, scores);
    const token = settings.do_sample ? draw(scores, random()) : likeliest(scores);
    if (ends.includes(token)) return;
    ids.push(token);
    yield token;
  }
}

/** Return what gives the scores after an empty message; it follows the reply token by token. */
async function afterNothing(model, end, settings) {
  const step = await model.read([end], settings.anti_lm_tokens);
  return (ids) => step(ids.at(-1));
}

function likeliest(scores) {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id] > scores[best]) best = id;
  return best;
}

function draw(scores, number) {
  const shares = softmax(scores);
  let left = number * shares.reduce((sum, share) => sum + share, 0);
  let last = 0;
  for (let id = 0; id < shares.length; id++) {
    if (!shares[id]) continue;
    last = id;
    left -= shares[id];
    if (left < 0) break;
  }
  return last;
}
