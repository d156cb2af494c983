// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// The panel that shows one token of a reply from inside: where it looked, how sure the network
// was, its rivals, and what the rules of decoding changed.
import { find, icon, iconButton, make, percent, say, shown, spoken } from "./dom.js";
import { request } from "./ask.js";

const panel = find("#inside");
const looks = new Map();
let about = null, open = null;

export const setAbout = (given) => { about = given; };
export const lookedAt = () => open;

// `subject`: { id, body, onSelect(place, look), onClose() }, of which `body` is what the server is asked.
export async function showInside(subject, place = 0) {
  open = { subject, place, layer: open?.layer, head: open?.head ?? -1 };
  panel.hidden = false;
  document.body.classList.add("looking");
  if (!about.look) return draw(say("noLook", { engine: about.engine }));
  if (!subject.body.token_ids.length) return draw(say("noTokens"));
  if (!looks.has(subject.id)) {
    draw(`${say("loading")} ${looks.size ? "" : say("firstTime")}`);
    try {
      looks.set(subject.id, unpacked(await (await request("page/look", subject.body)).json()));
    } catch (error) {
      if (open?.subject === subject) draw(shown(error.message));
      return;
    }
  }
  if (open?.subject === subject) select(open.place);
}

export function closeInside() {
  if (!open) return;
  const { subject } = open;
  open = null;
  panel.hidden = true;
  document.body.classList.remove("looking");
  subject.onClose();
}

export function redrawInside() {
  if (open) showInside(open.subject, open.place);
}

export function forget(id) {
  looks.delete(id);
  if (open?.subject.id === id) closeInside();
}

// Weights come as 65,535ths, `(heads, target, source)` for each layer.
function unpacked(look) {
  look.weights = look.layers.map(({ shape: [heads, targets, sources], data }) => {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0)), view = new DataView(bytes.buffer);
    const at = (head, target, source) => view.getUint16(2 * ((head * targets + target) * sources + source), true) / 65535;
    const row = (head, target) => Array.from({ length: sources }, (_, source) => at(head, target, source));
    const mean = (target) => {
      const rows = Array.from({ length: heads }, (_, head) => row(head, target));
      return rows[0].map((_, source) => rows.reduce((sum, one) => sum + one[source], 0) / heads);
    };
    return { heads, row: (head, target) => (head < 0 ? mean(target) : row(head, target)) };
  });
  return look;
}

function select(place, isFocused = document.activeElement === panel) {
  const look = looks.get(open.subject.id);
  open.place = Math.max(0, Math.min(place, look.steps.length - 1));
  open.layer = Math.min(open.layer ?? Infinity, look.weights.length - 1);
  open.subject.onSelect(open.place, look);
  draw(null, look);
  const chosen = find(".strip [aria-current=true]", panel);
  if (isFocused) chosen?.focus();
  chosen?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

const headName = (head) => (head < 0 ? say("mean") : say("head", { n: head + 1 }));
const tokenName = (token) => (token === "</s>" ? `‹${say("end")}›` : token);

function draw(message, look) {
  const top = panel.scrollTop;
  const focused = document.activeElement?.dataset?.keep;
  panel.replaceChildren(
    make("div", { class: "head" }, make("h2", {}, say("inside")), iconButton("close", say("close"), closeInside)),
    ...(message ? [make("p", { class: "note", role: "status" }, message)]
      : [drawStrip(look), drawWhere(look), drawSure(look), drawRules(look), drawPicture(look)]));
  panel.scrollTop = top;
  if (focused) find(`[data-keep="${focused}"]`, panel)?.focus();
}

function drawStrip(look) {
  const chips = look.reply.tokens.slice(0, look.steps.length).map((token, place) => make("button", {
    type: "button", class: "chip say", tabindex: place === open.place ? "0" : "-1", "aria-current": String(place === open.place),
    title: percent(chosen(look.steps[place]).said), onclick: () => select(place, true) }, tokenName(token)));
  const strip = make("div", { class: "strip", role: "toolbar", "aria-label": say("tokens"), onkeydown: (event) => {
    const place = { ArrowLeft: open.place - 1, ArrowRight: open.place + 1, Home: 0, End: look.steps.length - 1 }[event.key];
    if (place === undefined) return;
    event.preventDefault();
    select(place, true);
  } }, ...chips);
  return make("section", {}, make("p", { class: "note" }, say("chooseToken"),
    look.reply.tokens.length > look.steps.length ? ` ${say("short", { count: look.steps.length })}` : ""), strip);
}

const section = (title, note, ...children) => make("section", {}, make("h3", {}, title), note && make("p", { class: "note" }, note), ...children);
const most = (row) => row.reduce((best, share, place) => (share > row[best] ? place : best), 0);

function pressed(name, text, isOn, onclick, label) {
  return make("button", { type: "button", "data-keep": name, "aria-pressed": String(isOn), "aria-label": label, title: label,
    onclick: () => { onclick(); draw(null, looks.get(open.subject.id)); } }, text);
}

function drawWhere(look) {
  const layer = look.weights[open.layer];
  const head = Math.min(open.head, layer.heads - 1), row = layer.row(head, open.place), peak = Math.max(...row);
  const layers = look.weights.length < 2 ? null : make("div", { class: "switch" }, look.weights.map((_, n) =>
    pressed(`layer${n}`, say("layer", { n: n + 1 }), n === open.layer, () => { open.layer = n; })));
  const chips = look.question.tokens.map((token, place) => {
    const chip = make("li", { class: "chip ask" }, tokenName(token), make("small", {}, percent(row[place])));
    chip.style.setProperty("--share", `${(70 * row[place] / peak).toFixed(1)}%`);
    return chip;
  });
  const said = (one) => say("looks", { head: headName(one), token: tokenName(look.question.tokens[most(layer.row(one, open.place))]),
    share: percent(Math.max(...layer.row(one, open.place))) });
  const heads = make("div", { class: "heads", role: "group", "aria-label": say("heads") }, Array.from({ length: layer.heads + 1 }, (_, place) => place - 1)
    .map((one) => pressed(`head${one}`, [make("span", {}, headName(one)), ribbon(layer.row(one, open.place))], one === head, () => { open.head = one; }, said(one))));
  const { turns, tokens } = look.question.left_out;
  const left = [turns && say("leftTurns", { count: turns }), tokens && say("leftTokens", { count: tokens })].filter(Boolean).join(", ");
  return section(say("where"), say("aboutWhere"), layers, left ? make("div", { class: "note left" }, say("left", { what: left }), open.subject.body.messages.slice(0, turns).map((one) => make("s", { dir: "auto" }, shown(one.content.slice(0, 80))))) : null,
    make("ul", { class: "chips", "aria-label": say("question"), dir: "auto" }, chips),
    make("p", { class: "hidden", role: "status" }, said(head)), heads);
}

// One cell for each token of the question, dark where the head looks.
function ribbon(row) {
  const canvas = make("canvas", { width: row.length, height: 1, "aria-hidden": "true" });
  const brush = canvas.getContext("2d"), [red, green, blue] = getComputedStyle(document.documentElement).getPropertyValue("--ribbon").split(",");
  row.forEach((share, place) => {
    brush.fillStyle = `rgba(${red},${green},${blue},${Math.sqrt(share)})`;
    brush.fillRect(place, 0, 1, 1);
  });
  return canvas;
}

const chosen = (step) => step.candidates.find((one) => one.id === step.taken);

function drawSure(look) {
  const step = look.steps[open.place], taken = chosen(step);
  const words = say(step.rank === 1 ? "rank1" : "rankN", { token: tokenName(taken.token), rank: step.rank, all: look.vocabulary.toLocaleString("en"), share: percent(taken.said) });
  const decided = percent(taken.said) === percent(taken.decided) ? "" : say("decidedAs", { share: percent(taken.decided) });
  const rows = step.candidates.map((one) => make("tr", { class: one === taken ? "taken" : null },
    make("th", { scope: "row" }, tokenName(one.token)), make("td", { class: "bar" }, bar("said", one.said), bar("decided", one.decided)),
    make("td", {}, percent(one.said)), make("td", {}, percent(one.decided))));
  return section(say("sure"), `${words}${decided && (spoken() === "zh" ? "" : " ") + decided}`, make("table", { class: "rivals" },
    make("thead", {}, make("tr", {}, make("td"), make("td"), make("th", { scope: "col" }, say("network")), make("th", { scope: "col" }, say("rules")))), make("tbody", {}, rows)));
}

function bar(name, share) {
  const one = make("i", { class: name });
  one.style.width = `${100 * share}%`;
  return one;
}

function drawRules(look) {
  const changes = look.steps[open.place].changes.filter((change) => change.moved.length);
  const ruleName = (name) => about.processors[spoken()][name] ?? name;
  const items = changes.map((change) => make("li", {}, make("span", {}, ruleName(change.processor)),
    ...change.moved.map(([token, before, after]) => make("span", { class: "moved" }, make("span", { class: "chip say" }, tokenName(token)), ` ${percent(before)} → ${percent(after)}`)),
    change.barred ? make("small", {}, say("barred", { count: change.barred.toLocaleString("en") })) : null));
  const nothing = look.processors.length ? say("unchanged") : say("none");
  return section(say("changed"), items.length ? null : nothing, items.length ? make("ul", { class: "changes" }, items) : null);
}

function drawPicture(look) {
  return make("section", {}, make("a", { class: "main", href: `${look.picture}?language=${spoken()}`, target: "_blank", rel: "noopener" }, say("picture"), icon("out")),
    make("p", { class: "note" }, say("aboutPicture")));
}
