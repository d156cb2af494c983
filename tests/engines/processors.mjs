// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// What the page's JavaScript makes of given scores and turns: a question on stdin, answers on stdout.
//
//     node tests/engines/processors.mjs FOLDER < question.json

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const of = (name) => import(pathToFileURL(`${process.argv[2]}/${name}`));
const { processorsOf } = await of("processors.js");
const { encodeContext } = await of("decoding.js");

async function processed({ settings, config, question, ids, scores, alone }) {
  const changed = Float32Array.from(scores);
  const nothing = async () => Float32Array.from(alone);
  for (const change of processorsOf(settings, config, question, nothing)) await change(ids, changed);
  return Array.from(changed, (score) => (score === -Infinity ? null : score));
}

const { cases, contexts, about, words } = JSON.parse(readFileSync(0, "utf8"));
const scores = [];
for (const one of cases) scores.push(await processed(one));
const read = contexts.map(([turns, more]) =>
  encodeContext((text) => words[text], turns, { ...about, ...more, config: { ...about.config, ...more } }),
);
process.stdout.write(JSON.stringify({ scores, read }));
