// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// What the page says, in English and in Chinese. {names} are filled in.

export const TEXTS = {
  new: ["New conversation", "新对话"],
  language: ["中文", "English"],
  here: [
    "The model runs in this page, on your machine: nothing you write leaves it.",
    "模型就在此页面里、在您自己的设备上运行，您写的内容不会离开这台设备。",
  ],
  talk: ["Conversation", "对话"],
  message: ["Say something", "说点什么"],
  send: ["Send", "发送"],
  stop: ["Stop", "停止"],
  settings: ["How it answers", "回答方式"],
  preset: ["Preset", "预设"],
  own: ["as saved with the model", "模型自带的设置"],
  loading: ["Loading", "正在加载"],
  fetching: ["Fetching {part} of {all} MB ...", "正在下载 {part} / {all} MB……"],
  opening: ["Opening the model ...", "正在打开模型……"],
  ready: [
    "{name}: {model} MB in {kind}, and {engine} MB of onnxruntime-web. Ready after {seconds} s.",
    "{name}：模型 {model} MB（{kind}），onnxruntime-web {engine} MB。{seconds} 秒后就绪。",
  ],
  int8: ["8-bit weights", "8 位权重"],
  float32: ["float32", "float32"],
  speed: ["{tokens} tokens, {rate} a second", "{tokens} 个词元，每秒 {rate} 个"],
  silence: ["(says nothing)", "（没有说话）"],
  dropped: [
    "The oldest turns left out: {dropped}. The model reads at most {most} tokens.",
    "最早的 {dropped} 句没有读入：模型最多读 {most} 个词元。",
  ],
  cut: [
    "The message is too long: its beginning was cut. The model reads at most {most} tokens.",
    "这句话太长，开头被截去：模型最多读 {most} 个词元。",
  ],
  failed: ["It does not work here: {reason}", "此处无法运行：{reason}"],
  you: ["You", "您"],
  model: ["The model", "模型"],
  do_sample: ["Draw each token", "随机抽取词元"],
  temperature: ["Temperature", "温度"],
  top_p: ["Top-p", "Top-p"],
  repetition_penalty: ["Repetition penalty", "重复惩罚"],
  no_repeat_ngram_size: ["No n-gram twice, n", "不重复的 n 元组，n"],
  max_new_tokens: ["Most tokens", "最多词元数"],
};

const LANGUAGES = ["en", "zh"];
let spoken = navigator.language.toLowerCase().startsWith("zh") ? 1 : 0;

export const language = () => LANGUAGES[spoken];

export function otherLanguage() {
  spoken = 1 - spoken;
}

/** Say a text in the language of the page. */
export function say(key, values = {}) {
  return TEXTS[key][spoken].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
