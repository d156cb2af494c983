// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// Elements, texts in two languages, and text of others that can do nothing but be read.
export const find = (query, within = document) => within.querySelector(query);
export const texts = await (await fetch("page/texts.json")).json();

let language = localStorage.getItem("tfchat.language") || (navigator.language.startsWith("zh") ? "zh" : "en");
export const spoken = () => language;
export function speak(wanted) {
  language = wanted;
  localStorage.setItem("tfchat.language", wanted);
}

export function say(name, values = {}) {
  return texts[language][name].replace(/{(\w+)}/g, (_, key) => values[key]);
}

// Joiners of emoji and Persian stay; what steers, hides or turns text around is spelt out.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;
export const shown = (text) => String(text).replaceAll("\r\n", "\n").replace(UNSEEN, (one) =>
  "\n\t\u200c\u200d".includes(one) ? one : `\\u{${one.codePointAt(0).toString(16)}}`);

export function make(tag, attributes = {}, ...children) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) one.addEventListener(name.slice(2), value);
    else if (name === "value") one.value = value;
    else one.setAttribute(name, value === true ? "" : value);
  }
  one.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return one;
}

export function icon(name) {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  drawing.setAttribute("aria-hidden", "true");
  drawing.append(use);
  return drawing;
}

export const iconButton = (name, label, onclick) =>
  make("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick }, icon(name));

export const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}${spoken() === "zh" ? "%" : " %"}`;

// Writes what index.html says into it.
export function translate(root = document) {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const one of root.querySelectorAll("[data-text]")) one.textContent = say(one.dataset.text);
  for (const one of root.querySelectorAll("[data-name]")) {
    one.setAttribute("aria-label", say(one.dataset.name));
    if (one.tagName === "BUTTON") one.title = say(one.dataset.name);
  }
  for (const one of root.querySelectorAll("[data-hint]")) one.placeholder = say(one.dataset.hint);
}
