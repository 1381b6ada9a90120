"""Shards: the documents of each extraction job. A document that is added or removed changes its own
shard alone, unless that is split, or two halves of a split one are joined again.

Texts, and the rows of a sample, go by the hash of their names: a shard of more than `size` is split
in two by the next bit of the hash. Rows of a corpus stay together, so that a job reads one stretch
of the file: `size` rows each, from row 0 on, are a shard.
"""

import hashlib
from collections.abc import Iterable, Sequence

from sinkscope.documents import AnyDocument, Listed, Refused

Entry = AnyDocument | Refused
BITS = 64  # of a hash that are used


def shards_of(entries: Sequence[Entry], size: int) -> dict[str, tuple[AnyDocument, ...]]:
    """Documents by shard, in the order of the table. Those that cannot be read are counted too: a
    repaired document does not move the others.

    Names of shards: of texts the position in the tree of splits, 0000 for all of them, 0001 and
    0002 for its halves, 0003 and 0004 for those of 0001; with size 1 the hash. Of the rows of a
    corpus NAME-0000, NAME-0001, ...
    """
    by_name = [one for one in entries if not isinstance(one, Listed)]
    shards = dict(sorted(split(by_name, size)))
    for one in entries:
        if isinstance(one, Listed):
            name = f"{one.corpus.name}-{one.row // size:04d}"
            shards.setdefault(name, []).append(one)
    documents = {
        name: tuple(one for one in part if not isinstance(one, Refused))
        for name, part in shards.items()
    }
    return {name: part for name, part in documents.items() if part}


def split(entries: Iterable[Entry], size: int) -> list[tuple[str, list[Entry]]]:
    """(name, entries) of each shard of entries that go by the hash of their names."""
    hashed = [(hash_of(one.name), one) for one in entries]
    if size == 1:  # no shard that a new document could split
        alone: dict[str, list[Entry]] = {}
        for key, one in hashed:
            alone.setdefault(f"{key:020d}", []).append(one)
        return list(alone.items())
    waiting, shards = [(0, 0, hashed)], []
    while waiting:
        number, depth, part = waiting.pop()
        n_names = len({key for key, _ in part})
        if n_names <= size or depth == BITS:
            if part:
                shards.append((f"{number:04d}", [one for _, one in part]))
            continue
        for half in (0, 1):
            of_half = [(key, one) for key, one in part if key >> (BITS - 1 - depth) & 1 == half]
            waiting.append((2 * number + 1 + half, depth + 1, of_half))
    return shards


def hash_of(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[: BITS // 8])
