# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The explanation of a cut as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from data_builders.output.terminal import GAP, columns
from data_builders.translation import _, counted_text, listed

from .explainer import Decision, Difference, Explanation, ScoredPath, Token, spans_of
from .search import Merge

# Sums of the same scores in another order differ by less.
_EQUAL = 1e-9


def render(explanation: Explanation) -> str:
    """Write an explanation for a person."""
    if not explanation.text:
        return _("An empty text has no tokens.") + "\n"
    characters = counted_text("{number} character", "{number} characters", len(explanation.text))
    tokens = counted_text("{number} token", "{number} tokens", len(explanation.tokens))
    sections = [
        [visible(explanation.text), f"{listed([characters, tokens])}:"],
        _token_table(explanation),
        list(_unknown_lines(explanation)),
        list(_jieba_lines(explanation)),
        list((_path_lines if explanation.model == "Unigram" else _merge_lines)(explanation)),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def visible(text: str) -> str:
    """Spell blanks as ␣, and what a terminal would not show as escapes."""
    return "".join(
        "␣" if c == " " else c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in text
    )


def _at(place: int) -> str:
    """Name a place in the text."""
    return _("at {place}", place=place)


def _joined(pieces: Sequence[str]) -> str:
    """Write pieces with a plus between them."""
    return " + ".join(map(visible, pieces))


def _token_table(explanation: Explanation) -> list[str]:
    """List the tokens with jieba's words beside them."""
    words = explanation.jieba
    rows = [[_("token"), _("at"), "id", "log p", "" if words is None else "jieba", ""]]
    shown = -1
    for token in explanation.tokens:
        first = token.begin > shown
        shown = token.begin
        rows.append(
            [
                visible(token.token),
                str(token.begin) if first else "",
                str(token.id),
                "" if token.score is None else f"{token.score:.2f}",
                _words_beside(token, words) if first and words else "",
                _note(token, explanation, first),
            ]
        )
    if explanation.model == "BPE":
        return columns([[*row[:3], *row[4:]] for row in rows], right=(1, 2), indent=GAP)
    return columns(rows, right=(1, 2, 3), indent=GAP)


def _words_beside(token: Token, words: Sequence[str]) -> str:
    """Pick jieba's words that begin inside a token."""
    beginning = zip(words, spans_of(words), strict=True)
    return " ".join(visible(w) for w, (b, _) in beginning if token.begin <= b < token.end)


def _note(token: Token, explanation: Explanation, first: bool) -> str:
    """Say what is special about a token."""
    if token.kind == "special":
        return _("special token")
    if token.kind == "byte":
        return _("byte of {text}", text=visible(explanation.text[token.begin : token.end]))
    differs = any(d.begin <= token.begin < d.end for d in explanation.differences)
    return _("otherwise") if differs and first else ""


def _unknown_lines(explanation: Explanation) -> Iterator[str]:
    """Explain the characters that are written as bytes."""
    unknown = {explanation.text[t.begin : t.end] for t in explanation.tokens if t.kind == "byte"}
    for character in sorted(unknown, key=explanation.text.index):
        spelled = [f"<0x{byte:02X}>" for byte in character.encode()]
        yield counted_text(
            "{character} has no token: its byte {spelled} stands for it.",
            "{character} has no token: its {number} bytes {spelled} stand for it.",
            len(spelled),
            character=visible(character),
            spelled=" ".join(spelled),
        )
    if unknown and explanation.unknown_score is not None:
        yield _(
            "In the lattice such a character counts {score:.2f}, less than any piece.",
            score=explanation.unknown_score,
        )


def _jieba_lines(explanation: Explanation) -> Iterator[str]:
    """Say where jieba cuts otherwise, and why."""
    if explanation.jieba is None:
        yield _("jieba is not installed: its own cut is not shown.")
    elif not explanation.differences:
        yield _("jieba (HMM=False) cuts at the same places.")
    else:
        yield counted_text(
            "jieba (HMM=False) cuts otherwise in {number} place:",
            "jieba (HMM=False) cuts otherwise in {number} places:",
            len(explanation.differences),
        )
        yield from columns(
            [
                [_at(d.begin), _joined(d.pieces), f"jieba: {_joined(d.words)}", _cause(d)]
                for d in explanation.differences
            ],
            indent=GAP,
        )


def _cause(difference: Difference) -> str:
    """Say why the tokenizer does not do as jieba does."""
    if difference.special:
        return _("(a special token is never cut)")
    if difference.missing:
        return _("({words} not in the vocabulary)", words=listed(map(visible, difference.missing)))
    if difference.words_score is None or difference.pieces_score is None:
        return _("(the merges lead elsewhere)")
    return _(
        "({theirs:.2f} against {ours:.2f} here)",
        theirs=difference.words_score,
        ours=difference.pieces_score,
    )


def _path_lines(explanation: Explanation) -> Iterator[str]:
    """Show what each decision was made against."""
    yield _(
        "Of all paths through the lattice the tokenizer takes the one of the highest sum of "
        "log p, here {total:.2f}.",
        total=explanation.total,
    )
    if explanation.decisions:
        yield _("Where pieces allow another cut:")
    else:
        yield _("No other path exists.")
    for decision in explanation.decisions:
        yield from _decision_lines(decision)


def _decision_lines(decision: Decision) -> list[str]:
    """Set the chosen pieces against those that lost."""
    beaten = [_verdict(decision.chosen, rival) for rival in decision.rivals]
    begin = f"  {_at(decision.begin)}: {_path(decision.chosen)}"
    if len(beaten) == 1:
        return [f"{begin} {beaten[0]}"]
    return [begin, *(f"      {line}" for line in beaten)]


def _verdict(chosen: ScoredPath, rival: ScoredPath) -> str:
    """Say by how much a path lost."""
    if abs(chosen.total - rival.total) < _EQUAL:
        return _("ties with {rival}; the longer last piece decides", rival=_path(rival))
    return _("beats {rival} by {lead:.2f}", rival=_path(rival), lead=chosen.total - rival.total)


def _path(path: ScoredPath) -> str:
    """Write pieces with their scores and the sum."""
    scores = " ".join(f"{score:.2f}" for score in path.scores)
    total = f" = {path.total:.2f}" if len(path.scores) > 1 else ""
    return f"{_joined(path.pieces)} ({scores}{total})"


def _merge_lines(explanation: Explanation) -> Iterator[str]:
    """List the merges as they happened."""
    if not explanation.merges:
        yield (
            _("No two neighbours have a merge: each character is a token of its own.")
            if explanation.merges_known
            else _("This tokenizer has no merges: each character is a token of its own.")
        )
        return
    yield _("Merges in the order they were applied, the lowest rank (learned first) first:")
    yield from columns([_merge_row(merge) for merge in explanation.merges], right=(0,), indent=GAP)
    yield _("No two neighbours that are left have a merge.")


def _merge_row(merge: Merge) -> list[str]:
    """Write one merge."""
    pair, result = _joined([merge.left, merge.right]), visible(merge.left + merge.right)
    return [_("rank {rank}:", rank=merge.rank), pair, f"→ {result}", _at(merge.begin)]
