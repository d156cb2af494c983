// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// Conversations in this browser's own storage. Each has a key of its own, and a change is made to
// what is stored at that moment: tabs do not write over each other.
const PREFIX = "tfchat.talk.";
let onFull = () => {};
export const whenFull = (act) => { onFull = act; };

export const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36).padStart(2, "0")).join("");

export function readTalk(id) {
  try {
    const talk = JSON.parse(localStorage.getItem(PREFIX + id));
    if (!Array.isArray(talk?.messages) || typeof talk.title !== "string") return null;
    talk.messages = talk.messages.filter((one) => (one.role === "user" ? typeof one.text === "string" : Array.isArray(one.pieces) && Array.isArray(one.ids)));
    return talk;
  } catch { return null; }
}

export function writeTalk(talk) {
  try { localStorage.setItem(PREFIX + talk.id, JSON.stringify(talk)); } catch { onFull(); }
}

export function allTalks() {
  return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX))
    .map((key) => readTalk(key.slice(PREFIX.length))).filter(Boolean).sort((a, b) => b.changed - a.changed);
}

// Does nothing where another tab has deleted it meanwhile.
export function changeTalk(id, change) {
  const talk = readTalk(id);
  if (!talk) return null;
  change(talk);
  writeTalk(talk);
  return talk;
}

export const deleteTalk = (id) => localStorage.removeItem(PREFIX + id);

// Puts a message in its place: over the one of its id, or at the end.
export function putMessage(id, message) {
  return changeTalk(id, (talk) => {
    const place = talk.messages.findIndex((one) => one.id === message.id);
    if (place < 0) talk.messages.push(message);
    else talk.messages[place] = message;
    talk.changed = Date.now();
  });
}

// Takes out a message and all that follow it.
export function cutFrom(id, messageId) {
  return changeTalk(id, (talk) => {
    const place = talk.messages.findIndex((one) => one.id === messageId);
    if (place >= 0) talk.messages.length = place;
  });
}

export function whenOthersWrite(act) {
  addEventListener("storage", (event) => {
    if (event.key === null || event.key.startsWith(PREFIX)) act(event.key?.slice(PREFIX.length));
  });
}
