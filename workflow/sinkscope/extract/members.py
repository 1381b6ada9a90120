"""The key sets that tokens are members of, as tensors, computed on their device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sinkscope.extract.encode import Encoded
from sinkscope.keys import CODES, SPECIAL_CLASSES


def codes_of(encoded: Sequence[Encoded], real: Tensor | None = None) -> Tensor:
    """[document, token] int8, the number of each token's class, that of CODES or one more for a
    token without a class; -1 at padding.

    real: [document, token] bool, False at padding; None where all documents have one length.
    """
    starts = [0] * len(encoded) if real is None else real.int().argmax(1).tolist()
    n_tokens = len(encoded[0].ids) if real is None else real.shape[1]
    codes = np.full((len(encoded), n_tokens), -1, dtype=np.int8)
    for start, one, row in zip(starts, encoded, codes, strict=True):
        row[start : start + len(one.classes)] = [
            CODES.get(name, len(CODES)) for name in one.classes
        ]
    return torch.from_numpy(codes)


def members_of(codes: Tensor) -> Tensor:
    """[document, token, key_set] bool: the LISTED_SETS that each token is in, as key_sets names
    them. codes: of codes_of."""
    of_class = torch.stack([codes == code for code in CODES.values()], 2)
    rank = (codes >= 0).cumsum(1) * (codes >= 0)  # 1 for the first token, 0 for padding
    first, first_four = rank == 1, (rank > 0) & (rank <= 4)
    special = torch.stack([codes == CODES[name] for name in SPECIAL_CLASSES]).any(0)
    terminator = codes == CODES["terminator"]
    first_terminator = terminator & (terminator.cumsum(1) == 1)
    listed_sinks = (first | special | first_terminator) & (codes != CODES["mask"])
    others = torch.stack([first, first_four, special, first_terminator, listed_sinks], 2)
    return torch.cat([others[..., :2], of_class, others[..., 2:]], 2)
