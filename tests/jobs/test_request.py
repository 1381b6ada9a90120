"""Requests, and the stamps that state them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkscope.files import write_json
from sinkscope.jobs.request import Request, changes, digest_of, prefix_of, stamps_in, stamps_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES), st.randoms())
def test_the_order_of_keys_does_not_count_and_every_value_does(content, random):
    keys = list(content)
    random.shuffle(keys)
    assert digest_of({key: content[key] for key in keys}) == digest_of(content)
    for key in keys:
        assert digest_of(content | {key: [content[key], "more"]}) != digest_of(content)


def test_a_stamp_is_named_after_its_request(tmp_path):
    one, two = (Request("extract/m/0000", "results/shards/m/0000", {"w": w}) for w in (1, 2))
    assert one.stamp.startswith("results/shards/m/0000.")
    assert one.stamp != two.stamp
    assert prefix_of(Path(one.stamp)) == "0000"
    assert one.log == f"extract/m/0000.{one.digest}"
    for name in (one.stamp, two.stamp, "results/shards/m/0000.json", "results/shards/m/00001.json"):
        write_json(tmp_path / name, {})
    found = [path.relative_to(tmp_path).as_posix() for path in stamps_of(tmp_path / one.prefix)]
    assert found == sorted([one.stamp, two.stamp])
    assert stamps_of(tmp_path / "nowhere" / "0000") == []
    in_folder = stamps_in((tmp_path / one.prefix).parent)
    assert in_folder["0000"] == stamps_of(tmp_path / one.prefix)
    assert stamps_in(tmp_path / "nowhere") == {}


def test_a_name_that_looks_like_a_stamps_is_told_from_it(tmp_path):
    """Models may have dots in their names."""
    write_json(tmp_path / "made.v2.0123456789ab.json", {})
    write_json(tmp_path / "made.0123456789ab.json", {})
    assert [path.name for path in stamps_of(tmp_path / "made")] == ["made.0123456789ab.json"]


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"settings": {"window": 64}}, {"settings": {"window": 32}},
         ["settings.window: 64, now 32"]),
        ({"model": {"source": "zoo:a", "dtype": "float32"}},
         {"model": {"source": "zoo:b", "dtype": "float32"}},
         ['model.source: "zoo:a", now "zoo:b"']),
        ({"code": "aa", "parts": ["x"], "epsilon": 0.3},
         {"code": "bb", "parts": ["y"], "epsilon": 0.2},
         ["code", "epsilon: 0.3, now 0.2", "parts"]),
        ({"threshold": None}, {"threshold": 0.1}, ["threshold: null, now 0.1"]),
    ],
)  # fmt: skip
def test_what_differs_is_said_in_words(before, now, words):
    assert changes(before, now) == words
