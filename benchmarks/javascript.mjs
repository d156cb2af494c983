// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// What transformers.js makes of texts, with tokenizers of local folders and no network.
//
//     node benchmarks/javascript.mjs NODE_MODULES < question.json > answer.json
//
// The question is {folders, texts, conversations}. The answer has for each folder the ids of the
// texts, the texts that come back from them, and the ids of the conversations by the folder's own
// chat template (null where transformers.js finds no template).

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const modules = resolve(process.argv[2]);
const entry = createRequire(join(modules, "x.js")).resolve("@huggingface/transformers");
const { AutoTokenizer, env } = await import(pathToFileURL(entry));
env.allowRemoteModels = false;

const asLists = { return_tensor: false, return_dict: false };

function answerFor(tokenizer, { texts, conversations }) {
  const ids = texts.map((text) => tokenizer(text, asLists).input_ids);
  return {
    ids,
    decoded: ids.map((each) => tokenizer.decode(each, { skip_special_tokens: true })),
    conversations: tokenizer.chat_template
      ? conversations.map((turns) => tokenizer.apply_chat_template(turns, asLists))
      : null,
  };
}

const question = JSON.parse(readFileSync(0, "utf8"));
const answers = [];
for (const folder of question.folders) {
  answers.push(answerFor(await AutoTokenizer.from_pretrained(folder), question));
}
process.stdout.write(JSON.stringify(answers));
