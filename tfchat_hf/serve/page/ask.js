// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// Talks to the server: its own API for replies, and what this page alone asks for.
import { find } from "./dom.js";

const KEY = "tfchat.key";

// The key of the API stays in this tab, and is asked for when the server wants one.
function askForKey(wasWrong) {
  const dialog = find("#key"), field = find("#key-field");
  find("#key-wrong").hidden = !wasWrong;
  field.value = dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    if (dialog.returnValue) sessionStorage.setItem(KEY, field.value.trim());
    resolve(Boolean(dialog.returnValue));
  }, { once: true }));
}

async function failure(response) {
  let said = null;
  try { said = (await response.json()).error?.message; } catch { /* not one of ours */ }
  return new Error(said || `${response.status} ${response.statusText}`);
}

export async function request(path, body, signal) {
  for (;;) {
    const key = sessionStorage.getItem(KEY), headers = {};
    // A header takes no other characters, and no key has them: the server says that it is wrong.
    if (key) headers.Authorization = `Bearer ${key.replace(/[^ -~]/g, "?")}`;
    if (body) headers["Content-Type"] = "application/json";
    const response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
    if (response.ok) return response;
    if (response.status !== 401 || !(await askForKey(Boolean(key)))) throw await failure(response);
  }
}

// Yields the data of each event of a stream.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value.replaceAll("\r\n", "\n")).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

// Calls `onPiece(text, ids)` for each piece, and returns how the reply ended.
export async function askModel(body, signal, onPiece) {
  const response = await request("v1/chat/completions", { ...body, stream: true, return_token_ids: true }, signal);
  const end = { finish: null, memory: null, cut: response.headers.has("x-tfchat-tokens-cut") };
  for await (const event of events(response)) {
    if (event.error) throw new Error(event.error.message);
    const choice = event.choices?.[0];
    if (!choice) continue;
    onPiece(choice.delta?.content ?? "", choice.token_ids ?? []);
    end.finish = choice.finish_reason ?? end.finish;
    end.memory = choice.memory ?? end.memory;
  }
  if (!end.finish) throw new TypeError("cut short"); // as fetch says it where it sees that
  return end;
}
