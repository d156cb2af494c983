// Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
// What changes the scores of the next token, as transformers and model/generation_tfchat.py do it.
//
// A processor takes the reply so far, the start token first, and changes the scores in place.

const BARRED = -Infinity;
const LONGEST_PHRASE = 32;
const LONGEST_MATCH = 16;

/** Make the processors that settings ask for, in the order in which they act. */
export function processorsOf(settings, config, question, nothing) {
  const s = settings;
  const eos = [config.eos_token_id].flat();
  const made = [];
  if (s.repetition_penalty !== 1) made.push(repetitionPenalty(s.repetition_penalty));
  if (s.no_repeat_ngram_size) made.push(noRepeatNgram(s.no_repeat_ngram_size));
  if (s.min_new_tokens) made.push(minNewTokens(s.min_new_tokens, eos));
  if (config.first_byte_token_id !== null) {
    made.push(wholeCharacters(config.first_byte_token_id, 1 + s.max_new_tokens));
  }
  if (s.presence_penalty || s.frequency_penalty) {
    made.push(saidTokens(s.presence_penalty, s.frequency_penalty));
  }
  if (s.max_phrase_repeats) {
    if (config.doubled_tokens) made.push(loneTokens(config.doubled_tokens, config.first_byte_token_id));
    made.push(phraseRepeats(s.max_phrase_repeats));
  }
  if (s.max_character_run && config.character_runs?.length) {
    made.push(characterRun(config.character_runs, s.max_character_run));
  }
  if (s.dry_multiplier) made.push(dry(s.dry_multiplier, s.dry_base, s.dry_allowed_length));
  if (s.copy_penalty) {
    const ignored = [config.pad_token_id, config.sep_token_id];
    made.push(copyPenalty(question, s.copy_penalty, s.copy_allowed_length, ignored));
  }
  if (s.anti_lm_weight) {
    made.push(antiLanguageModel(nothing, s.anti_lm_weight, s.anti_lm_tokens, s.anti_lm_cutoff));
  }
  if (!s.do_sample) return made;
  if (s.temperature !== 1) made.push(temperature(s.temperature));
  if (s.top_k) made.push(topK(s.top_k));
  if (s.top_p < 1) made.push(topP(s.top_p));
  if (s.min_p) made.push(minP(s.min_p));
  return made;
}

function repetitionPenalty(penalty) {
  return (ids, scores) => {
    for (const id of new Set(ids)) scores[id] = scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty;
  };
}

function noRepeatNgram(size) {
  return (ids, scores) => {
    const begun = ids.slice(ids.length + 1 - size);
    for (let at = 0; at + size <= ids.length; at++) {
      if (begun.every((id, place) => ids[at + place] === id)) scores[ids[at + size - 1]] = BARRED;
    }
  };
}

function minNewTokens(least, eos) {
  return (ids, scores) => {
    if (ids.length - 1 < least) for (const id of eos) scores[id] = BARRED;
  };
}

// The byte tokens <0x80> to <0xFF> stand in this order; what follows what: Unicode 15, table 3-7.
const SECOND = { 0xe0: [0xa0, 0xbf], 0xed: [0x80, 0x9f], 0xf0: [0x90, 0xbf], 0xf4: [0x80, 0x8f] };

/** How many bytes follow a byte that begins a character; undefined for others. */
function following(byte) {
  if (byte >= 0xc2 && byte < 0xe0) return 1;
  if (byte >= 0xe0 && byte < 0xf0) return 2;
  return byte >= 0xf0 && byte < 0xf5 ? 3 : undefined;
}

function wholeCharacters(first, maxLength) {
  return (ids, scores) => {
    const open = allowedNext(ids, first);
    if (open) {
      const [low, high] = open.map((byte) => byte - 0x80 + first);
      const kept = scores.slice(low, high + 1);
      scores.fill(BARRED).set(kept, low);
      return;
    }
    const room = Math.min(Math.max(maxLength - ids.length, 0), 4);
    for (let byte = 0x80; byte < 0x100; byte++) {
      if ((following(byte) ?? 9) >= room) scores[first + byte - 0x80] = BARRED;
    }
  };
}

/** Return the range of bytes that must follow; null where no character is open. */
function allowedNext(ids, first) {
  for (let back = 0; back < Math.min(3, ids.length); back++) {
    const byte = ids[ids.length - 1 - back] - first + 0x80;
    if (byte < 0x80 || byte > 0xff) return null;
    const more = following(byte);
    if (more !== undefined) {
      if (more <= back) return null;
      return (back === 0 && SECOND[byte]) || [0x80, 0xbf];
    }
  }
  return null;
}

function saidTokens(presence, frequency) {
  return (ids, scores) => {
    const times = new Map();
    for (const id of ids.slice(1)) times.set(id, 1 + (times.get(id) ?? 0));
    for (const [id, said] of times) scores[id] -= presence + frequency * said;
  };
}

/** Bar the last token where people never double it; a character may hold one byte twice. */
function loneTokens(doubled, firstByte) {
  const twice = new Set(doubled);
  const isByte = (id) => firstByte !== null && id >= firstByte && id < firstByte + 128;
  return (ids, scores) => {
    const last = ids[ids.length - 1];
    if (ids.length > 1 && !twice.has(last) && !isByte(last)) barUnlessNothingIsLeft(scores, [last]);
  };
}

function phraseRepeats(times) {
  return (ids, scores) => {
    const reply = ids.slice(1);
    const longest = Math.min(Math.floor((reply.length + 1) / (times + 1)), LONGEST_PHRASE);
    const barred = [];
    for (let period = 1; period <= longest; period++) {
      const end = reply.length - 1;
      let back = 0;
      while (back < times * period - 1 && reply[end - back] === reply[end - back - period]) back++;
      if (back === times * period - 1) barred.push(reply[reply.length - period]);
    }
    barUnlessNothingIsLeft(scores, barred);
  };
}

function characterRun(runs, longest) {
  const kinds = new Map(runs.map(([id, character, times]) => [id, { character, times }]));
  return (ids, scores) => {
    const last = kinds.get(ids.at(-1))?.character;
    let soFar = 0;
    for (const id of ids.slice(-longest).reverse()) {
      const held = kinds.get(id);
      if (last === undefined || held?.character !== last) break;
      soFar += held.times;
    }
    const tooLong = ([, character, times]) => (character === last ? soFar : 0) + times > longest;
    barUnlessNothingIsLeft(scores, runs.filter(tooLong).map(([id]) => id));
  };
}

function dry(multiplier, base, allowed) {
  return (ids, scores) => {
    const reply = ids.slice(1);
    const costs = new Map();
    suffixMatches(reply.slice(0, -1), reply).forEach((length, place) => {
      if (length < allowed) return;
      raise(costs, reply[place + 1], multiplier * base ** (length - allowed));
    });
    for (const [id, cost] of costs) scores[id] -= Math.fround(cost);
  };
}

function copyPenalty(question, penalty, allowed, ignored) {
  const real = question.map((id) => (ignored.includes(id) ? -1 : id));
  return (ids, scores) => {
    const reply = ids.slice(1);
    if (reply.length < allowed) return;
    const costs = new Map();
    suffixMatches(real.slice(0, -1), reply).forEach((length, place) => {
      const next = real[place + 1];
      if (next >= 0 && length + 1 > allowed) raise(costs, next, (length + 1 - allowed) * penalty);
    });
    for (const [id, cost] of costs) scores[id] -= Math.fround(cost);
  };
}

function raise(costs, id, cost) {
  costs.set(id, Math.max(cost, costs.get(id) ?? 0));
}

/** Count, at each place of `text`, how many tokens up to it end the `reply`. */
function suffixMatches(text, reply) {
  const deep = Math.min(LONGEST_MATCH, reply.length);
  return text.map((_, place) => {
    let length = 0;
    while (length < deep && length <= place && text[place - length] === reply.at(-1 - length)) length++;
    return length;
  });
}

function barUnlessNothingIsLeft(scores, barred) {
  if (!barred.length) return;
  const before = scores.slice();
  for (const id of barred) scores[id] = BARRED;
  if (scores.every((score) => score === BARRED)) scores.set(before);
}

/** `nothing(ids)` gives the model's scores after an empty message. */
function antiLanguageModel(nothing, weight, tokens, cutoff) {
  return async (ids, scores) => {
    if (ids.length > tokens) return;
    const alone = logSoftmax(await nothing(ids));
    const asked = logSoftmax(scores);
    for (const id of ids) alone[id] = 0;
    const floor = max(asked) + Math.log(cutoff); // minus infinity where all compete
    for (let id = 0; id < scores.length; id++) {
      if (scores[id] !== BARRED) scores[id] = asked[id] < floor ? BARRED : asked[id] - weight * alone[id];
    }
  };
}

function temperature(value) {
  return (ids, scores) => scores.forEach((score, id) => (scores[id] = score / value));
}

function topK(count) {
  return (ids, scores) => {
    const least = scores.slice().sort().at(-Math.min(count, scores.length));
    barWhere(scores, (id) => scores[id] < least);
  };
}

function topP(mass) {
  return (ids, scores) => {
    const shares = softmax(scores);
    const upwards = Array.from(scores.keys()).sort((a, b) => scores[a] - scores[b] || a - b);
    upwards.pop(); // the likeliest is always kept
    let sum = 0;
    for (const id of upwards) {
      sum += shares[id];
      if (sum > 1 - mass) break;
      scores[id] = BARRED;
    }
  };
}

function minP(share) {
  return (ids, scores) => {
    const shares = softmax(scores);
    const least = share * max(shares);
    barWhere(scores, (id) => shares[id] < least);
  };
}

function barWhere(scores, tells) {
  for (let id = 0; id < scores.length; id++) if (tells(id)) scores[id] = BARRED;
}

function max(values) {
  let most = BARRED;
  for (const value of values) if (value > most) most = value;
  return most;
}

function logSoftmax(scores) {
  const most = max(scores);
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - most);
  const all = most + Math.log(sum);
  return Float32Array.from(scores, (score) => score - all);
}

/** Turn scores into probabilities. */
export function softmax(scores) {
  return Float64Array.from(logSoftmax(scores), Math.exp);
}
