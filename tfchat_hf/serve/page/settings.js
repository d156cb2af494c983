// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// How the model answers: a preset, settings on top of it, and whether the memory is asked.
import { find, make, say, shown, spoken } from "./dom.js";

const KEY = "tfchat.settings", dialog = find("#settings");
let about = null, chosen = {}, onChange = () => {};

export function prepareSettings(given, act) {
  [about, onChange] = [given, act];
  try { chosen = known(JSON.parse(localStorage.getItem(KEY)) ?? {}); } catch { chosen = {}; }
  find("#open-settings").addEventListener("click", () => { draw(); dialog.showModal(); });
  addEventListener("storage", (event) => {
    if (event.key === KEY) { chosen = known(JSON.parse(event.newValue) ?? {}); onChange(); }
  });
}

export const chosenSettings = () => ({ ...chosen });
export const presetNow = () => (chosen.preset ? shown(chosen.preset) : say("settings"));

// Another model may lack what was set for the last one.
function known(given) {
  const names = new Set(["memory", ...about.settings.map((one) => one.name)]);
  const kept = Object.fromEntries(Object.entries(given).filter(([name]) => names.has(name)));
  return about.presets.some((one) => one.name === given.preset) ? { preset: given.preset, ...kept } : kept;
}

function choose(changes) {
  chosen = Object.fromEntries(Object.entries({ ...chosen, ...changes }).filter(([, value]) => value !== undefined));
  localStorage.setItem(KEY, JSON.stringify(chosen));
  onChange();
}

function draw() {
  const options = [{ name: undefined, about: { en: "", zh: "" } }, ...about.presets].map((one, place) => make("label", { class: "option" },
    make("input", { type: "radio", name: "preset", checked: one.name === chosen.preset, onchange: () => { choose({ preset: one.name, ...cleared() }); draw(); find(`#preset-${place}`).focus(); }, id: `preset-${place}` }),
    make("span", {}, make("strong", {}, one.name ? shown(one.name) : say("byItself")), make("small", {}, shown(one.about[spoken()])))));
  dialog.replaceChildren(make("form", { method: "dialog", onsubmit: (event) => { if (!allRight()) event.preventDefault(); } },
    make("h2", { id: "settings-title" }, say("settings")),
    about.memory ? make("label", { class: "option" }, make("input", { type: "checkbox", checked: chosen.memory !== false, onchange: (event) => choose({ memory: event.target.checked ? undefined : false }) }),
      make("span", {}, make("strong", {}, say("useMemory")), make("small", {}, say("aboutMemory")))) : null,
    make("fieldset", {}, make("legend", {}, say("preset")), options),
    make("fieldset", { class: "values" }, make("legend", {}, say("values")), about.settings.map(drawSetting)),
    make("div", { class: "row" }, make("button", { type: "button", onclick: () => { choose(cleared()); draw(); } }, say("reset")), make("button", { type: "submit", class: "main" }, say("done")))));
}

const cleared = () => Object.fromEntries(about.settings.map((one) => [one.name, undefined]));
const inForce = (name) => about.values[chosen.preset ?? ""][name];

function spelled(value) {
  if (value === null || value === undefined) return say("notSet");
  return typeof value === "boolean" ? say(value ? "yes" : "no") : String(value);
}

function drawSetting(one) {
  const preset = say("asPreset", { value: spelled(inForce(one.name)) });
  const change = (event) => {
    const { value } = event.target;
    if (allRight()) choose({ [one.name]: value === "" ? undefined : one.kind === "bool" ? value === "true" : Number(value) });
  };
  const input = one.kind === "bool"
    ? make("select", { id: `set-${one.name}`, onchange: change }, [["", preset], ["true", say("yes")], ["false", say("no")]].map(([value, text]) =>
      make("option", { value, selected: String(chosen[one.name] ?? "") === value }, text)))
    : make("input", { type: "number", id: `set-${one.name}`, inputmode: "decimal", step: one.kind === "int" ? 1 : "any", min: one.low, max: one.high,
      placeholder: preset, value: chosen[one.name] ?? "", "aria-describedby": `about-${one.name}`, oninput: change });
  const range = one.kind === "bool" ? "" : ` (${say("range", { low: one.low, high: one.high.toLocaleString("en") })})`;
  return make("div", { class: "setting" }, make("label", { for: `set-${one.name}` }, one.name.replaceAll("_", "_\u200b")), input,
    make("small", { id: `about-${one.name}` }, `${shown(one.about[spoken()])}${range}`));
}

function allRight() {
  for (const one of about.settings) {
    const input = find(`#set-${one.name}`, dialog);
    if (input && !input.checkValidity()) { input.reportValidity(); return false; }
  }
  return true;
}
