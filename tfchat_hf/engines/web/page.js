// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// The page: one conversation, and a worker that answers.

import { language, otherLanguage, say } from "./texts.js";

// [name, least, most, step]
const FIELDS = [
  ["temperature", 0.1, 5, 0.1],
  ["top_p", 0, 1, 0.05],
  ["repetition_penalty", 0.5, 5, 0.05],
  ["no_repeat_ngram_size", 0, 10, 1],
  ["max_new_tokens", 1, 1, 1],
];
const at = (id) => document.getElementById(id);
// What would turn the text around it about, or cannot be seen.
const UNSEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const visible = (text) => text.replace(UNSEEN, "\ufffd");
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

const turns = [];
let about = null;
let settings = null;
let current = null; // the reply that is being made: {turn, bubble, note}
let asked = 0; // messages of the worker for an older question are for nobody
let state = []; // what the line above the message says, to be said again in the other language
let got = 0;
let all = 0;

const worker = new Worker("worker.js", { type: "module" });
worker.onerror = (event) => failed(event.message || "worker.js");
worker.onmessage = ({ data }) => {
  if (data.about) began(data.about);
  else if (data.got) fetching(data.got);
  else if (data.ready) ready();
  else if (data.of !== undefined && !(current && data.of === asked)) return;
  else if (data.failed) failed(data.failed);
  else if (data.done) ended(data.done);
  else grew(data);
};

function began(found) {
  about = found;
  at("name").textContent = document.title = about.name;
  all = Object.values(about.files).reduce((sum, size) => sum + size, 0);
  for (const name of Object.keys(about.presets)) at("preset").add(new Option(name, name));
  choose(about.default_preset);
  translate();
}

function fetching(bytes) {
  got += bytes;
  at("progress").value = got / all;
  tell(got < all ? "fetching" : "opening", { part: megabytes(got), all: megabytes(all) });
}

function ready() {
  at("progress").hidden = true;
  const engine = about.files["vendor/onnxruntime-web.wasm"];
  const seconds = (performance.now() / 1000).toFixed(1);
  const kind = about.int8 ? "int8" : "float32";
  tell("ready", { name: about.name, model: megabytes(all - engine), engine: megabytes(engine), kind, seconds });
  document.body.dataset.ready = "yes";
  at("message").focus();
}

function failed(reason) {
  at("progress").hidden = true;
  tell("failed", { reason });
  if (!current) return;
  current.turn.ariaBusy = false;
  current = null;
  turns.pop();
  translate();
}

function tell(key, values = {}) {
  state = [key, values];
  const said = values.kind ? { ...values, kind: say(values.kind) } : values;
  at("state").textContent = say(key, said);
}

/** Say everything in the language of the page. */
function translate() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = say(one.dataset.text);
  for (const one of document.querySelectorAll("[data-label]")) one.ariaLabel = say(one.dataset.label);
  at("message").placeholder = say("message");
  at("send").textContent = say(current ? "stop" : "send");
  if (state.length) tell(...state);
  if (!about) return;
  for (const option of at("preset").options) option.text = option.value || say("own");
  at("about-preset").textContent = about.presets[at("preset").value].about[language()];
}

/** Take the settings of a preset, and show those that can be changed. */
function choose(name) {
  at("preset").value = name;
  settings = { ...about.presets[name].settings };
  const draws = field("do_sample", { type: "checkbox", checked: settings.do_sample });
  const numbers = FIELDS.map(([key, min, max, step]) => {
    const most = key === "max_new_tokens" ? about.most_new_tokens : max;
    return field(key, { type: "number", min, max: most, step, value: settings[key] });
  });
  at("fields").replaceChildren(draws, ...numbers);
}

function field(key, properties) {
  const label = document.createElement("label");
  const name = document.createElement("span");
  name.dataset.text = key;
  name.textContent = say(key);
  const input = Object.assign(document.createElement("input"), properties);
  input.onchange = () => {
    if (input.type === "checkbox") settings[key] = input.checked;
    else if (input.value && input.checkValidity()) settings[key] = Number(input.value);
    else input.value = settings[key];
  };
  label.append(name, input);
  return label;
}

function ask() {
  const message = at("message").value.trim();
  if (!message || current || !document.body.dataset.ready) return;
  at("message").value = "";
  turns.push(message);
  show("asked", "you", message);
  current = show("said", "model", "");
  translate();
  current.turn.ariaBusy = true; // so that a screen reader waits for the whole reply
  worker.postMessage({ ask: ++asked, turns, settings });
}

/** Add a turn; whatever stands in it is text. */
function show(side, who, text) {
  const turn = document.createElement("div");
  const bubble = document.createElement("p");
  const note = document.createElement("div");
  turn.className = `turn ${side}`;
  turn.setAttribute("role", "group");
  turn.dataset.label = who;
  bubble.dir = "auto";
  bubble.textContent = visible(text);
  note.className = "note";
  turn.append(bubble, note);
  at("talk").append(turn);
  turn.scrollIntoView();
  return { turn, bubble, note };
}

function grew({ text }) {
  current.bubble.textContent = visible(text);
  at("talk").scrollTop = at("talk").scrollHeight;
}

function ended({ text, tokens, seconds, dropped, cut }) {
  const { turn, bubble, note } = current;
  current = null;
  turns.push(text);
  bubble.textContent = visible(text) || say("silence");
  const values = { tokens: tokens.length, rate: Math.round(tokens.length / seconds) };
  const notes = [say("speed", values)];
  if (dropped) notes.push(say("dropped", { dropped, most: about.max_source_length }));
  if (cut) notes.push(say("cut", { most: about.max_source_length }));
  note.textContent = notes.join(" · ");
  turn.ariaBusy = false;
  document.body.dataset.answered = String(turns.length);
  translate();
  at("talk").scrollTop = at("talk").scrollHeight;
}

at("form").onsubmit = (event) => {
  event.preventDefault();
  if (current) worker.postMessage({ stop: asked });
  else ask();
};
at("message").onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  ask();
};
at("new").onclick = () => {
  if (current) worker.postMessage({ stop: asked });
  current = null;
  turns.length = 0;
  at("talk").replaceChildren();
  translate();
};
at("language").onclick = () => {
  otherLanguage();
  translate();
};
at("preset").onchange = () => {
  choose(at("preset").value);
  translate();
};
at("no-server").remove();
document.body.className = "";
translate();
