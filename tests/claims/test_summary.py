"""The sentence on all claims of a run."""

import polars as pl

from claims.rows import NOTE, THREE
from sentences import said
from sinkscope.claims.summary import sentence


def test_the_sentence_counts_claims_not_rows_and_notes_apart():
    def counts(rows):
        return said(sentence(rows), "tested", "does not hold", "hold", "holds", "note")

    of_studies = ["6", "5", "tested", "3", "hold", "1", "holds", "tested", "1", "does not hold"]
    assert counts(THREE) == of_studies
    of_note = ["1", "note", "1", "tested", "1", "does not hold"]
    assert counts(pl.concat([THREE, NOTE])) == of_studies + of_note
    assert counts(THREE.filter(number=4)) == ["1", "0", "tested"]


def test_the_sentence_says_how_many_intervals_include_the_threshold():
    """Of claims that were decided, not of relatives."""
    unclear = THREE.with_columns(is_clear=~pl.col("number").is_in([1, 2, 4]))
    assert said(sentence(unclear), "interval")[-2:] == ["2", "interval"]
    for decided in (THREE, THREE.with_columns(is_clear=~pl.col("is_relative"))):
        assert "interval" not in sentence(decided)
