"""The sentence on all claims of a run."""

import polars as pl

from claims.rows import NOTE, THREE
from sinkscope.claims.summary import sentence


def test_the_sentence_counts_claims_not_rows_and_notes_apart():
    of_studies = (
        "Of 6 statements of the studies, 5 were tested by this run: 3 hold, 1 holds for those of "
        "its models that were tested and 1 does not hold. The others speak about models or tables "
        "that were not in it."
    )
    assert sentence(THREE) == of_studies
    assert sentence(pl.concat([THREE, NOTE])) == (
        f"{of_studies} Of 1 note of this project itself, measured when it was designed, 1 was "
        "tested by this run: 1 does not hold."
    )
    assert sentence(THREE.filter(number=4)) == (
        "Of 1 statement of the studies, 0 were tested by this run. They speak about models or "
        "tables that were not in it."
    )


def test_the_sentence_says_how_many_intervals_include_the_threshold():
    """Of claims that were decided, not of relatives."""
    doubt = "For {} of them the interval over documents includes the threshold: other documents"
    assert "includes the threshold" not in sentence(THREE)
    unclear = THREE.with_columns(is_clear=~pl.col("number").is_in([1, 2, 4]))
    assert doubt.format(2) in sentence(unclear)
    relative = THREE.with_columns(is_clear=~pl.col("is_relative"))
    assert "includes the threshold" not in sentence(relative)
