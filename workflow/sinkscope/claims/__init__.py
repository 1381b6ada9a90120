"""Claims of the studies, tested on a run: file, measures, verdicts, figures, page."""

from sinkscope.declarations.experiment import Section
from sinkscope.discovery import additions

__path__ = [*__path__, *additions(__name__)]

SECTION = Section(
    title="Claims of the studies",
    intro=(
        "The statements of the studies behind this tool. Each has a measure and a condition, "
        "fixed before any result was known. A verdict is about exactly the models that the claim "
        "names. If one of them was not in this run, the numbers of its relatives (models of the "
        "same architecture) are shown, but they do not affect the verdict. A claim holds if it "
        "holds for every model that it is about, and holds where tested if some of these were "
        "not in this run. A number that is a mean over documents has its 95 % bootstrap interval "
        "over documents. The number decides; if the interval includes the threshold, the verdict "
        "says that it may differ on other documents. If a claim depends on a definition, such as "
        "which layers are intermediate, the numbers of other plausible definitions are shown; if "
        "a claim does not hold, also the number without a likely cause, if it can be measured."
    ),
    tables=(
        *("claims", "documents", "max_attention_tokens", "max_attention_tokens_padded"),
        *("max_attention_documents", "max_attention_documents_padded"),
    ),
    figures=("numbers", "countings"),
)
