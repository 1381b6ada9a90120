"""Claims of the studies, tested on a run: file, measures, verdicts, figures, page."""

from __future__ import annotations

from sinkscope.declarations.experiment import Section
from sinkscope.discovery import additions

__path__ = [*__path__, *additions(__name__)]

SECTION = Section(
    title="Claims of the studies",
    intro=(
        "What the studies behind this tool say, each statement made checkable before any result "
        "was seen: a measure, and a condition that decides. A verdict is about the very model that "
        "a claim speaks about; where that was not in this run, the numbers of its relatives, "
        "models of the same architecture, are given, and decide nothing. A claim holds if it holds "
        "for every model that it speaks about, and holds where tested if some of them were not in "
        "this run. A number that is a mean over documents stands with its 95 % bootstrap interval "
        "over documents. The number itself decides; where the interval includes the threshold, "
        "other documents may decide otherwise, and the verdict says so. Where a claim depends on a "
        "definition, such as which layers are intermediate, other plausible ones stand beside it; "
        "where a run disagrees, what would be measured without a likely cause, if it can be."
    ),
    tables=(
        *("claims", "documents", "max_attention_tokens", "max_attention_tokens_padded"),
        *("max_attention_documents", "max_attention_documents_padded"),
    ),
    figures=("numbers", "countings"),
)
