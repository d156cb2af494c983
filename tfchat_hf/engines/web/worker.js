// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// The model, in a thread of its own: the page stays alive while it thinks.

import * as ort from "./vendor/onnxruntime-web.js";
import { Tokenizer } from "./vendor/tokenizers.js";
import { Model, decode, encodeContext } from "./decoding.js";

const GRAPHS = ["encoder", "cross_attention", "decoder"];
const OPTIONS = {
  executionProviders: ["wasm"],
  // Weights stored in 8 bits become float32 once, when a graph is opened, and not at each step.
  extra: { session: { disable_quant_qdq: "1" } },
};
const channel = new MessageChannel();
let stopped = 0; // the number of the newest question that is not to be answered any more

/** Let messages in: a promise alone does not. */
function breathe() {
  return new Promise((resolve) => {
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(null);
  });
}

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

/** Fetch a file, telling the page how much of it is here. */
async function bytesOf(path) {
  const counting = new TransformStream({
    transform(piece, out) {
      postMessage({ got: piece.length });
      out.enqueue(piece);
    },
  });
  const { body } = await fetched(path);
  return new Uint8Array(await new Response(body.pipeThrough(counting)).arrayBuffer());
}

async function load() {
  const about = await (await fetched("page.json")).json();
  postMessage({ about });
  ort.env.wasm.numThreads = 1; // more need headers that few static servers send
  const [binary, words, settings, ...graphs] = await Promise.all([
    bytesOf("vendor/onnxruntime-web.wasm"),
    fetched("tokenizer.json").then((answer) => answer.json()),
    fetched("tokenizer_config.json").then((answer) => answer.json()),
    ...GRAPHS.map((name) => bytesOf(`${name}.onnx`)),
  ]);
  ort.env.wasm.wasmBinary = binary;
  const sessions = {};
  for (const [place, name] of GRAPHS.entries()) {
    sessions[name] = await ort.InferenceSession.create(graphs[place], OPTIONS);
  }
  const model = new Model(ort, sessions, about.config);
  // What a person writes is text, "</s>" too: this one knows no special tokens.
  const plain = new Tokenizer({ ...words, added_tokens: [] }, settings);
  return { about, model, plain, tokenizer: new Tokenizer(words, settings) };
}

function failed(error, of) {
  postMessage({ of, failed: String(error.message ?? error) });
}

async function answer({ about, model, plain, tokenizer }, { ask: of, turns, settings }) {
  const encode = (text) => plain.encode(text, { add_special_tokens: false }).ids;
  const { ids, dropped, cut } = encodeContext(encode, turns, about);
  const tokens = [];
  const begun = performance.now();
  let [text, breathed] = ["", begun];
  for await (const token of decode(model, ids, settings)) {
    tokens.push(token);
    // Bytes at the end that are no character yet wait for the others.
    text = tokenizer.decode(tokens, { skip_special_tokens: true }).replace(/\ufffd+$/, "");
    postMessage({ of, text: text.trimStart() });
    if (performance.now() - breathed < 15) continue;
    await breathe();
    breathed = performance.now();
    if (stopped >= of) break;
  }
  const seconds = (performance.now() - begun) / 1000;
  text = text.replaceAll("\ufffd", "").trim();
  postMessage({ of, done: { text, tokens, seconds, question: ids, dropped, cut } });
}

const loaded = load();
loaded.then(
  () => postMessage({ ready: true }),
  (error) => failed(error),
);

let line = Promise.resolve(); // one question at a time, in the order in which they came
onmessage = ({ data }) => {
  if (data.stop) stopped = data.stop;
  else line = line.then(async () => answer(await loaded, data)).catch((error) => failed(error, data.ask));
};
