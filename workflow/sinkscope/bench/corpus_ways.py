"""The two ways to run a model over a corpus, `job` and `plain`, and what each takes."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from sinkscope.bench.rounds import Times, peak_mb, timed
from sinkscope.bench.texts import ids_of
from sinkscope.config import Settings
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.job import Summaries, run_loaded
from sinkscope.extract.model import Loaded

BATCH = 32  # documents, of the plain way
N_MAPPED = 20  # documents whose cells hold maps; the others are kept as summaries
SUMMARIES = Summaries("0000", tie_tolerance=0.02)
MIB = 2**20


def timed_job(loaded: Loaded, documents: Sequence[Document], settings: Settings) -> Times:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        times = timed(lambda: run_as_job(loaded, documents, settings, folder))
        sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        of_parts = sum(n for path, n in sizes.items() if path.parent.name == SUMMARIES.shard)
        return replace(times, n_bytes=sum(sizes.values()), n_summary_bytes=of_parts)


def run_as_job(
    loaded: Loaded, documents: Sequence[Document], settings: Settings, folder: Path
) -> None:
    """Raises SinkscopeError if a document has no cell: the job would have had less to do."""
    with contextlib.redirect_stderr(io.StringIO()):  # its progress, which the workflow logs
        cells = run_loaded(loaded, documents, settings, "bench", folder, N_MAPPED, SUMMARIES)
    for refused in cells["missing"]:
        raise SinkscopeError(refused["reason"])


def run_plain(loaded: Loaded, documents: Sequence[Document]) -> None:
    texts = ids_of(loaded, [document.text for document in documents])
    ordered = [torch.tensor(ids) for ids in sorted(texts, key=len)]
    # The mask hides padding, so a model without a padding token can get any id there.
    padding = loaded.tokenizer.pad_token_id or 0
    options = {"use_cache": False} if loaded.family == "decoder" else {}
    with torch.inference_mode():
        for start in range(0, len(ordered), BATCH):
            batch = ordered[start : start + BATCH]
            ids = pad_sequence(batch, batch_first=True, padding_value=padding)
            mask = pad_sequence([torch.ones_like(one) for one in batch], batch_first=True)
            ids, mask = ids.to(loaded.device), mask.to(loaded.device)
            loaded.network(input_ids=ids, attention_mask=mask, **options)


def peaks_of(run: Callable[[], Any], device: torch.device) -> dict[str, float | None]:
    """Peak memory in MiB, weights included: of the process since its start, and of the GPU."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    run()
    peak_gpu_mb = torch.cuda.max_memory_allocated() / MIB if on_gpu else None
    return {"peak_mb": peak_mb(), "peak_gpu_mb": peak_gpu_mb}
