"""The key sets of tokens as a tensor, held against their definition."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from sinkscope.extract.cells import codes_of, members_of
from sinkscope.extract.encode import Encoded
from sinkscope.keys import KEY_CLASSES, LISTED_SETS, key_sets

DOCUMENTS = st.lists(
    st.lists(st.sampled_from([*KEY_CLASSES, None]), min_size=1, max_size=12), min_size=1, max_size=4
)


@given(DOCUMENTS, st.booleans())
def test_members_are_those_of_the_key_sets(documents, padded_in_front):
    n_tokens = max(map(len, documents)) + 2
    encoded = [Encoded([7] * len(one), ["x"] * len(one), one, len(one)) for one in documents]
    starts = [n_tokens - len(one) if padded_in_front else 0 for one in documents]
    real = torch.zeros(len(documents), n_tokens, dtype=torch.bool)
    expected = torch.zeros(len(documents), n_tokens, len(LISTED_SETS), dtype=torch.bool)
    for i, (start, classes) in enumerate(zip(starts, documents, strict=True)):
        real[i, start : start + len(classes)] = True
        for column, positions in enumerate(key_sets(classes).values()):
            expected[i, [start + at for at in positions], column] = True
    assert torch.equal(members_of(codes_of(encoded, real)), expected)
