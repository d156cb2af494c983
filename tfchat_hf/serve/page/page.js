// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// The conversation, what is written into it, and the list of all conversations.
import { find, icon, iconButton, make, say, shown, speak, spoken, texts, translate } from "./dom.js";
import { allTalks, changeTalk, cutFrom, deleteTalk, newId, putMessage, readTalk, whenFull, whenOthersWrite, writeTalk } from "./talks.js";
import { askModel, request } from "./ask.js";
import { closeInside, forget, lookedAt, redrawInside, setAbout, showInside } from "./inside.js";
import { chosenSettings, presetNow, prepareSettings } from "./settings.js";

const field = find("#message"), thread = find("#thread");
let about = null, currentId = sessionStorage.getItem("tfchat.current"), running = null, editing = null, undo = null;

// ------------------------------------------------------------------ conversations
const untitled = (talk) => shown(talk.title) || say("untitled");

function goTo(id) {
  currentId = id;
  if (id) sessionStorage.setItem("tfchat.current", id);
  else sessionStorage.removeItem("tfchat.current");
  editing = null;
  closeInside();
  showTalks(false);
  draw();
  thread.scrollTop = thread.scrollHeight;
}

function drawList() {
  if (find("#list input")) return; // a title is being typed
  find("#list").replaceChildren(...allTalks().map((talk) => make("li", { class: talk.id === currentId ? "current" : null },
    make("button", { type: "button", class: "open", dir: "auto", "aria-current": talk.id === currentId ? "page" : null, onclick: () => goTo(talk.id) }, untitled(talk)),
    iconButton("edit", `${say("rename")}: ${untitled(talk)}`, (event) => rename(talk, event.currentTarget.closest("li"))),
    iconButton("bin", `${say("delete")}: ${untitled(talk)}`, () => remove(talk)))));
}

function rename(talk, item) {
  const name = make("input", { value: talk.title, maxlength: 200, "aria-label": say("rename"), dir: "auto" });
  let isOver = false;
  const end = (keep) => {
    if (isOver) return;
    isOver = true;
    if (keep) changeTalk(talk.id, (stored) => { stored.title = name.value.trim(); });
    name.remove();
    draw();
  };
  name.addEventListener("keydown", (event) => {
    if (isComposing(event)) return;
    if (event.key === "Enter") end(true);
    if (event.key === "Escape") end(false);
  });
  name.addEventListener("blur", () => end(true));
  item.replaceChildren(name);
  name.focus();
  name.select();
}

function remove(talk) {
  const stored = readTalk(talk.id);
  if (running?.talk === talk.id) stopReply();
  deleteTalk(talk.id);
  if (talk.id === currentId) goTo(allTalks()[0]?.id ?? null);
  else draw();
  tell(say("deleted", { title: untitled(talk) }), () => { writeTalk(stored); goTo(stored.id); });
  find("#undo").focus();
}

function tell(text, onUndo = null) {
  undo = onUndo;
  find("#notice").hidden = !text;
  find("#notice-text").textContent = text;
  find("#undo").hidden = !onUndo;
}

// ------------------------------------------------------------------ messages
function draw() {
  const talk = currentId && readTalk(currentId);
  if (currentId && !talk) currentId = null;
  const isBottom = thread.scrollHeight - thread.scrollTop - thread.clientHeight < 80;
  const caret = document.activeElement === find("#editor") ? document.activeElement?.selectionStart : null;
  find("#title").textContent = talk ? untitled(talk) : say("untitled");
  document.title = talk ? `${untitled(talk)} · TFChat` : "TFChat";
  find("#messages").replaceChildren(...(talk?.messages ?? []).map((message, place, all) => (message.role === "user" ? drawQuestion(message) : drawReply(message, place === all.length - 1))));
  find("#welcome").hidden = Boolean(talk?.messages.length);
  drawWelcome();
  drawList();
  find("#preset-now").textContent = presetNow();
  find("#stop").hidden = !running;
  find("#send").hidden = Boolean(running);
  if (isBottom) thread.scrollTop = thread.scrollHeight;
  // A reply may end while its question is edited.
  if (caret !== null && find("#editor")) { find("#editor").focus(); find("#editor").setSelectionRange(caret, caret); }
}

function drawWelcome() {
  find("#welcome").replaceChildren(make("h2", {}, say("welcome")), make("p", {}, say("about", { model: shown(about?.model ?? "…") })),
    make("div", { class: "samples" }, say("samples").split("|").map((text) => make("button", { type: "button", dir: "auto", onclick: () => send(text) }, text))));
}

function drawQuestion(message) {
  if (editing?.id === message.id) return drawEditor(message);
  return make("li", { class: "turn asked" }, make("div", { class: "text", dir: "auto" }, make("span", { class: "hidden" }, say("you")), shown(message.text)),
    make("div", { class: "actions" }, iconButton("edit", say("edit"), () => { editing = { id: message.id, text: message.text }; draw(); find("#editor").focus(); })));
}

function drawEditor(message) {
  const area = make("textarea", { id: "editor", rows: 3, dir: "auto", "aria-label": say("edit"), value: editing.text });
  const end = () => { editing = null; draw(); field.focus(); };
  const askAgain = () => {
    if (!area.value.trim() || isBusy()) return;
    editing = null;
    forgetFrom(message.id);
    send(area.value);
  };
  area.addEventListener("input", () => { keepShort(area); editing.text = area.value; });
  area.addEventListener("keydown", (event) => {
    if (isComposing(event)) return;
    if (event.key === "Escape") end();
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); askAgain(); }
  });
  return make("li", { class: "turn asked editing" }, area, make("div", { class: "row" },
    make("button", { type: "button", onclick: end }, say("cancel")), make("button", { type: "button", class: "main", onclick: askAgain }, say("askEdited"))));
}

function drawReply(message, isLast) {
  const isMade = running?.message.id === message.id;
  const item = make("li", { class: "turn reply", "data-id": message.id });
  const text = make("div", { class: "text", dir: "auto" }, make("span", { class: "hidden" }, say("reply")));
  message.pieces.forEach((_, place) => text.append(drawPiece(message, place)));
  if (isMade) text.append(make("span", { class: "caret", "aria-hidden": "true" }));
  else if (!message.pieces.some(([piece]) => piece) && message.state === "done") text.append(make("em", {}, say("silence")));
  item.append(text, ...(isMade ? [] : notesOf(message).map((note) => make("p", { class: "note" }, ...note))));
  if (!isMade) item.append(make("div", { class: "actions" }, ...actionsOf(message, isLast)));
  markChosen(item, message);
  return item;
}

// A piece of text knows which tokens it is of; from the memory comes text alone.
function drawPiece(message, place) {
  const [text] = message.pieces[place];
  if (message.memory) return document.createTextNode(shown(text));
  return make("span", { class: "token", "data-place": place, onclick: () => look(message, idsBefore(message, place)) }, shown(text));
}

const idsBefore = (message, place) => message.pieces.slice(0, place).reduce((sum, [, count]) => sum + count, 0);

function notesOf(message) {
  const notes = [];
  if (message.memory) notes.push([make("strong", { class: "badge" }, say("remembered")), ` ${say("memory", { question: shown(message.memory.question), score: Number(message.memory.score).toFixed(2) })}`]);
  if (message.state === "failed") notes.push([say(message.pieces.length ? "brokenOff" : "failed", { error: shown(message.error) })]);
  // Another tab is at it, or was when it ended.
  const isOn = message.state === "busy" && Date.now() - message.saved < 15_000;
  if (isOn || ["stopped", "busy"].includes(message.state)) notes.push([say(isOn ? "replying" : "stopped")]);
  const most = about?.settings.find((one) => one.name === "max_new_tokens").high;
  if (message.finish === "length") notes.push([say(message.ids.length < most ? "full" : "longest")]);
  if (message.cut) notes.push([say("dropped")]);
  if (message.same) notes.push([say("same")]);
  return notes;
}

function actionsOf(message, isLast) {
  const words = message.pieces.map(([piece]) => piece).join("");
  return [
    message.ids.length ? make("button", { type: "button", class: "quiet why", onclick: () => look(message, 0) }, icon("look"), say("look")) : null,
    message.memory && isLast ? make("button", { type: "button", class: "quiet", onclick: () => again(message, { memory: false }) }, icon("look"), say("own")) : null,
    isLast ? iconButton("again", say("again"), () => again(message)) : null,
    words && navigator.clipboard ? iconButton("copy", say("copy"), async () => { await navigator.clipboard.writeText(words); tell(say("copied")); }) : null,
  ].filter(Boolean);
}

// ------------------------------------------------------------------ a look inside
function look(message, place) {
  if (!about || running?.message.id === message.id || !readTalk(currentId)) return;
  const talkId = currentId, messages = before(readTalk(talkId), message.id);
  showInside({
    id: message.id,
    body: { messages, token_ids: message.ids, ...message.settings },
    onSelect: (_, inside) => {
      // A reply whose pieces hold several tokens is laid out token by token now.
      const { pieces } = inside.reply;
      if (message.pieces.some(([, count]) => count !== 1) && pieces.join("") === plain(message).content.trim()) {
        message.pieces = pieces.map((piece) => [piece, 1]);
        putMessage(talkId, message);
        draw();
      }
      markChosen(find(`[data-id="${message.id}"]`), message);
    },
    onClose: () => { markChosen(find(`[data-id="${message.id}"]`), message); find(`[data-id="${message.id}"] .why`)?.focus(); },
  }, place);
  find("#inside").focus();
  // On a phone the panel covers the lower part of the conversation.
  if (matchMedia("(max-width: 56rem)").matches) find(`[data-id="${message.id}"]`).scrollIntoView({ block: "start" });
}

function markChosen(item, message) {
  if (!item) return;
  const open = lookedAt(), place = open?.subject.id === message.id ? open.place : -1;
  for (const one of item.querySelectorAll(".token")) {
    const first = idsBefore(message, Number(one.dataset.place)), count = message.pieces[one.dataset.place][1];
    one.classList.toggle("here", place >= first && place < first + count);
  }
}

// ------------------------------------------------------------------ asking
const plain = (message) => ({ role: message.role, content: message.role === "user" ? message.text : message.pieces.map(([piece]) => piece).join("") });

// What was said before a message; the model reads no more than its newest turns.
function before(talk, messageId) {
  const place = talk.messages.findIndex((one) => one.id === messageId);
  return talk.messages.slice(0, place < 0 ? undefined : place).filter((one) => one.role === "user" || one.pieces.some(([piece]) => piece)).map(plain).slice(-20);
}

function forgetFrom(messageId) {
  readTalk(currentId)?.messages.forEach((one) => forget(one.id));
  cutFrom(currentId, messageId);
}

// Returns whether it was sent: where the storage is full, what was written stays in its field.
function send(text) {
  if (isBusy() || !text.trim()) return false;
  tell("");
  if (!currentId || !readTalk(currentId)) {
    const talk = { id: newId(), title: text.trim().slice(0, 60), changed: Date.now(), messages: [] };
    writeTalk(talk);
    currentId = talk.id;
    sessionStorage.setItem("tfchat.current", talk.id);
  }
  const id = newId();
  putMessage(currentId, { id, role: "user", text });
  if (readTalk(currentId)?.messages.at(-1)?.id !== id) return false;
  answer(chosenSettings());
  return true;
}

function again(message, changes = {}) {
  if (isBusy() || !readTalk(currentId)) return;
  const words = plain(message).content;
  forgetFrom(message.id);
  answer({ ...chosenSettings(), ...changes }, words);
}

async function answer(settings, earlier = null) {
  const talk = currentId, message = { id: newId(), role: "assistant", pieces: [], ids: [], state: "busy", saved: Date.now(), settings };
  const body = { model: about.model, messages: before(readTalk(talk), message.id), ...settings };
  const controller = new AbortController();
  putMessage(talk, message);
  running = { talk, message, controller };
  draw();
  thread.scrollTop = thread.scrollHeight;
  find("#status").textContent = say("replying");
  try {
    const end = await askModel(body, controller.signal, (text, ids) => addPiece(text, ids));
    Object.assign(message, { state: "done", finish: end.finish, memory: end.memory, cut: end.cut });
  } catch (error) {
    if (controller.signal.aborted) message.state = "stopped";
    else Object.assign(message, { state: "failed", error: error instanceof TypeError ? say("offline") : error.message });
  }
  message.same = earlier !== null && message.state === "done" && plain(message).content === earlier;
  running = null;
  putMessage(talk, message);
  draw();
  find("#status").textContent = `${say("reply")} ${shown(plain(message).content)} ${notesOf(message).map((note) => note.map((one) => one.textContent ?? one).join("")).join(" ")}`;
}

function addPiece(text, ids) {
  const { talk, message } = running, last = message.pieces.at(-1);
  if (!text && !ids.length) return;
  message.ids.push(...ids);
  // Tokens without text of their own (half a character, the end) belong to the piece before.
  if (!text && last) last[1] += ids.length;
  else message.pieces.push([text, ids.length]);
  if (talk === currentId && (text || !last)) {
    const caret = find(`[data-id="${message.id}"] .caret`), isBottom = thread.scrollHeight - thread.scrollTop - thread.clientHeight < 80;
    caret?.before(drawPiece(message, message.pieces.length - 1));
    if (isBottom) thread.scrollTop = thread.scrollHeight;
  }
  if (Date.now() - message.saved > 500) {
    message.saved = Date.now();
    putMessage(talk, message);
  }
}

// The settings and limits of the model are on their way, or a reply is.
const isBusy = () => running || !about;
const stopReply = () => running?.controller.abort();

// ------------------------------------------------------------------ what is written
// An input method shows its own list at Enter; Safari says so by 229 only.
const isComposing = (event) => event.isComposing || event.keyCode === 229;

function keepShort(area) {
  const most = about?.max_characters ?? Infinity;
  if (area.value.length <= most) return false;
  area.value = area.value.slice(0, most).replace(/[\ud800-\udbff]$/, "");
  tell(say("cut", { count: most.toLocaleString("en") }));
  return true;
}

function grow() {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, innerHeight / 3)}px`;
}

function submit() {
  if (send(field.value)) {
    field.value = "";
    grow();
  }
}

// ------------------------------------------------------------------ the page
function showTalks(isOpen) {
  document.body.classList.toggle("listing", isOpen);
  find("#menu").setAttribute("aria-expanded", String(isOpen));
}

const THEMES = ["auto", "light", "dark"];
function useTheme(theme) {
  localStorage.setItem("tfchat.theme", theme);
  document.documentElement.dataset.theme = theme;
  find("#theme span").textContent = say(theme);
  redrawInside();
}

function drawAll() {
  translate();
  find("#language").textContent = say("other");
  find("#language").lang = spoken() === "zh" ? "en" : "zh-CN";
  const reads = !about ? "" : about.turns === 1 ? say("readsOne") : say("reads", { count: about.turns });
  find("#hint").replaceChildren(make("span", { class: "keys" }, say("keys")), spoken() === "zh" ? "" : " ", reads);
  find("#model").textContent = shown(about?.model ?? "");
  useTheme(localStorage.getItem("tfchat.theme") ?? "auto");
  draw();
}

function listen() {
  find("#composer").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    submit();
  });
  field.addEventListener("input", () => { if (!keepShort(field) && !undo) tell(""); grow(); });
  find("#stop").addEventListener("click", () => { stopReply(); field.focus(); });
  find("#new").addEventListener("click", () => { goTo(null); field.focus(); });
  find("#undo").addEventListener("click", () => { const act = undo; tell(""); act?.(); field.focus(); });
  find("#menu").addEventListener("click", () => { showTalks(true); find("#close-talks").focus(); });
  find("#close-talks").addEventListener("click", () => { showTalks(false); find("#menu").focus(); });
  find("#language").addEventListener("click", () => { speak(spoken() === "zh" ? "en" : "zh"); drawAll(); });
  find("#theme").addEventListener("click", () => useTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % 3]));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || isComposing(event) || find("dialog[open]") || editing) return;
    if (document.body.classList.contains("listing")) { showTalks(false); find("#menu").focus(); } else closeInside();
  });
  addEventListener("pagehide", () => { if (running) putMessage(running.talk, { ...running.message, state: "stopped" }); });
  whenFull(() => tell(say("storage")));
  whenOthersWrite((id) => { if (!id || id === currentId) draw(); else drawList(); });
}

async function start() {
  document.documentElement.dataset.theme = localStorage.getItem("tfchat.theme") ?? "auto";
  currentId ??= allTalks()[0]?.id ?? null;
  listen();
  drawAll();
  try {
    about = await (await request("page/about")).json();
  } catch (error) {
    return tell(say("failed", { error: error instanceof TypeError ? say("offline") : shown(error.message) }));
  }
  setAbout(about);
  prepareSettings(about, draw);
  drawAll();
  thread.scrollTop = thread.scrollHeight;
  field.focus();
}

start();
