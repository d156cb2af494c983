// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// The choice of each token, the page as a whole, and how one moves through the reply.
const tokenAt = (journey) => Math.min(step, journey.steps.length - 1);

function drawChoice(journey) {
  const taken = journey.steps.map((one) => one.candidates.find((each) => each.id === one.taken));
  const columns = journey.steps.map((one, place) => make("button", { type: "button", onclick: () => setStep(place),
    "aria-label": `${taken[place].token}: ${percent(taken[place].said)}, ${label("rank")} ${one.rank}` },
    make("span", { class: "column" }, make("i", { style: `height:${Math.max(1, 100 * taken[place].said)}%` })),
    taken[place].token, make("small", {}, percent(taken[place].said)), make("small", {}, `#${one.rank}`)));
  const bars = make("div", { class: "bars" });
  const update = () => {
    const here = tokenAt(journey), one = journey.steps[here];
    columns.forEach((column, place) => column.setAttribute("aria-current", place === here));
    bars.replaceChildren(
      ...["", "", label("logit"), label("decided")].map((text, place) => make("span", { class: place === 2 ? "head logit" : "head" }, text)),
      ...one.candidates.flatMap((each) => {
        const is = each.id === one.taken ? " taken" : "";
        return [make("span", { class: `name${is}` }, make("span", { class: `chip say${is && " here"}` }, each.token)),
          make("span", { class: "bar", role: "img", "aria-label": `${each.token}: ${label("said")} ${percent(each.said)}, ${label("decided")} ${percent(each.decided)}${is && `, ${label("taken")}`}`,
            title: `${label("said")} ${percent(each.said)}` },
            make("i", { class: "said", style: `width:${100 * each.said}%` }), make("i", { class: "decided", style: `width:${100 * each.decided}%` })),
          make("span", { class: "number-cell logit" }, each.logit.toFixed(2)), make("span", { class: `number-cell${is}` }, percent(each.decided))];
      }));
  };
  followers.push(update);
  update();
  return make("div", { class: "say" }, make("div", { class: "scroll" }, make("div", { class: "strip-bars" }, ...columns)), bars,
    make("div", { class: "key" }, ...[["said", "rgba(var(--warm), .38)"], ["decided", "rgb(var(--warm))"]].map(([name, colour]) =>
      make("span", {}, make("i", { style: `background:${colour}` }), label(name)))));
}

function drawRules(journey) {
  if (!journey.processors.length) return make("p", { class: "note" }, label("none"));
  const ruleName = (name) => texts().processors[name] || name.replace(/Logits(Processor|Warper)$/, "");
  const heads = journey.reply.tokens.map((token) => make("th", { scope: "col" }, token));
  const rows = journey.processors.map((name) => make("tr", {}, make("th", { scope: "row" }, ruleName(name)),
    ...journey.steps.map((one) => {
      const change = one.changes.find((each) => each.processor === name);
      if (!change || (!change.moved.length && !change.barred)) return make("td");
      return make("td", {}, make("span", { class: change.moved.length ? "dot full" : "dot", role: "img",
        "aria-label": change.moved.length ? "●" : "○" }));
    })));
  const list = make("ul", { class: "changes", role: "status" });
  const update = () => {
    const here = tokenAt(journey);
    heads.forEach((head, place) => head.classList.toggle("current", place === here));
    const shown = journey.steps[here].changes.filter((change) => change.moved.length);
    list.replaceChildren(...(shown.length ? shown.map((change) => make("li", {}, `${ruleName(change.processor)}: `,
      ...change.moved.flatMap(([token, before, after]) => [make("span", { class: "pair-of" }, make("span", { class: "chip say" }, token), ` ${percent(before)} → ${percent(after)}`), " "]),
      change.barred ? `(${label("barred", { count: thousands(change.barred) })})` : ""))
      : [make("li", { class: "note" }, label("unchanged"))]));
  };
  followers.push(update);
  update();
  return make("div", {}, make("div", { class: "scroll" }, make("table", { class: "rules" },
    make("thead", {}, make("tr", {}, make("td"), ...heads)), make("tbody", {}, ...rows))), list);
}

function drawTree(journey) {
  const items = journey.steps.flatMap((one, place) => {
    const taken = one.candidates.find((each) => each.id === one.taken);
    const trunk = make("li", { class: "trunk" }, make("span", { class: "chip" }, taken.token), make("small", {}, percent(taken.said)));
    return [trunk, ...journey.branches.filter((branch) => branch.step === place).map((branch) => make("li", { class: "branch" },
      make("span", { class: "hidden" }, `${label("instead")} ${taken.token}: `),
      make("span", { class: "chip", title: percent(branch.probabilities[0]) }, branch.tokens[0]), make("small", {}, percent(branch.probabilities[0])),
      ...branch.tokens.slice(1).map((token, at) => make("span", { class: "chip", title: percent(branch.probabilities[at + 1]),
        style: `opacity:${.45 + .55 * branch.probabilities[at + 1]}` }, token))))];
  });
  return make("div", { class: "say" }, make("ul", { class: "tree" }, ...items),
    journey.branches.length ? null : make("p", { class: "note" }, label("nobranch")));
}

function drawComparison() {
  const { names, replies, moved } = content.comparison;
  const most = Math.max(...moved.map((row) => row[1]), 1e-9);
  return make("figure", {}, ...replies.flatMap((reply) => [make("figcaption", { class: "reply" }, reply.text || label("nothing")),
    ...reply.models.flatMap((model, place) => {
      const mean = Math.exp(model.probabilities.reduce((sum, share) => sum + Math.log(Math.max(share, 1e-12)), 0) / model.probabilities.length);
      return [make("span", { class: "note" }, `${names[place]} · ${label("mean")} ${percent(mean)}`),
        make("div", { class: "scroll" }, make("div", { class: "strip-bars" }, ...model.tokens.map((token, at) => make("span", {},
          make("span", { class: "column", style: "height:3rem" }, make("i", { style: `height:${Math.max(1, 100 * model.probabilities[at])}%` })), token,
          make("small", {}, percent(model.probabilities[at]))))))];
    })]),
    make("figcaption", { class: "reply" }, moved.length ? label("moved") : label("nomoved")),
    make("div", { class: "moved say" }, ...moved.flatMap(([name, share]) => [make("code", {}, name),
      make("span", { class: "meter" }, make("i", { style: `width:${100 * share / most}%` })), make("span", { class: "number-cell" }, percent(share))])));
}

// --------------------------------------------------------------- the head of the page
function drawHero(journey) {
  const chips = (tokens, kind) => tokens.map((token, place) => make(kind === "say" ? "button" : "span",
    { class: `chip ${kind}`, ...(kind === "say" && { type: "button", onclick: () => setStep(place) }) }, token));
  const above = chips(journey.encoder.tokens, "ask"), below = chips(journey.reply.tokens, "say");
  const layer = weigher(journey.decoder.cross.at(-1));
  const wires = make("svg", { class: "wires say", "aria-hidden": "true" });
  const figure = make("figure", { class: "hero" }, wires,
    journeys.length > 1 ? make("figcaption", {}, journey.name) : null,
    make("div", { class: "side" }, label("question")), make("div", { class: "row" }, ...above), make("div", { class: "gap" }),
    make("div", { class: "row" }, ...below), make("div", { class: "side" }, label(journey.given ? "given" : "reply")));
  const update = () => {
    const here = tokenAt(journey), frame = figure.getBoundingClientRect();
    if (!frame.width) return;
    const middle = (one, edge) => { const box = one.getBoundingClientRect(); return [box.left + box.width / 2 - frame.left, box[edge] - frame.top]; };
    below.forEach((one, place) => { one.classList.toggle("here", place === here); one.setAttribute("aria-current", place === here); });
    const [x, y] = middle(below[here], "top");
    wires.replaceChildren(...above.map((one, key) => {
      const share = layer.weight(-1, here, key), [u, v] = middle(one, "bottom");
      one.style.boxShadow = `inset 0 0 0 99px rgba(var(--cold), ${(.6 * share).toFixed(3)})`;
      return make("path", { class: "wire", d: `M${u} ${v} C${u} ${(v + y) / 2} ${x} ${(v + y) / 2} ${x} ${y}`,
        style: `opacity:${.05 + .95 * share};stroke-width:${1 + 9 * share}px` });
    }));
  };
  followers.push(update);
  return figure;
}

function drawHeader() {
  const said = texts();
  const lines = journeys.map((journey) => {
    const facts = journey.facts;
    return make("p", { class: "note" }, fill(said.facts, { name: journey.name, parameters: thousands(facts.parameters), encoder: facts.layers[0],
      decoder: facts.layers[1], width: facts.width, vocabulary: thousands(facts.vocabulary) }));
  });
  const cut = journeys.find((journey) => journey.cut);
  return make("header", {}, make("button", { id: "language", type: "button", lang: language === "zh" ? "en" : "zh-CN",
    onclick: () => { language = language === "zh" ? "en" : "zh"; draw(); } }, said.other),
    make("h1", {}, said.title), make("p", {}, said.lead), ...lines, make("p", { class: "note" }, fill(said.preset, { preset: journeys[0].preset || said.own })), cut ? make("p", { class: "note" }, fill(said.cut, { count: cut.cut })) : null,
    journeys.some((journey) => journey.goesOn) ? make("p", { class: "note" }, said.more) : null);
}

// Name, colour of the thread, what draws a journey.
const SECTIONS = [
  ["tokens", "ask", drawCut], ["vectors", "ask", drawVectors],
  ["encoder", "ask", (journey) => drawAttention(journey, "encoder", "attention")],
  ["decoder", "say", (journey) => drawAttention(journey, "decoder", "attention")],
  ["cross", "say", (journey) => drawAttention(journey, "decoder", "cross")],
  ["neurons", "say", drawNeurons], ["norms", "say", drawNorms],
  ["choice", "say", drawChoice], ["rules", "say", drawRules], ["tree", "say", drawTree],
];

function drawSection(name, colour, number, figures) {
  const facts = journeys[0].facts, said = texts();
  const about = name === "vectors" && facts.positions === "rotary" ? "rotary" : name === "norms" && facts.norm === "before" ? "prenorm" : name;
  return make("section", { id: name, class: colour, "aria-labelledby": `${name}-title` }, make("span", { class: "number", "aria-hidden": "true" }, `${number}`),
    make("h2", { id: `${name}-title` }, said.titles[name]),
    make("p", {}, fill(said.about[about].join(language === "zh" ? "" : " "), { width: facts.width, neurons: thousands(facts.neurons[0]), vocabulary: thousands(facts.vocabulary) })), figures);
}

function draw() {
  followers.length = askers.length = painted.length = 0;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = `${journeys[0].text} · ${texts().title}`;
  const pair = (drawOne) => make("div", { class: "pair" }, ...journeys.map(drawOne));
  const page = document.getElementById("page");
  page.className = journeys.length > 1 ? "two" : "";
  page.replaceChildren(drawHeader(), make("div", {}, pair(drawHero), make("p", { class: "note", style: "text-align:center" }, texts().hero)),
    ...SECTIONS.map(([name, colour, drawOne], place) => drawSection(name, colour, place + 1, pair((journey) =>
      make("figure", {}, journeys.length > 1 ? make("figcaption", {}, journey.name) : null, drawOne(journey))))));
  if (content.comparison) page.append(drawSection("comparison", "say", SECTIONS.length + 1, drawComparison()));
  drawDock();
  setStep(step);
}

// --------------------------------------------------------------- moving through the reply
const last = Math.max(...journeys.map((journey) => journey.steps.length)) - 1;
let playing = null;

function play() {
  if (playing) { clearInterval(playing); playing = null; }
  else playing = setInterval(() => setStep(step === last ? 0 : step + 1), 1400);
  drawDock();
  setStep(step);
}

function drawDock() {
  const strips = journeys.map((journey) => make("div", { class: "strip" }, ...journey.reply.tokens.map((token, place) =>
    make("button", { class: "chip", type: "button", tabindex: "-1", onclick: () => setStep(place) }, token))));
  const turn = (text, name, onclick) => make("button", { class: "turn", type: "button", "aria-label": label(name), title: label(name), onclick }, text);
  const slider = make("input", { type: "range", id: "slider", min: 0, max: last, value: step, "aria-label": label("slider"), oninput: () => setStep(Number(slider.value)) });
  document.getElementById("dock").replaceChildren(make("div", {}, turn("‹", "back", () => setStep(step - 1)),
    make("div", { class: "tokens" }, ...strips, slider), turn("›", "on", () => setStep(step + 1)),
    turn(playing ? "❚❚" : "▶", playing ? "pause" : "play", play)));
  followers.push(() => {
    slider.value = step;
    const one = journeys[0], here = tokenAt(one);
    slider.setAttribute("aria-valuetext", label("step", { step: here + 1, all: one.steps.length, before: here ? one.reply.tokens[here - 1] : label("start"), token: one.reply.tokens[here] }));
    strips.forEach((strip, place) => [...strip.children].forEach((chip, at) => {
      const isHere = at === tokenAt(journeys[place]);
      chip.classList.toggle("here", isHere);
      if (isHere) strip.scrollLeft = chip.offsetLeft - strip.clientWidth / 2;
    }));
  });
}

function setStep(place) {
  step = Math.max(0, Math.min(last, place));
  followers.forEach((follow) => follow());
}

document.onkeydown = (event) => {
  if (event.target.id === "slider" || event.ctrlKey || event.metaKey || event.altKey) return;
  const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (move) { setStep(step + move); event.preventDefault(); }
};
addEventListener("resize", () => setStep(step));
draw();
