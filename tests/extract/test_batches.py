"""Documents on their way to the model: in order, of one length together, tokenised ahead."""

import itertools
import threading

from hypothesis import given as drawn
from hypothesis import strategies as st

from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.batches import (
    AHEAD,
    BLOCK,
    ON_GPU,
    ON_PROCESSOR,
    TOGETHER,
    batches,
    encoded_ahead,
    padded_length,
)
from sinkscope.extract.encode import Encoded

ALL = [f"d{i}" for i in range(500)] + ["long", "good", "bad", "after"]  # whose cells hold maps


def document(name, n_tokens):
    return Document(name, f"{name}.txt", None, "x" * n_tokens)


def encoded(one):
    if one.text == "xxx":
        return SinkscopeError(f"document '{one.name}': bad")
    n = len(one.text)
    return Encoded([7] * n, ["x"] * n, ["word"] * n, n)


def encode_all(documents):
    return [encoded(one) for one in documents]


def names(found):
    return [[one.name for one in batch.documents] for batch in found]


def test_documents_of_one_length_meet_on_a_gpu_and_all_others_go_alone():
    given = [document(f"d{i}", n) for i, n in enumerate([5, 9, 5, 9, 4, 5])]
    found = list(batches(encode_all, given, ALL, None, on_gpu=True, shapes=ON_GPU))
    assert sorted(names(found)) == [["d0", "d2", "d5"], ["d1", "d3"], ["d4"]]
    assert all(len({len(one.ids) for one in batch.encoded}) == 1 for batch in found)


def test_documents_with_maps_and_those_without_do_not_share_a_pass():
    given = [document(f"d{i}", 5) for i in range(4)]
    found = list(batches(encode_all, given, {"d0", "d2"}, 5, on_gpu=True, shapes=ON_GPU))
    assert {tuple(names([one])[0]): one.with_maps for one in found} == {
        ("d0", "d2"): True, ("d1", "d3"): False,
    }  # fmt: skip


def test_documents_without_maps_are_padded_to_a_few_lengths_and_fill_passes_of_one_shape():
    given = [document(f"d{i}", n) for i, n in enumerate([5, 9, 15, 16, 17, 40])]
    found = list(batches(encode_all, given, [], 48, on_gpu=True, shapes=ON_GPU))
    shapes = {tuple(names([one])[0]): (one.n_rows, one.n_tokens) for one in found}
    assert shapes == {
        ("d0", "d1", "d2"): (512, 16), ("d3", "d4"): (341, 24), ("d5",): (170, 48),
    }  # fmt: skip


@drawn(st.integers(1, 3000), st.one_of(st.none(), st.integers(8, 4096)))
def test_a_padded_length_leaves_room_for_padding_and_fits_the_model(n_tokens, longest):
    n_padded = padded_length(n_tokens, longest)
    if n_padded is None:
        assert n_tokens >= 2048 or (longest is not None and n_tokens >= longest)
    else:
        assert n_tokens < n_padded <= (longest or 2048)


def test_a_document_as_long_as_the_model_takes_is_not_padded_nor_mixed_with_those_that_are():
    given = [document(f"d{i}", n) for i, n in enumerate([47, 48, 46, 48])]
    found = list(batches(encode_all, given, [], 48, on_gpu=True, shapes=ON_GPU))
    assert {tuple(names([one])[0]): one.n_tokens for one in found} == {
        ("d0", "d2"): 48, ("d1", "d3"): None,
    }  # fmt: skip


def test_full_passes_leave_while_others_wait():
    given = [document(f"d{i}", 20) for i in range(ON_GPU.n_rows(24) + 1)]
    found = list(batches(encode_all, given, [], None, on_gpu=True, shapes=ON_GPU))
    assert [len(one.documents) for one in found] == [ON_GPU.n_rows(24), 1]


def test_on_a_processor_small_passes_of_one_shape_hold_documents_of_similar_length():
    given = [document(f"d{i}", n) for i, n in enumerate([130, 140, 143, 150, 135, 144, 400])]
    found = list(batches(encode_all, given, [], None, on_gpu=False, shapes=ON_PROCESSOR))
    assert {tuple(names([one])[0]): (one.n_rows, one.n_tokens) for one in found} == {
        ("d0", "d1", "d2", "d4"): (7, 144), ("d3", "d5"): (6, 160), ("d6",): (2, 416),
    }  # fmt: skip


def test_on_a_processor_every_document_goes_alone_and_in_order():
    given = [document(f"d{i}", 5) for i in range(4)]
    assert names(batches(encode_all, given, ALL, None, on_gpu=False, shapes=None)) == [
        ["d0"],
        ["d1"],
        ["d2"],
        ["d3"],
    ]


def test_a_batch_holds_no_more_tokens_than_it_may_but_a_long_document_still_runs():
    half = TOGETHER // 2
    given = [document(f"d{i}", half) for i in range(3)] + [document("long", TOGETHER + 1)]
    assert sorted(names(batches(encode_all, given, ALL, None, on_gpu=True, shapes=ON_GPU))) == [
        ["d0", "d1"],
        ["d2"],
        ["long"],
    ]


def test_every_document_comes_once_however_many_there_are():
    given = [document(f"d{i}", 4 + i % 90) for i in range(500)]
    found = [
        name
        for batch in names(batches(encode_all, given, ALL, None, on_gpu=True, shapes=ON_GPU))
        for name in batch
    ]
    assert sorted(found) == sorted(one.name for one in given)


def test_a_document_that_cannot_be_encoded_is_handed_on_with_its_reason():
    given = [document("good", 5), document("bad", 3), document("after", 5)]
    (bad,) = (
        batch
        for batch in batches(encode_all, given, ALL, None, on_gpu=True, shapes=ON_GPU)
        if batch.problem
    )
    assert [one.name for one in bad.documents] == ["bad"]
    assert "document 'bad'" in str(bad.problem)


def test_a_bad_document_does_not_change_what_its_neighbours_get():
    given = [document(f"d{i}", 3 if i % 7 == 0 else 5) for i in range(100)]
    stream = list(encoded_ahead(encode_all, given))
    assert [one for one, _ in stream] == given
    assert [isinstance(of, SinkscopeError) for _, of in stream] == [i % 7 == 0 for i in range(100)]
    assert all(one.name in str(of) for one, of in stream[::7])


def test_the_next_documents_are_tokenised_while_one_is_analysed():
    later = threading.Event()

    def noted(documents):
        if any(one.name == "d50" for one in documents):
            later.set()
        return encode_all(documents)

    stream = encoded_ahead(noted, [document(f"d{i}", 5) for i in range(100)])
    next(stream)
    assert later.wait(5)
    stream.close()


def test_few_documents_are_read_ahead_of_the_model():
    taken = []
    endless = (taken.append(i) or document(f"d{i}", 5) for i in itertools.count())
    stream = encoded_ahead(encode_all, endless)
    for n_analysed in range(1, 200):
        next(stream)
        assert len(taken) <= n_analysed + AHEAD + BLOCK
    stream.close()
