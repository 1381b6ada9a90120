"""Tables for every claim of config/claims.yaml: some in which its statement is exactly true, some
in which it is just false."""

from claims.case import Case, limits, share
from claims.cases_literature import LITERATURE
from claims.made_tables import (
    CLS,
    FIRST,
    NO_SECOND_SINK,
    SEP,
    SHADES,
    darkest,
    induction,
    last_layer,
    lengths,
    llama,
    mask_costs,
    masses,
    max_keys,
    norms,
    opt,
    rates,
    roberta,
    trained,
)

CASES = {
    "few-tokens": limits(lambda x: max_keys(stop=x / 2, z=x / 2), [0.86, 0.51], [0.49, 0]),
    "all-documents": Case(
        [masses("listed_sinks", 0.1, [0.8, 0.31], 0.2)],
        [masses("listed_sinks", 0.1, [0.9, 0.29], [0.29, 0.9]), masses("listed_sinks", 0, 0, 0)],
    ),
    "encoders-special-tokens": limits(
        lambda x: max_keys(sep=x / 2, stop=x / 2), [0.85, 0.51], [0.49, 0]
    ),
    "roberta-full-stop": Case(
        [max_keys(stop=0.4727, s=0.373), max_keys(stop=0.41, s=0.4)],
        [max_keys(stop=0.4, s=0.41), max_keys(s=0.4), max_keys(stop=0.4)],
    ),
    "roberta-first-layers": Case(
        [roberta(0.45, 0.08), roberta(0.2, 0.09)], [roberta(0.2, 0.11), roberta(0.01, 0.001)]
    ),
    "opt-start-token": Case(
        [max_keys(end=0.92, stop=0.003), max_keys(end=0.61, stop=0.1)],
        [max_keys(end=0.59, stop=0.1), max_keys()],
    ),
    "opt-full-stop": limits(lambda x: max_keys(end=0.9, stop=x), [0.003, 0.019], [0.021, 0.08]),
    "first-token-without-bos": Case(
        [max_keys(z=0.745, stop=0.05), max_keys(z=0.61, word=0.1)],
        [max_keys(z=0.59, word=0.1), max_keys()],
    ),
    "distilbert-cls-falls": Case(
        [masses("cls", *CLS), masses("cls", 0.2, 0.2, *[0.09] * 4)],
        [masses("cls", 0.2, 0.2, *[0.11] * 4), masses("cls", 0.09, 0.09, 0, 0, 0, 0)],
    ),
    "last-layer-differs": Case(
        [masses("sep", *SEP), masses("sep", 0, 0, 0.4, 0.4, 0.4, 0.19)],
        [masses("sep", 0, 0, 0.4, 0.4, 0.4, 0.21), masses("sep", 0, 0, 0, 0.02, 0.02, 0)],
    ),
    **{
        f"distilbert-darkest-{layer}": limits(
            lambda off, layer=layer: darkest(
                *(shade + off * (i == layer) for i, shade in enumerate(SHADES))
            ),
            [0, 0.14, -0.14],
            [0.16, -0.16],
        )
        for layer in range(len(SHADES))
    },
    "last-layer-full-stop": Case(
        [last_layer(stop=0.8, sep=0.1), last_layer(stop=0.4, sep=0.39)],
        [last_layer(stop=0.39, sep=0.4), last_layer(stop=0.39, cls=0.4), last_layer()],
    ),
    "second-sink": Case(
        [llama(), llama(following=0.197)],
        [llama(following=0.199), llama(following=FIRST), NO_SECOND_SINK],
    ),
    "second-sink-marks": Case([llama()], [llama(marks=(".", "!")), NO_SECOND_SINK]),
    "induction-heads-rest": Case(
        [induction(0.95, 0.8), induction(0.9, 0.51)], [induction(0.95, 0.95, 0.49), induction()]
    ),
    "because-rows-sum-to-one": Case(
        [trained(0.03, 0.48), trained(0.099, 0.301)],
        [trained(0.101, 0.48), trained(0.03, 0.299), trained(0.03, 0.03)],
    ),
    "little-meaning": limits(lambda x: max_keys(word=x), [0.1, 0.249], [0.251, 0.9]),
    "seen-by-all": limits(lambda x: max_keys(z=x, word=0.4), [0.59, 0.41], [0.39, 0]),
    "after-the-first-layer": Case(
        [masses("listed_sinks", 0.27, 0.4, 0.4, 0.1), masses("listed_sinks", 0.39, 0.4, 0.4, 0.1)],
        [masses("listed_sinks", 0.41, 0.4, 0.4, 0.1), masses("listed_sinks", 0, 0.05, 0.05, 0)],
    ),
    "documents-in-all": Case(
        [lengths(10, 29, 81, 130, 143, 210, 329, 428), lengths(1690, 9)],
        [lengths(1691, 10), lengths(1019), lengths(136)],
    ),
    "longest-document": limits(lambda x: lengths(10, x), [428, 322, 535], [320, 536, 43]),
    "shortest-document": limits(lambda x: lengths(428, x), [10, 5, 15], [4, 16]),
    "distilbert-sep-padded": share("sep", 11336 / 20544, 0.1, cls=0.17),
    "distilbert-cls-padded": share("cls", 3674 / 20544, 0.08, sep=0.55),
    "distilbert-full-stop-padded": share("stop", 2509 / 20544, 0.06, sep=0.55),
    "distilbert-comma-padded": share("comma", 104 / 20544, 0.004, sep=0.55),
    "bert-sep-padded": share("sep", 23110 / 41088, 0.1, cls=0.25),
    "bert-cls-padded": share("cls", 10280 / 41088, 0.1, sep=0.56),
    "bert-full-stop-padded": share("stop", 4430 / 41088, 0.05, sep=0.56),
    "roberta-full-stop-padded": limits(
        lambda x: max_keys(stop=0.3 * x, s=0.3), [42270 / 33350, 1.02, 1.51], [1.01, 1.52, 0]
    ),
    "opt-share": share("end", 17050 / 18540, 0.1),
    "opt-mass-least": Case(
        [opt(), opt(layer_7=0.56)], [opt(layer_7=0.54), masses("bos", *[0] * 12)]
    ),
    "opt-mass-most": Case(
        [opt(), opt(layer_7=0.79)], [opt(layer_7=0.81), masses("bos", *[0.02] * 12)]
    ),
    "opt-least-mass": Case(
        [opt(), opt(last=(0.48, 0.9))],
        [opt(last=(0.5, 0.9)), opt(last=(0.28, 0.9)), masses("bos", *[0] * 12)],
    ),
    "opt-most-mass": Case(
        [opt(), opt(last=(0.4, 0.84))], [opt(last=(0.4, 0.82)), masses("bos", *[0] * 12)]
    ),
    "gpt2-share": share("z", 41240 / 55332, 0.1),
    "falcon-share": share("z", 30760 / 36888, 0.1),
    "falcon-onset": Case(
        [masses("first_token", 0.05, 0.05, 0.05, *x, 0.6, 0.7) for x in ([0.1, 0.55], [0.5, 0.6])],
        [
            masses("first_token", 0.05, 0.05, 0.5, 0.6, 0.7),
            masses("first_token", 0.05, 0.05, 0.05, 0.05, 0.1, 0.7),
            masses("first_token", 0.01, 0.01, 0.01, 0.09, 0.09),
        ],
    ),
    "distilbert-sep-mass-least": Case(
        [masses("sep", *SEP), masses("sep", 0, 0, 0, 0.41, 0.6, 0)],
        [masses("sep", 0.9, 0.9, 0.9, 0.39, 0.6, 0.9), masses("sep", *[0] * 6)],
    ),
    "distilbert-sep-mass-most": Case(
        [masses("sep", *SEP), masses("sep", 0.9, 0.9, 0.9, 0.41, 0.59, 0.9)],
        [masses("sep", 0, 0, 0, 0.41, 0.61, 0), masses("sep", *[0.02] * 6)],
    ),
    "second-sink-begins": Case(
        [llama()], [llama(first_copy=1), llama(first_copy=3), llama(last_copy=0), NO_SECOND_SINK]
    ),
    "second-sink-ends": Case([llama()], [llama(last_copy=29), llama(last_copy=31), NO_SECOND_SINK]),
    "second-sink-ratio": Case(
        [llama(), llama(ratio=0.79), llama(ratio=0.97)],
        [llama(ratio=0.77), llama(ratio=0.99), NO_SECOND_SINK],
    ),
    "second-sink-distance": Case(
        [llama(), llama(distance=0.031), llama(distance=0.089)],
        [llama(distance=0.029), llama(distance=0.091), llama(distance=0.6), NO_SECOND_SINK],
    ),
    "second-sink-convergence": Case(
        [llama(), llama(convergence=0.99996)],
        [llama(convergence=0.9999), llama(outlier=0.9999), NO_SECOND_SINK],
    ),
    "second-sink-first-sentence": Case([llama(), llama(before=0.81)], [llama(before=0.79)]),
    "local-attention-keeps": Case(
        [llama(), llama(drop=1.69)], [llama(drop=1.72), llama(drop=3), NO_SECOND_SINK]
    ),
    "local-attention-keeps-most": Case(
        [llama(), llama(drop=1.34)], [llama(drop=1.36), llama(drop=1.72), NO_SECOND_SINK]
    ),
    "induction-heads-exist": Case([induction(0.9)], [induction()]),
    "induction-heads-over-half": Case(
        [induction(0.95, 0.8), induction(0.9, 0.51)], [induction(0.95, 0.95, 0.49), induction()]
    ),
    "value-drain": Case(
        [norms("value", 1, 0.1, 0.1), norms("value", 1, 0.49, 0.49)],
        [norms("value", 0.1, 0.51, 0.51), norms("value", 1, 1, 1)],
    ),
    "residual-small": Case(
        [norms("state", 1, 0.5, 0.5), norms("state", 2, 0.99, 0.99)],
        [norms("state", 0.5, 1.01, 1.01), norms("state", 1, 50, 50)],
    ),
    "residual-peak": Case(
        [norms("state", 1, 50, 50, 2), norms("state", 1, 5.1, 5.1, 1)],
        [norms("state", 1, 4.9, 4.9, 100), norms("state", 1, 1, 1, 1)],
    ),
    "sink-rate": limits(rates, [0, -0.099], [-0.101, -0.5]),
    "bert-sep-mass": Case(
        [
            masses("sep", *[0.1] * 5, *[0.6] * 5, 0.1, 0.1),
            masses("sep", *[0] * 5, *[0.51] * 5, 0, 0),
        ],
        [masses("sep", *[0.9] * 5, *[0.49] * 5, 0.9), masses("sep", *[0] * 12)],
    ),
    "smollm2-share": share("z", 1679 / 2010, 0.1),
    "smollm2-least-mass": Case(
        [masses("first_token", *[0] * 12, 0.51, *[0.8] * 17)],
        [masses("first_token", *[0.9] * 12, 0.49, *[0.8] * 17)],
    ),
    "smollm2-most-mass": limits(
        lambda x: masses("first_token", *[0.9] * 12, x, *[0.6] * 17),
        [0.8, 0.71, 0.89],
        [0.69, 0.91],
    ),
    "minilm-cls-share": share("cls", 5143 / 8160, 0.1),
    "minilm-cls-mass": limits(
        lambda x: masses("cls", 0.9, x, x, x, x, 0.9), [0.35, 0.301, 0.399], [0.299, 0.401, 0]
    ),
    "minilm-sep-no-sink": limits(lambda x: masses("sep", 0.01, x, 0.02), [0.03, 0.099], [0.101]),
    "sinks-only-cost": limits(
        lambda x: mask_costs("sinks", loss_change=x), [-0.1, 0.2, 0.99], [1.01, 4.0]
    ),
    "sinks-and-window-cost": limits(
        lambda x: mask_costs("sinks+window(16)", loss_change=x), [0.0, 0.49], [0.51, 2.0]
    ),
    "sinks-not-keys": limits(
        lambda x: mask_costs("sinks+window(16)", control_loss=x), [0.11, 1.5], [0.09, 0.0, -0.5]
    ),
    **LITERATURE,
}
