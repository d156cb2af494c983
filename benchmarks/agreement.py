# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How far the tokenizers cut where jieba cuts: F1 of inner boundaries, and what parts them.

    python benchmarks/agreement.py                            # ../shared/data beside the checkout
    python benchmarks/agreement.py --data my/corpora --each 300

jieba runs without its hidden Markov model. Some texts of each folder of corpora are held out and
the words of all others are counted once. The vocabularies of the first table are chosen from all
counts, those of the second from the counts of the column's own folder. Two conventions differ on
purpose: jieba keeps a run of ASCII letters and digits whole, where a vocabulary has pieces of it,
and jieba's blank stands alone, where a vocabulary gives it to the word behind it. Each cell has
F1 with all boundaries and without those two kinds. A third one is in English only: jieba cuts
don + ' + t, a vocabulary don + 't; a line below the first table sets it aside too. "Chinese only"
is a vocabulary from the counts without words of other scripts. No text is shown.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from real_text import MIXED, add_options, read_groups, split, take
from tokenizers import Encoding, Tokenizer

from tfchat_hf.text.vocabulary.byte_pairs import train_byte_pairs
from tfchat_hf.text.vocabulary.dictionary_words import train_words
from tfchat_hf.text.vocabulary.pieces import BASE_PIECES, SMALLEST_VOCABULARY, count_words
from tfchat_hf.text.vocabulary.unigram import train_unigram
from tfchat_hf.text.vocabulary.word_cutter import HAN, WordCutter, load_word_cutter

WHOLE = "word, whole dictionary"
SIZES = (64_000, 32_000, 16_000, 8_000, 4_000)
OWN_SIZES = (32_000, 16_000)
COMPARED = 16_000
EXPLAINED = (WHOLE, "word 32k", "word 16k", "word 32k, Chinese only", "word 16k, Chinese only")
CAUSES = (
    "inside a run of ASCII letters and digits",
    "between one blank and what follows",
    "other blanks",
    "apostrophes (don + 't)",
    "characters that became bytes",
    "letters outside ASCII (jieba cuts each one)",
    "combining marks and symbols",
    "jieba's word is not in the vocabulary",
    "equal sums of scores",
    "other",
)
_APOSTROPHES = ("'", "’")
_BYTES = range(BASE_PIECES.index("<0x80>"), SMALLEST_VOCABULARY)
# Sums of the same numbers in another order differ by less, those of different words by more.
_SAME_SUM = 1e-9


@dataclass
class Sample:
    """Held-out texts of one group and where jieba cuts them.

    Attributes:
        texts: the texts.
        cuts: for each text the inner boundaries.
    """

    texts: list[str]
    cuts: list[set[int]]


@dataclass
class Score:
    """What two ways of cutting share.

    Attributes:
        shared: boundaries of both.
        jieba: boundaries of jieba.
        ours: boundaries of the tokenizer.
    """

    shared: int = 0
    jieba: int = 0
    ours: int = 0

    def add(self, jieba: set[int], ours: set[int]) -> None:
        """Count the boundaries of one text.

        Args:
            jieba: jieba's.
            ours: the tokenizer's.
        """
        self.shared += len(jieba & ours)
        self.jieba += len(jieba)
        self.ours += len(ours)

    def f1(self) -> float:
        """Give the harmonic mean of precision and recall; 1 where neither cuts."""
        both = self.jieba + self.ours
        return 2 * self.shared / both if both else 1.0


def inner_cuts(words: Iterable[str]) -> set[int]:
    """Give the places between words, in characters from the beginning.

    Args:
        words: words that join to a text.
    """
    cuts, end = set(), 0
    for word in words:
        end += len(word)
        cuts.add(end)
    cuts.discard(end)
    return cuts


def cuts_of(encoding: Encoding, length: int) -> set[int]:
    """Give the places between the tokens of a text.

    Args:
        encoding: the tokens.
        length: of the text in characters.
    """
    cuts = set()
    for number, (begin, end) in zip(encoding.ids, encoding.offsets, strict=True):
        # Neighbours that became bytes are given one span, but no token joins two of them.
        cuts.update(range(begin, end + 1) if number in _BYTES else (begin, end))
    return cuts - {0, length}


def is_convention(text: str, place: int) -> bool:
    """Say whether the tokenizers differ from jieba at a place on purpose.

    Args:
        text: the text.
        place: a place inside it.
    """
    before, after = text[place - 1], text[place]
    return (_is_ascii_run(before) and _is_ascii_run(after)) or (
        before == " " and not after.isspace()
    )


def is_after_apostrophe(text: str, place: int) -> bool:
    """Say whether a place is between an apostrophe and a letter.

    Args:
        text: the text.
        place: a place inside it.
    """
    return text[place - 1] in _APOSTROPHES and text[place].isalpha()


def compare(sample: Sample, tokenizer: Tokenizer) -> tuple[Score, Score, Score]:
    """Compare a tokenizer with jieba.

    Args:
        sample: the texts.
        tokenizer: what cuts them.

    Returns:
        The score of all boundaries, without those where a convention differs, and without those
        behind apostrophes as well.
    """
    every, aside, without_apostrophes = Score(), Score(), Score()
    for text, jieba, encoding in _encoded(sample, tokenizer):
        ours = cuts_of(encoding, len(text))
        every.add(jieba, ours)
        differing = {place for place in jieba | ours if is_convention(text, place)}
        aside.add(jieba - differing, ours - differing)
        differing |= {place for place in jieba | ours if is_after_apostrophe(text, place)}
        without_apostrophes.add(jieba - differing, ours - differing)
    return every, aside, without_apostrophes


def count_causes(sample: Sample, tokenizer: Tokenizer, cutter: WordCutter) -> Counter[str]:
    """Count the boundaries that only one of the two has, by what parts them.

    Args:
        sample: the texts.
        tokenizer: what cuts them.
        cutter: knows jieba's scores.
    """
    causes: Counter[str] = Counter()
    vocabulary = tokenizer.get_vocab()
    for text, jieba, encoding in _encoded(sample, tokenizer):
        for stretch in _stretches(text, jieba, encoding):
            for place in set(stretch.jieba) ^ set(stretch.ours):
                causes[stretch.cause(place, vocabulary, cutter)] += 1
    return causes


def _stretches(text: str, jieba: set[int], encoding: Encoding) -> Iterator[Stretch]:
    """Split a text where both cut, and give the parts."""
    ours = cuts_of(encoding, len(text))
    bytes_at = _bytes_at(encoding)
    common = sorted((jieba & ours) | {0, len(text)})
    for begin, end in zip(common, common[1:], strict=False):
        inside = [[p - begin for p in cuts if begin < p < end] for cuts in (jieba, ours)]
        both = [[0, *sorted(cuts), end - begin] for cuts in inside]
        has_bytes = not bytes_at.isdisjoint(range(begin, end))
        yield Stretch(text[begin:end], *both, has_bytes)


@dataclass
class Stretch:
    """A part of a text between two boundaries that both have, with others inside.

    Attributes:
        text: the characters.
        jieba: jieba's boundaries, the ends among them.
        ours: the tokenizer's.
        has_bytes: whether a character of it became bytes.
    """

    text: str
    jieba: list[int]
    ours: list[int]
    has_bytes: bool

    def cause(self, place: int, vocabulary: Mapping[str, int], cutter: WordCutter) -> str:
        """Name what makes a boundary differ.

        Args:
            place: the boundary.
            vocabulary: the tokenizer's.
            cutter: knows jieba's scores.

        Returns:
            One of `CAUSES`.
        """
        named = _cause_by_characters(self.text, place)
        if named:
            return named
        if self.has_bytes:
            return "characters that became bytes"
        before, after = self.text[place - 1], self.text[place]
        if not HAN.match(before) and not HAN.match(after):
            letters = before.isalnum() and after.isalnum()
            return CAUSES[5] if letters else "combining marks and symbols"
        words = self._parts(self.jieba)
        if any(word not in vocabulary for word in words):
            return "jieba's word is not in the vocabulary"
        sums = [sum(map(cutter.log_probability, w)) for w in (words, self._parts(self.ours))]
        return "equal sums of scores" if abs(sums[0] - sums[1]) < _SAME_SUM else "other"

    def _parts(self, cuts: list[int]) -> list[str]:
        return [self.text[b:e] for b, e in zip(cuts, cuts[1:], strict=False)]


def _cause_by_characters(text: str, place: int) -> str | None:
    """Name the causes that the two characters at a boundary show."""
    before, after = text[place - 1], text[place]
    if _is_ascii_run(before) and _is_ascii_run(after):
        return CAUSES[0]
    if is_convention(text, place):
        return CAUSES[1]
    if before.isspace() or after.isspace():
        return "other blanks"
    if before in _APOSTROPHES or after in _APOSTROPHES:
        return CAUSES[3]
    return None


def _is_ascii_run(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _bytes_at(encoding: Encoding) -> set[int]:
    spans = zip(encoding.ids, encoding.offsets, strict=True)
    return {place for number, span in spans if number in _BYTES for place in range(*span)}


def _encoded(sample: Sample, tokenizer: Tokenizer) -> Iterator[tuple[str, set[int], Encoding]]:
    found = tokenizer.encode_batch(sample.texts, add_special_tokens=False)
    return zip(sample.texts, sample.cuts, found, strict=True)


def contenders(words: Counter[str], cutter: WordCutter) -> Iterator[tuple[str, Tokenizer]]:
    """Train the tokenizers one by one.

    Args:
        words: the words of the training texts.
        cutter: what cut them.

    Yields:
        A name and the tokenizer.
    """
    yield WHOLE, train_words(words, COMPARED, cutter, whole_dictionary=True)
    for size in SIZES:
        yield f"word {size // 1000}k", train_words(words, size, cutter)
    for size in OWN_SIZES:
        yield f"word {size // 1000}k, Chinese only", train_words(chinese_of(words), size, cutter)
    yield f"subword-bpe {COMPARED // 1000}k", train_byte_pairs(words, COMPARED)
    yield f"subword-unigram {COMPARED // 1000}k", train_unigram(words, COMPARED)


def chinese_of(words: Counter[str]) -> Counter[str]:
    """Leave out the words that have letters or digits and nothing Chinese.

    Args:
        words: words with their counts.
    """
    return Counter({w: n for w, n in words.items() if HAN.search(w) or not _has_letters(w)})


def _has_letters(word: str) -> bool:
    return any(character.isalnum() for character in word)


def draw_samples(held_out: Mapping[str, list[str]]) -> dict[str, Sample]:
    """Let jieba cut the held-out texts.

    Args:
        held_out: the texts of each group.
    """
    import jieba

    jieba.setLogLevel(logging.WARNING)
    cut = partial(jieba.cut, HMM=False)
    return {
        name: Sample(texts, [inner_cuts(cut(text)) for text in texts])
        for name, texts in held_out.items()
    }


def print_causes(found: Mapping[str, Counter[str]], boundaries: int) -> None:
    """Print the second table.

    Args:
        found: for each tokenizer how many boundaries differ, by cause.
        boundaries: how many jieba has.
    """
    print(f"\nOf {boundaries:,} boundaries of jieba, those that only one of the two has:\n")
    print(f"| cause | {' | '.join(found)} |\n| --- |{' ---: |' * len(found)}")
    for cause in CAUSES:
        print(f"| {cause} | {' | '.join(f'{counts[cause]:,}' for counts in found.values())} |")
    print(f"| all | {' | '.join(f'{counts.total():,}' for counts in found.values())} |")


def main() -> None:
    """Read the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--each", type=int, default=1500, help="texts to hold out of each group")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--most-mb", type=float, default=math.inf, help="training text of each group"
    )
    arguments = parser.parse_args()
    texts = split(read_groups(arguments.data, arguments.cache_dir), arguments.each, arguments.seed)
    samples = draw_samples(texts.held_out)
    cutter = load_word_cutter()
    counts = {
        name: count_words(take(training, arguments.most_mb * 1e6), cutter.cut)
        for name, training in texts.by_group.items()
    }
    print_agreement(samples, counts, cutter)
    print_own(samples, counts, cutter)


def print_agreement(
    samples: Mapping[str, Sample], counts: Mapping[str, Counter[str]], cutter: WordCutter
) -> None:
    """Print the table of the tokenizers that are trained on all groups, and what parts them.

    Args:
        samples: the held-out texts of each group.
        counts: the words of the training texts of each group.
        cutter: what cut them.
    """
    words = sum((found for name, found in counts.items() if name != MIXED), Counter())
    print(f"{words.total():,} words, {len(words):,} different ones, in the training texts\n")
    print(
        f"| trained on all | {' | '.join(samples)} |\n| --- |{' ---: |' * len(samples)}", flush=True
    )
    causes: dict[str, Counter[str]] = {}
    for name, tokenizer in contenders(words, cutter):
        scores = [compare(sample, tokenizer) for sample in samples.values()]
        print(f"| {name} | {' | '.join(map(_cell, scores))} |", flush=True)
        if name in EXPLAINED:
            found = (count_causes(sample, tokenizer, cutter) for sample in samples.values())
            causes[name] = sum(found, Counter())
        if name == WHOLE:
            least = min(without.f1() for _, _, without in scores)
    print(
        f"\nApostrophes aside too, F1 of the whole dictionary is {least:.4f} or more in each group."
    )
    print_causes(causes, sum(len(cuts) for sample in samples.values() for cuts in sample.cuts))


def print_own(
    samples: Mapping[str, Sample], counts: Mapping[str, Counter[str]], cutter: WordCutter
) -> None:
    """Print the table of the tokenizers that are trained on one group each.

    Args:
        samples: the held-out texts of each group.
        counts: the words of the training texts of each group.
        cutter: what cut them.
    """
    print(f"\n| trained on its own | {' | '.join(samples)} |\n| --- |{' ---: |' * len(samples)}")
    for size in OWN_SIZES:
        for title, choose in (("", Counter), (", Chinese only", chinese_of)):
            cells = []
            for name, sample in samples.items():
                tokenizer = train_words(choose(counts[name]), size, cutter)
                cells.append(_cell(compare(sample, tokenizer)))
            print(f"| word {size // 1000}k{title} | {' | '.join(cells)} |", flush=True)


def _cell(scores: tuple[Score, ...]) -> str:
    return f"{scores[0].f1():.4f} / {scores[1].f1():.4f}"


if __name__ == "__main__":
    main()
