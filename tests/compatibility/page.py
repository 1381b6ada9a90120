"""The page docs/reference/compatibility.md: one row per text architecture of transformers."""

import re
from collections import Counter
from pathlib import Path

import torch
import transformers

PAGE = Path(__file__).parents[2] / "docs/reference/compatibility.md"
DOORS = {
    "sdpa": "scaled_dot_product_attention", "eager": "AttentionInterface", "own code": "softmax",
}  # fmt: skip
TEXT = """# Which architectures can be observed

Made by `make compatibility` with transformers {transformers} and torch {torch}; do not edit.

Every architecture of a causal or masked language model in transformers is built with random weights,
tiny, and run twice: as the library computes it (its own *eager* attention), and observed. *Observed*
says that the output and, where the library returns it, the attention of every head are equal in
float32; *within* bounds the largest difference of an entry of the attention (a part of 1), and of the
output (relative to its largest entry).

Of {n} architectures {observed} are observed, {refused} are refused, {none} have no attention with
softmax, and {undecided} are not decided, because no tiny model of them can be built here. A job
refuses a model before it runs, with the sentence of its row. At run time it also refuses a model whose
calls of the attention cannot be matched to its layers, one whose own attention function is not the
formula that Sinkscope computes, and one that changes its rows of attention before they meet the values,
whether or not its architecture is in this table.

- *scaled_dot_product_attention*, *AttentionInterface*, *softmax*: where the attention is intercepted.
  *softmax*: the model computes its attention in code of its own. Its logits, with position bias and
  mask, are taken from the softmax, and the values from the product that follows. The norms of its keys
  (table `norms`) are not known.
- *learned sinks*: a logit per head takes part in the softmax; the table `virtual_sink` has its share.
- *layers without attention*: a hybrid model. Layers keep the numbers of the model; the table `models`
  names those without attention.
- *its encoder*: of encoder-decoder models only the encoder is run and observed. The decoder and its
  cross attention are left out.
- Falcon is compared with a float64 reference: the library's eager path adds its ALiBi twice.
- `granite_swa` and `granitemoe_swa` are compared without the part of their learned sinks, which the
  library leaves out of the attention that it returns; `prophetnet` and `squeezebert` with the softmax
  of what it returns, which are logits.
- `nystromformer` is observed where it has as many landmarks as segments and so attends to all tokens;
  otherwise a job refuses it. So it does with `deberta` where heads are mixed after the softmax.
- `big_bird` and `bigbird_pegasus` are observed where they attend to all tokens: texts of up to (5 + 2 x
  `num_random_blocks`) x `block_size` tokens, 704 by default. A job does not take longer ones.
- `deepseek_v4` also attends to compressed blocks of tokens. These are keys of no token: rows over the
  tokens sum to what the blocks and the learned sink leave.

| architecture | result | intercepted at | within | remarks |
|---|---|---|---|---|
{rows}
"""  # noqa: E501


def page(verdicts):
    counts = Counter(one.result for one in verdicts)
    return TEXT.format(
        transformers=transformers.__version__,
        torch=torch.__version__.partition("+")[0],
        n=len(verdicts),
        observed=counts["observed"],
        refused=counts["refused"],
        none=counts["no attention"],
        undecided=counts["undecided"],
        rows="\n".join(map(row, verdicts)),
    )


def row(verdict):
    within = ""
    if verdict.result in ("observed", "differs"):  # a bound: errors differ between processors
        within = next((f"{b:g}" for b in (1e-6, 1e-5, 1e-4) if verdict.error <= b), "-")
    detail = verdict.detail.removeprefix(f"model '{verdict.kind}': ").partition("; choose")[0]
    detail = detail.replace("|", "\\|")
    cells = [verdict.kind, verdict.result, DOORS.get(verdict.door, ""), within, detail]
    return f"| {' | '.join(cells)} |".replace("  ", " ")


def results(text):
    """{architecture: result} of a page."""
    kinds = "observed|differs|refused|no attention|undecided"
    return dict(re.findall(rf"^\| ([\w-]+) \| ({kinds}) ", text, re.MULTILINE))


def versions(text):
    return re.search(r"with transformers (\S+) and torch ([\d.]+);", text).groups()


def changes(before, verdicts):
    """One line per architecture whose result is another than before, with the reason where it is
    not observed. before: as results."""
    after = {one.kind: one for one in verdicts}
    lines = []
    for kind in sorted(before.keys() | after.keys()):
        result = after[kind].result if kind in after else "not there"
        if before.get(kind, "not there") != result:
            reason = "" if result in ("observed", "not there") else f" ({after[kind].detail})"
            lines.append(f"{kind}: {before.get(kind, 'not there')} -> {result}{reason}")
    return lines
