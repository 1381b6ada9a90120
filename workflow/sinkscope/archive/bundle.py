"""A zip whose bytes depend on its files alone: entries are sorted, times and permissions fixed."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from sinkscope.archive.contents import Item
from sinkscope.errors import SinkscopeError
from sinkscope.files import written

BLOCK = 1 << 20  # bytes in memory at once
TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip can state
PACKED = (".parquet", ".png", ".gz", ".zip")  # compressed already


def write_zip(
    out: Path, items: Sequence[Item], folders: Sequence[str], advance: Callable[[int], None]
) -> None:
    """Write the items, sorted by name; folders: those with an entry of their own. Raises
    SinkscopeError if a file is no longer the one whose hash the item has."""
    by_name = {item.name: item for item in items}
    with written(out) as temporary, zipfile.ZipFile(temporary, "w") as bundle:
        for name in sorted([*by_name, *folders]):
            info = zipfile.ZipInfo(name, TIME)
            info.create_system = 3  # Unix, which the permissions are of
            if name in by_name:
                copy(by_name[name], bundle, info, advance)
            else:
                info.external_attr = 0o40755 << 16
                bundle.writestr(info, b"")


def copy(
    item: Item, bundle: zipfile.ZipFile, info: zipfile.ZipInfo, advance: Callable[[int], None]
) -> None:
    info.external_attr = 0o100644 << 16
    info.file_size = item.n_bytes  # from 2 GiB on the entry needs longer fields
    packed = item.name.endswith(PACKED)
    info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    digest, content = hashlib.sha256(), item.source
    source = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
    with source, bundle.open(info, "w") as target:
        while block := source.read(BLOCK):
            digest.update(block)
            target.write(block)
            advance(len(block))
    if digest.hexdigest() != item.sha256:
        raise SinkscopeError(f"{item.name}: changed while the archive was written; write it again.")
