// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// The figures: each draws itself once and says how to follow a change of step.
const content = JSON.parse(document.getElementById("content").textContent);
const journeys = content.journeys;
let language = content.language, step = 0, asked = 0;
const texts = () => content.texts[language];
// Called after a change of step, and after another token of the question was pointed at.
const followers = [], askers = [];

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const label = (name, values = {}) => fill(texts().labels[name], values);
const percent = (share) => share === 0 ? "–" : share < .001 ? "< 0.1%" : `${(100 * share).toFixed(share < .1 ? 1 : 0)}%`;
const thousands = (number) => number.toLocaleString("en");

function make(tag, given = {}, ...children) {
  const space = ["svg", "path", "circle", "line", "text", "g"].includes(tag) && "http://www.w3.org/2000/svg";
  const made = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) made[name] = value;
    else if (name === "style") made.style.cssText = value;
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function unpack(packed, kind) {
  const bytes = Uint8Array.from(atob(packed.data), (character) => character.charCodeAt(0));
  return new kind(bytes.buffer);
}

// Weights of one layer as functions of query and key; head -1 is the average of all.
function weigher(layer) {
  const [heads, queries, keys] = layer.shape, packed = unpack(layer, Uint16Array);
  const one = (head, query, key) => packed[(head * queries + query) * keys + key] / 65535;
  const weight = (head, query, key) => {
    if (head >= 0) return one(head, query, key);
    let sum = 0;
    for (let each = 0; each < heads; each++) sum += one(each, query, key);
    return sum / heads;
  };
  return { heads, queries, keys, weight };
}

// --------------------------------------------------------------- colours, hints
const tip = document.getElementById("tip");
function hint(element, say) {
  element.onpointermove = (event) => {
    const text = say(event);
    tip.hidden = !text;
    tip.textContent = text;
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${event.clientY - 34}px`;
  };
  element.onpointerleave = () => { tip.hidden = true; };
}

const hue = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).split(",").map(Number);

// One row of signed numbers as a strip of colour.
function strip(packed, numbers, row, above = "--warm") {
  const width = packed.shape[1];
  const canvas = make("canvas", { width, height: 1, "aria-hidden": "true" });
  paint(canvas, (pixels) => {
    const cold = hue("--cold"), warm = hue(above);
    for (let place = 0; place < width; place++) {
      const value = numbers[row * width + place] / 127;
      pixels.set([...(value < 0 ? cold : warm), Math.round(255 * Math.abs(value) ** .7)], 4 * place);
    }
  });
  return canvas;
}

const painted = [];
function paint(canvas, draw) {
  const again = () => {
    const image = new ImageData(canvas.width, canvas.height);
    draw(image.data);
    canvas.getContext("2d").putImageData(image, 0, 0);
  };
  painted.push(again);
  again();
}
matchMedia("(prefers-color-scheme: dark)").onchange = () => painted.forEach((again) => again());

// --------------------------------------------------------------- tokens and vectors
function drawCut(journey) {
  const found = journey.explanation;
  const tokens = journey.encoder.tokens;
  if (!found) return make("div", { class: "row ask" }, ...tokens.map((token, place) =>
    make("span", { class: "chip ask" }, token, make("small", {}, ` ${journey.encoder.ids[place]}`))));
  const characters = [...journey.text].length;
  const span = (row, begin, end) => `grid-row:${row};grid-column:${begin + 2}/${end + 2}`;
  // Places are counted in characters, and several bytes may stand for one.
  const cells = [make("span", { class: "kind", style: "grid-row:1;grid-column:1" }, found.words ? label("words") : "")];
  let begin = 0;
  for (const word of found.words || []) {
    const end = begin + [...word].length;
    cells.push(make("span", { class: "word", style: span(1, begin, end) }, word));
    begin = end;
  }
  cells.push(make("span", { class: "kind", style: "grid-row:2;grid-column:1" }, label("ids")));
  const places = [...new Set(found.tokens.map((token) => token[2]))];
  for (const place of places) {
    const here = found.tokens.filter((token) => token[2] === place);
    cells.push(make("span", { class: "token", style: span(2, place, here[0][3]) },
      here.map((token) => token[0]).join(" "), make("small", {}, here.map((token) => token[1]).join(" "))));
  }
  cells.push(make("span", { class: "token", style: span(2, characters, characters + 1) },
    tokens.at(-1), make("small", {}, `${journey.encoder.ids.at(-1)}`)));
  const why = found.decisions.map((row) => {
    const bar = row.indexOf("|");
    return make("p", {}, `${row.slice(0, bar).join(" + ")} ${label("beats")} ${row.slice(bar + 1, -1).join(" + ")} (${label("by")} ${row.at(-1).toFixed(2)})`);
  });
  return make("div", {}, make("div", { class: "scroll" }, make("div", { class: "cut" }, ...cells)),
    why.length ? make("details", {}, make("summary", {}, label("why")), ...why) : null);
}

const tallness = (side) => `--tall:${Math.max(.8, Math.min(1.3, 22 / side.tokens.length))}rem`;

function drawVectors(journey) {
  return make("div", {}, drawSums(journey.encoder),
    make("details", { class: "say" }, make("summary", {}, label("reply")), make("p"), drawSums(journey.decoder)));
}

function drawSums(side) {
  const [embedding, position, sum] = side.vectors;
  const panel = (name, vectors) => {
    const numbers = unpack(vectors, Int8Array), width = vectors.shape[1];
    const rows = side.tokens.flatMap((token, row) => {
      const canvas = strip(vectors, numbers, row);
      hint(canvas, (event) => {
        const place = Math.max(0, Math.min(width - 1, Math.floor(width * event.offsetX / canvas.offsetWidth)));
        const value = numbers[row * width + place] / 127 * vectors.most;
        return `${token} · ${label("dimension")} ${place * vectors.every}: ${value.toFixed(2)}`;
      });
      return [make("span", { class: "name" }, token), canvas,
        make("span", { class: "number-cell" }, vectors.norms[row].toFixed(1))];
    });
    const note = vectors.every > 1 ? ` · ${label("every", vectors)}` : "";
    return [make("figcaption", {}, name + note), make("div", { class: "strips", style: tallness(side), role: "img",
      "aria-label": `${name}: ${side.tokens.map((token, row) => `${token} ${vectors.norms[row].toFixed(1)}`).join(", ")}` }, ...rows)];
  };
  if (!position) return make("div", {}, ...panel(label("embedded"), sum));
  return make("div", {}, ...panel(label("embedding"), embedding), make("div", { class: "sign" }, "+"),
    ...panel(label("position"), position), make("div", { class: "sign" }, "="), ...panel(label("sum"), sum));
}

// --------------------------------------------------------------- attention
// side: whose layers; kind: "attention" or "cross"; the queries of the decoder follow the step.
function drawAttention(journey, sideName, kind) {
  const side = journey[sideName], layers = side[kind].map(weigher);
  const queries = side.tokens, keys = kind === "cross" ? journey.encoder.tokens : side.tokens;
  const masked = (query, key) => sideName === "decoder" && kind === "attention" && key > query;
  let layer = layers.length - 1, head = layers[0].heads > 1 ? -1 : 0, pointed = null;
  const current = () => pointed ?? (sideName === "decoder" ? Math.min(step, queries.length - 1) : Math.min(asked, queries.length - 1));
  const weight = (query, key) => layers[layer].weight(head, query, key);
  const nameOf = (l, h) => `${label("layer", { n: l + 1 })}, ${h < 0 ? label("average") : `${label("head")} ${h + 1}`}`;

  const minis = layers.map((each, l) => [...(each.heads > 1 ? [-1] : []), ...Array(each.heads).keys()].map((h) => {
    const canvas = make("canvas", { width: each.keys, height: each.queries });
    paint(canvas, (pixels) => {
      const colour = hue(kind === "attention" && sideName === "encoder" ? "--cold" : "--warm");
      for (let query = 0; query < each.queries; query++) for (let key = 0; key < each.keys; key++)
        pixels.set([...colour, 255 * each.weight(h, query, key) ** .7], 4 * (query * each.keys + key));
    });
    return make("button", { class: "mini", type: "button", "aria-label": nameOf(l, h),
      onclick: () => { layer = l; head = h; update(); } }, canvas, h < 0 ? label("average") : `${h + 1}`);
  }));
  const heads = make("div", { class: "heads" }, ...minis.map((row, l) =>
    make("div", { class: "layer" }, make("span", {}, label("layer", { n: l + 1 })), make("div", {}, ...row))));

  const tall = Math.max(17, Math.min(30, Math.floor(440 / Math.max(queries.length, keys.length))));
  const point = (query) => { pointed = query; if (sideName === "decoder") return update(); asked = query ?? asked; askers.forEach((follow) => follow()); };
  const from = queries.map((token, query) => make("button", { type: "button",
    onpointerenter: () => point(query), onfocus: () => point(query), onblur: () => point(null),
    onclick: () => { if (sideName === "decoder") setStep(query); } }, token));
  const to = keys.map((token) => make("span", {}, token, make("small", {})));
  const svg = make("svg", { "aria-hidden": "true", preserveAspectRatio: "none" });
  const ends = (which, items) => make("div", { class: `ends ${which}` }, ...items);
  const wiring = make("div", { class: "wiring", style: `--tall:${tall}px`, role: "group", "aria-label": label("map"), onpointerleave: () => point(null) },
    make("span", { class: "head" }, label("queries")), make("span"), make("span", { class: "head" }, label("keys")),
    ends("from", from), svg, ends("to", to));
  const said = make("span", { class: "hidden", role: "status" });

  const cells = queries.map((_, query) => keys.map((_, key) => make("td", { class: masked(query, key) && "masked" })));
  const lines = cells.map((row, query) => make("tr", {}, make("th", { scope: "row" }, queries[query]), ...row));
  const cell = Math.max(9, Math.min(24, Math.floor(300 / keys.length)));
  const table = make("table", { style: `--cell:${cell}px;font-size:${Math.min(12, cell + 2)}px`, "aria-label": label("map") },
    make("thead", {}, make("tr", {}, make("td"), ...keys.map((key) => make("th", { scope: "col" }, make("span", { class: /^[\u2e80-\uffff]+$/.test(key) && "stacked" }, key))))), make("tbody", {}, ...lines));
  cells.forEach((row, query) => row.forEach((one, key) => {
    hint(one, () => `${queries[query]} → ${keys[key]}: ${percent(weight(query, key))}`);
    one.onpointerenter = () => point(query);
  }));
  table.onpointerleave = () => point(null);

  function update() {
    const here = current(), high = tall + 2, all = Math.max(queries.length, keys.length) * high;
    minis.forEach((row, l) => row.forEach((one, place) =>
      one.setAttribute("aria-pressed", l === layer && place === head + (layers[l].heads > 1 ? 1 : 0))));
    svg.setAttribute("viewBox", `0 0 100 ${all}`);
    svg.style.height = `${all}px`;
    const order = [...queries.keys()].sort((a, b) => (a === here) - (b === here));
    svg.replaceChildren(...order.flatMap((query) => keys.flatMap((_, key) => {
      const share = weight(query, key), strong = query === here;
      if (share < .02) return [];
      const [y, z] = [query, key].map((place) => place * high + tall / 2);
      return [make("path", { class: "wire", d: `M0 ${y} C45 ${y} 55 ${z} 100 ${z}`, "vector-effect": "non-scaling-stroke",
        style: `opacity:${strong ? .15 + .85 * share : .10 * share};stroke-width:${strong ? 1 + 5 * share : 1.2}px` })];
    })));
    from.forEach((one, query) => {
      one.setAttribute("aria-pressed", query === here);
      const best = [...keys.keys()].sort((a, b) => weight(query, b) - weight(query, a)).slice(0, 3);
      one.setAttribute("aria-label", label("looks", { token: queries[query], seen: best.map((key) => `${keys[key]} ${percent(weight(query, key))}`).join(", ") }));
    });
    to.forEach((one, key) => {
      const share = weight(here, key);
      one.style.background = `rgba(var(--hue), ${(.75 * share).toFixed(3)})`;
      one.lastChild.textContent = share >= .02 ? percent(share) : "";
    });
    lines.forEach((line, query) => line.classList.toggle("current", query === here));
    cells.forEach((row, query) => row.forEach((one, key) => {
      one.style.background = masked(query, key) ? "" : `rgba(var(--hue), ${(.06 + .94 * weight(query, key) ** .7).toFixed(3)})`;
    }));
    said.textContent = pointed === null ? "" : from[here].getAttribute("aria-label");
  }
  (sideName === "encoder" ? askers : followers).push(update);
  update();
  return make("div", {}, heads, make("div", { class: "view" }, wiring, make("div", { class: "heat scroll" }, table)), said);
}

// --------------------------------------------------------------- feed-forward, norms
const sideTitle = (sideName, layer = null) =>
  [texts().titles[sideName].split(/[:：]/)[0], ...(layer === null ? [] : [label("layer", { n: layer + 1 })])].join(" · ");

function drawNeurons(journey) {
  return make("div", {}, ...["encoder", "decoder"].flatMap((sideName) => journey[sideName].neurons.map((layer, l, all) => {
    const side = journey[sideName], numbers = unpack(layer, Int8Array), strongest = make("p", { class: "top" });
    const names = side.tokens.map((token) => make("span", { class: "name" }, token));
    const show = (row) => {
      names.forEach((name, place) => name.classList.toggle("current", place === row));
      strongest.textContent = `${side.tokens[row]} · ${label("strongest")}: ${layer.strongest[row].map(([neuron, value]) => `#${neuron} ${value.toFixed(1)}`).join(", ")}`;
    };
    const update = () => show(Math.min(sideName === "encoder" ? asked : step, names.length - 1));
    const rows = side.tokens.flatMap((_, row) => [
      names[row], strip(layer, numbers, row, sideName === "encoder" ? "--cold" : "--warm"),
      make("span", { class: "share" }, make("span", { class: "meter" }, make("i", { style: `width:${100 * layer.share[row]}%` })), percent(layer.share[row]))]);
    rows.forEach((one, place) => { one.onpointerenter = () => show(Math.floor(place / 3)); });
    (sideName === "encoder" ? askers : followers).push(update);
    update();
    const said = side.tokens.map((token, row) => `${token} ${label("fires", { share: percent(layer.share[row]) })}`).join(", ");
    return make("details", { class: sideName === "encoder" ? "ask" : "say", open: l === all.length - 1 && "" },
      make("summary", {}, sideTitle(sideName, l)), make("div", { class: "strips neurons", style: tallness(side), role: "img", "aria-label": said }, ...rows), strongest);
  })));
}

function drawNorms(journey) {
  return make("div", { class: "norms" }, ...["encoder", "decoder"].map((sideName) => {
    const side = journey[sideName], calls = side.norms, wide = 640, high = 190, left = 34, foot = 46;
    const most = Math.max(...calls.flatMap((call) => [...call.before, ...call.after])) * 1.08;
    const x = (place) => left + (place + .5) * (wide - left) / calls.length;
    const y = (value) => high - foot - value / most * (high - foot - 14);
    const named = calls.map((call) => {
      const [, , index, part] = call.name.split(".");
      const kind = /^self/.test(part || "") ? "selfnorm" : /^encoder/.test(part || "") ? "crossnorm" : /^final/.test(part || "") ? "ffnorm" : "endnorm";
      return part ? [label("layer", { n: Number(index) + 1 }), label(kind)] : [label("endnorm"), ""];
    });
    const lines = make("g");
    const svg = make("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", class: sideName === "encoder" ? "ask" : "say" },
      ...[0, .5, 1].flatMap((part) => [
        make("line", { class: "grid", x1: left, x2: wide, y1: y(part * most), y2: y(part * most) }),
        make("text", { x: left - 6, y: y(part * most) + 4, "text-anchor": "end" }, (part * most).toFixed(0))]),
      ...named.flatMap(([first, second], place) => [first, second].map((text, row) =>
        make("text", { x: x(place), y: high - foot + 18 + 15 * row, "text-anchor": "middle" }, calls.length > 12 && row === 0 && place % 3 ? "" : text))), lines);
    const caption = make("figcaption");
    const update = () => {
      const here = Math.min(sideName === "encoder" ? asked : step, side.tokens.length - 1);
      caption.textContent = `${sideTitle(sideName)} · ${side.tokens[here]}`;
      svg.setAttribute("aria-label", `${caption.textContent}: ${calls.map((call, place) => `${named[place].join(" ")} ${call.before[here]} → ${call.after[here]}`).join("; ")}`);
      const order = [...side.tokens.keys()].sort((a, b) => (a === here) - (b === here));
      lines.replaceChildren(...order.flatMap((token) => {
        const strong = token === here, colour = "rgb(var(--hue))";
        // With pre-norm what a LayerNorm makes goes into the next part, and the stream itself goes on.
        const beside = journey.facts.norm === "before";
        const branch = (call, place) => `L${x(place) + 9} ${y(call.after[token])}${beside ? ` M${x(place) - 9} ${y(call.before[token])}` : ""}`;
        const path = make("path", { d: calls.map((call, place) => `${place ? "L" : "M"}${x(place) - 9} ${y(call.before[token])} ${branch(call, place)}`).join(" "),
          style: `fill:none;stroke:${colour};opacity:${strong ? 1 : .16};stroke-width:${strong ? 2 : 1}` });
        if (!strong) return [path];
        const dots = calls.flatMap((call, place) => [[x(place) - 9, call.before[token], "var(--card)"], [x(place) + 9, call.after[token], colour]].map(([cx, value, inside]) =>
          make("circle", { cx, cy: y(value), r: 4.5, style: `fill:${inside};stroke:${colour};stroke-width:2` })));
        const values = calls.flatMap((call, place) => calls.length > 8 ? [] : [
          make("text", { x: x(place) - 16, y: y(call.before[token]) - 8, "text-anchor": "middle" }, call.before[token].toFixed(1)),
          make("text", { x: x(place) + 18, y: y(call.after[token]) - 8, "text-anchor": "middle" }, call.after[token].toFixed(1))]);
        return [path, ...dots, ...values];
      }));
    };
    (sideName === "encoder" ? askers : followers).push(update);
    update();
    return make("div", {}, caption, make("div", { class: "scroll" }, svg));
  }));
}
