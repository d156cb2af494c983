# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Ways to find the nearest question, behind one interface: build, save, load, ask."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Contender(Protocol):
    """An index of questions."""

    def build(self, questions: Sequence[str], folder: Path) -> None:
        """Index the questions into a folder."""

    def load(self, folder: Path) -> None:
        """Read the folder."""

    def ask(self, question: str, k: int) -> list[int]:
        """Return the places of the nearest questions."""


class Ours:
    """`tfchat_hf.memory.index`: TF-IDF cosine in numpy."""

    def build(self, questions: Sequence[str], folder: Path) -> None:
        """Index the questions into a folder."""
        from tfchat_hf.memory.index import QuestionIndex

        QuestionIndex.build(questions).save(folder)

    def load(self, folder: Path) -> None:
        """Read the folder."""
        from tfchat_hf.memory.index import QuestionIndex

        self.index = QuestionIndex.load(folder)

    def ask(self, question: str, k: int) -> list[int]:
        """Return the places of the nearest questions."""
        return [place for place, _ in self.index.nearest(question, k)]


class ScikitLearn:
    """TF-IDF cosine of all runs of 1 to 3 characters, with scipy's sparse matrices."""

    options: dict[str, Any] = {"analyzer": "char", "ngram_range": (1, 3), "sublinear_tf": True}

    def _vectorizer(self, **options: Any) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        from tfchat_hf.memory.index import normalize

        return TfidfVectorizer(
            preprocessor=normalize, lowercase=False, dtype=np.float32, **self.options, **options
        )

    def build(self, questions: Sequence[str], folder: Path) -> None:
        """Index the questions into a folder; the vocabulary as JSON, for pickle runs code."""
        from scipy import sparse

        vectorizer = self._vectorizer()
        matrix = vectorizer.fit_transform(questions)
        sparse.save_npz(folder / "matrix.npz", matrix.T.tocsr(), compressed=False)
        np.save(folder / "idf.npy", vectorizer.idf_)
        names = {name: int(number) for name, number in vectorizer.vocabulary_.items()}
        (folder / "vocabulary.json").write_text(json.dumps(names, ensure_ascii=False))

    def load(self, folder: Path) -> None:
        """Read the folder."""
        from scipy import sparse

        names = json.loads((folder / "vocabulary.json").read_text())
        self.vectorizer = self._vectorizer(vocabulary=names)
        self.vectorizer.idf_ = np.load(folder / "idf.npy")
        self.matrix = sparse.load_npz(folder / "matrix.npz")

    def ask(self, question: str, k: int) -> list[int]:
        """Return the places of the nearest questions."""
        scores = self.vectorizer.transform([question]) @ self.matrix
        order = np.lexsort((scores.indices, -scores.data))[:k]
        return scores.indices[order].tolist()


class ScikitLearnRare(ScikitLearn):
    """The same without the runs that stand in more than 5 % of the questions."""

    options = ScikitLearn.options | {"max_df": 0.05}


class Bm25s:
    """BM25 by bm25s, over the same runs of characters."""

    def build(self, questions: Sequence[str], folder: Path) -> None:
        """Index the questions into a folder."""
        import bm25s

        index = bm25s.BM25()
        index.index([self._runs(question) for question in questions], show_progress=False)
        index.save(folder)

    def load(self, folder: Path) -> None:
        """Read the folder."""
        import bm25s

        self.index = bm25s.BM25.load(folder)

    def ask(self, question: str, k: int) -> list[int]:
        """Return the places of the nearest questions."""
        found, _ = self.index.retrieve([self._runs(question)], k=k, show_progress=False)
        return found[0].tolist()

    def _runs(self, question: str) -> list[str]:
        from tfchat_hf.memory.index import normalize

        text = normalize(question)
        runs = [text[i : i + n] for n in (1, 2, 3) for i in range(len(text) - n + 1)]
        return runs or ["?"]


class Tantivy:
    """BM25 by tantivy's n-gram tokenizer."""

    def _index(self, folder: Path) -> Any:
        import tantivy

        schema = tantivy.SchemaBuilder()
        schema.add_text_field("question", tokenizer_name="runs", index_option="freq")
        schema.add_unsigned_field("place", stored=True)
        index = tantivy.Index(schema.build(), path=str(folder))
        runs = tantivy.Tokenizer.ngram(min_gram=1, max_gram=3, prefix_only=False)
        analyzer = tantivy.TextAnalyzerBuilder(runs).filter(tantivy.Filter.lowercase()).build()
        index.register_tokenizer("runs", analyzer)
        self.analyzer = analyzer
        return index

    def build(self, questions: Sequence[str], folder: Path) -> None:
        """Index the questions into a folder."""
        import tantivy

        from tfchat_hf.memory.index import normalize

        writer = self._index(folder).writer(heap_size=200_000_000, num_threads=1)
        for place, question in enumerate(questions):
            writer.add_document(tantivy.Document(question=normalize(question), place=place))
        writer.commit()
        writer.wait_merging_threads()

    def load(self, folder: Path) -> None:
        """Read the folder."""
        self.index = self._index(folder)
        self.index.reload()
        self.searcher = self.index.searcher()

    def ask(self, question: str, k: int) -> list[int]:
        """Return the places of the nearest questions."""
        import tantivy

        from tfchat_hf.memory.index import normalize

        schema = self.index.schema
        runs = set(self.analyzer.analyze(normalize(question)))
        terms = [
            (tantivy.Occur.Should, tantivy.Query.term_query(schema, "question", run))
            for run in runs
        ]
        found = self.searcher.search(tantivy.Query.boolean_query(terms), k).hits
        return [self.searcher.doc(address)["place"][0] for _, address in found]


class Faiss:
    """Cosine of 256 random projections of the TF-IDF weights, by faiss' flat index."""

    width = 256

    def build(self, questions: Sequence[str], folder: Path) -> None:
        """Index the questions into a folder."""
        import faiss

        index = faiss.IndexFlatIP(self.width)
        for first in range(0, len(questions), 20_000):
            index.add(self._vectors(questions[first : first + 20_000]))
        faiss.write_index(index, str(folder / "flat.faiss"))

    def load(self, folder: Path) -> None:
        """Read the folder."""
        import faiss

        self.index = faiss.read_index(str(folder / "flat.faiss"))

    def ask(self, question: str, k: int) -> list[int]:
        """Return the places of the nearest questions."""
        return self.index.search(self._vectors([question]), k)[1][0].tolist()

    def _vectors(self, questions: Sequence[str]) -> np.ndarray:
        """Project runs of characters, (questions, width): each run has a sign by its hash."""
        from tfchat_hf.memory.index import count_ngrams, normalize

        owners, grams, counts = count_ngrams([normalize(question) for question in questions])
        mixed = grams * np.uint64(0x9E3779B97F4A7C15)
        vectors = np.zeros((len(questions), self.width), dtype=np.float32)
        for turn in range(4):
            bits = (mixed >> np.uint64(14 * turn)).astype(np.int64)
            signs = np.where(bits & 1, 1.0, -1.0) * (1 + np.log(counts))
            np.add.at(vectors, (owners, (bits >> 1) % self.width), signs)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, 1e-9)


CONTENDERS: dict[str, type] = {
    "numpy (ours)": Ours,
    "scikit-learn": ScikitLearn,
    "scikit-learn, rare runs": ScikitLearnRare,
    "bm25s": Bm25s,
    "tantivy": Tantivy,
    "faiss": Faiss,
}
PACKAGES = {"scikit-learn": "sklearn", "bm25s": "bm25s", "tantivy": "tantivy", "faiss": "faiss"}
