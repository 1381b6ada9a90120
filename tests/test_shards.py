"""Documents by job: which jobs a document that is added or removed concerns, and their sizes."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from sinkscope.documents import Document, Refused, read_entries
from sinkscope.shards import shards_of

NAMES = st.lists(st.integers(0, 10_000).map("text-{}".format), min_size=1, max_size=80, unique=True)


def texts(names):
    return [Document(name, f"{name}.txt", None, name) for name in names]


@settings(max_examples=60, deadline=None)
@given(NAMES, st.integers(1, 12), st.data())
def test_a_document_touches_only_the_shard_it_lies_in(names, size, data):
    """Removed and, read from right to left, added: the shard becomes smaller, is gone, or becomes
    one with its neighbour; all others stay as they are."""
    removed = data.draw(st.sampled_from(names))
    before = shards_of(texts(names), size)
    after = shards_of(texts([name for name in names if name != removed]), size)
    gone = {name: part for name, part in before.items() if after.get(name) != part}
    new = {name: part for name, part in after.items() if before.get(name) != part}
    touched = {one.name for part in gone.values() for one in part}
    assert removed in touched
    assert touched - {removed} == {one.name for part in new.values() for one in part}
    assert len(new) <= 1
    assert len(touched) <= size + 1


@settings(max_examples=60, deadline=None)
@given(NAMES, st.integers(1, 12), st.randoms())
def test_every_document_is_in_one_shard_of_at_most_the_size(names, size, random):
    shards = shards_of(texts(names), size)
    assert sorted(one.name for part in shards.values() for one in part) == sorted(names)
    assert max(map(len, shards.values())) <= size
    assert (len(names) <= size) == (list(shards) == ["0000"]) or size == 1
    random.shuffle(names)
    again = shards_of(texts(names), size)
    assert {name: set(part) for name, part in again.items()} == {
        name: set(part) for name, part in shards.items()
    }


def test_shards_of_a_large_grid_are_at_least_half_full():
    shards = shards_of(texts([f"text-{i}" for i in range(10_000)]), 500)
    assert 10_000 / 500 <= len(shards) <= 2 * 10_000 / 500
    assert min(map(len, shards.values())) >= 250


def test_a_document_that_cannot_be_read_is_counted_and_moves_no_other():
    names = [f"text-{i}" for i in range(30)]
    whole = shards_of(texts(names), 4)
    entries = [Refused(one.name, "why") if one.name == "text-7" else one for one in texts(names)]
    broken = shards_of(entries, 4)
    assert broken == {
        name: tuple(one for one in part if one.name != "text-7") for name, part in whole.items()
    }


def test_two_documents_of_one_name_are_not_split_for_ever():
    same = [Document("a", "a.txt", None, "one"), Refused("a", "twice"), Refused("a", "twice")]
    assert list(shards_of(same, 2).values()) == list(shards_of(same, 1).values()) == [(same[0],)]


def test_rows_of_a_corpus_stay_together_and_new_ones_come_at_its_end(tmp_path):
    def write(n_rows):
        lines = [json.dumps({"text": f"row {i}"}) for i in range(n_rows)]
        (tmp_path / "news.jsonl").write_text("\n".join(lines))
        entries = read_entries("news", tmp_path / "news.jsonl", "news.jsonl", "text")
        return shards_of([*entries, *texts(["one"])], 4)

    before, after = write(10), write(11)
    assert list(before) == ["0000", "news-0000", "news-0001", "news-0002"]
    assert [one.row for one in before["news-0001"]] == [4, 5, 6, 7]
    assert {name for name in after if after[name] != before.get(name)} == {"news-0002"}
