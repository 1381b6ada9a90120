"""Cases of the claims of the literature, and of those that the first tables did not reach."""

from claims.case import Case, limits, share
from claims.made_literature import (
    activations,
    beginnings,
    chat_rates,
    depth,
    edits,
    facts,
    heads,
    induction_in,
    lengths_of_sinks,
    levels,
    lives,
    long_texts,
    over_half,
    rate,
    ratios,
    rest,
    roles,
    virtual,
    weighted,
    without_stops,
    words,
)
from claims.made_tables import CLS, NO_SECOND_SINK, llama, masses, trained


def exactly(column, value):
    """A number of the model itself."""
    return limits(lambda x: facts(**{column: x}), [value], [value - 1, value + 1])


def secondary(*first_layers, mass=0.2, close=True):
    n = 8 if close else None
    return lives(*[(0, layer, n, n, mass) for layer in first_layers])


# Made-up models have 6 layers: the middle half is layers 1 to 3.
ATLAS = {
    "bert-cls-falls": Case(
        [masses("cls", *CLS), masses("cls", 0.2, 0.2, *[0.09] * 4)],
        [masses("cls", 0.2, 0.2, *[0.11] * 4), masses("cls", 0.09, 0.09, 0, 0)],
    ),
    "first-layers-window": limits(
        lambda x: heads("local_5", x - 0.1, x + 0.1, 0.9 if x < 0.5 else 0.1), [0.7, 0.51], [0.49]
    ),
    "diagonal-wanes": limits(lambda x: heads("local_5", 0.5, 0.5, x, x), [0.2, 0.49], [0.51]),
    "roberta-no-full-stop": Case(
        [without_stops(0.0, 0.31, 0.31), without_stops(0.9, 0.2, 0.42)],
        [without_stops(0.9, 0.29, 0.29), without_stops(0.0, 0.0, 0.0)],
    ),
    "opt-diagonal": Case([rest(0.7, 0.2), rest(0.7, 0.151)], [rest(0.7, 0.149), rest(0.9, 0.01)]),
    "gpt2-diagonal": limits(
        lambda x: heads("local_5_no_sinks", *[x] * 18, *[0.9 if x < 0.25 else 0.0] * 18),
        [0.4, 0.251],
        [0.249],
    ),
    "any-size": Case(
        [masses("listed_sinks", 0.1, 0.8), masses("listed_sinks", 0.31, 0.2)],
        [masses("listed_sinks", 0.29, 0.2), masses("listed_sinks", 0, 0)],
    ),
    "words-in-all": Case([words(1001), words(900, 340)], [words(1252), words(750), words(10)]),
    "distilbert-the-padded": share("the", 125 / 20544, 0.004, sep=0.55),
    "distilbert-and-padded": share("and_", 102 / 20544, 0.004, sep=0.55),
    "distilbert-in-padded": share("in_", 65 / 20544, 0.003, sep=0.55),
    "distilbert-to-padded": share("to", 41 / 20544, 0.0018, sep=0.55),
    "distilbert-bracket-padded": share("bracket", 49 / 20544, 0.002, sep=0.55),
    "distilbert-quote-padded": share("quote", 47 / 20544, 0.002, sep=0.55),
}

SECOND_SINK = {
    "second-sink-queries": Case(
        [llama(), llama(skipped=1)], [llama(skipped=3), llama(skipped=39), NO_SECOND_SINK]
    ),
    "sinks-dilute": Case(
        [lengths_of_sinks(0.8, 0.2), lengths_of_sinks(0.5, 0.499)],
        [lengths_of_sinks(0.5, 0.501), lengths_of_sinks(0.01, 0.001)],
    ),
    "second-sink-naive": Case(
        [llama(), llama(before=0.69), llama(before=0.9)],
        [llama(before=0.67), llama(before=0.93), NO_SECOND_SINK],
    ),
    "second-sink-local-weight": limits(
        lambda x: llama(local=6 * x), [0.0185, 0.0086, 0.0284], [0.0084, 0.0286, 0.0]
    ),
    "llama-layers": exactly("n_layers", 32),
    "llama-heads": exactly("n_heads", 32),
    "llama-width": exactly("hidden_size", 4096),
}

DORMANT = {
    "special-tokens-rest": Case(
        [masses("sep", 0.1, 0.8), masses("sep", 0.51, 0.2)], [masses("sep", 0.49, 0.49)]
    ),
    "special-tokens-drained": Case(
        [ratios("sep", "value", 1, 0.1, 0.1), ratios("sep", "value", 1, 0.49, 0.49)],
        [ratios("sep", "value", 0.1, 0.51, 0.51), ratios("sep", "value", 1, 1, 1)],
    ),
}

ENCODERS = {
    "bert-cls-early": Case(
        [masses("cls", *[0.4] * 3, 0, 0, *[0.1] * 5), masses("cls", *[0.4] * 3, 0, 0, *[0.39] * 5)],
        [masses("cls", *[0.4] * 3, 0, 0, *[0.41] * 5), masses("cls", *[0.05] * 3, *[0.0] * 7)],
    ),
    "bert-stops-late": Case(
        [
            masses("terminator", *[0.02] * 5, 0, 0, 0.3, 0.3),
            masses("terminator", *[0.29] * 5, 0.9, 0.9, 0.3, 0.3),
        ],
        [
            masses("terminator", *[0.31] * 5, 0, 0, 0.3, 0.3),
            masses("terminator", *[0.01] * 5, 0, 0, 0.05, 0.05),
        ],
    ),
    "bert-broad-heads": limits(
        lambda x: heads("entropy", [0.2, x], [0.99, 0.99]), [0.98, 0.91], [0.89, 0.3]
    ),
    "early-cls": Case(
        [masses("cls", 0.4, 0.4, 0.9, 0.1, 0.1), masses("cls", 0.4, 0.4, 0, 0.39, 0.39)],
        [masses("cls", 0.4, 0.4, 0, 0.41, 0.41), masses("cls", 0.05, 0.05, 0, 0, 0)],
    ),
    "late-sep": Case(
        [masses("sep", 0.02, 0.04, 0.9, 0.5, 0.5), masses("sep", 0.49, 0.49, 0, 0.5, 0.5)],
        [masses("sep", 0.51, 0.51, 0, 0.5, 0.5), masses("sep", 0.0, 0.0, 0.9, 0.02, 0.02)],
    ),
    "bert-layers": exactly("n_layers", 12),
    "bert-heads": exactly("n_heads", 12),
    "bert-width": exactly("hidden_size", 768),
    "bert-parameters": limits(
        lambda n: facts(n_parameters=n), [109_482_240, 110_000_000], [66_000_000, 108_000_000]
    ),
    "special-tokens-by-norm": Case(
        [weighted(0.05), weighted(0.249)],
        [weighted(0.251), weighted(0.5), weighted(0.0, mass=0.05)],
    ),
    "bert-sep-sink": Case(
        [masses("sep", 0, 0.31, 0.9), masses("sep", 0.9, 0.31, 0.4)], [masses("sep", 0, 0.29, 0.9)]
    ),
}

DECODERS = {
    "induction-after-first-layer": Case(
        [induction_in(1), induction_in(2, 3)], [induction_in(0, 2), induction_in()]
    ),
    "sinks-beyond-bottom": Case(
        [masses("first_token", 0, 0, 0.8, 0.8, 0.1), masses("first_token", 0, 0, 0.51, 0.51, 0)],
        [masses("first_token", 0.9, 0.9, 0.49, 0.49, 0.9), masses("first_token", *[0] * 5)],
    ),
    "sinks-begin": Case(
        [masses("first_token", 0.02, 0.05, 0.5, 0.8)],
        [
            masses("first_token", 0.02, 0.5, 0.6, 0.8),
            masses("first_token", 0, 0, 0.3, 0.8),
            masses("first_token", 0, 0, 0.05, 0.05),
        ],
    ),
    "bottom-layers-low": Case(
        [masses("first_token", 0.02, 0.05, 0.9), masses("first_token", 0.19, 0.0, 0.9)],
        [masses("first_token", 0.0, 0.21, 0.9)],
    ),
    "first-four": Case(
        [masses("first_four", 0, 0.31, 0.9), masses("first_four", 0.5, 0.31, 0.4)],
        [masses("first_four", 0.0, 0.29, 0.9)],
    ),
    "off-by-one-takes-rest": limits(virtual, [0.6, 0.101], [0.099, 0.02]),
    "learned-sink": limits(virtual, [0.6, 0.101], [0.099, 0.02]),
    "sink-rate-chat": limits(chat_rates, [0, -0.099], [-0.101, -0.5]),
    "sinks-in-small-models": limits(lambda x: rate(x, 0.0), [0.5, 0.101], [0.099, 0.0]),
    "sink-rate-falls": Case([rate(0.5, 0.2), rate(0.5, 0.49)], [rate(0.5, 0.51), rate(0.5, 0.9)]),
    "first-key-small": Case(
        [ratios("first_token", "key", 2, 0.3, 0.3), ratios("first_token", "key", 2, 0.99, 0.99)],
        [ratios("first_token", "key", 0.1, 1.01, 1.01)],
    ),
    "any-first-token": limits(lambda x: beginnings(other=0.5 * x), [1.0, 0.81], [0.79, 0.0]),
    "sink-without-bos": limits(lambda x: beginnings(special=x), [0.8, 0.31], [0.29, 0.0]),
    "sigmoid-no-sinks": limits(lambda x: rate(x, 0.9), [0.0, 0.019], [0.021, 0.5]),
    "dormant-heads": Case(
        [over_half([0.9, 0.9], [0.1, 0.1]), over_half([0.51, 0.51], *[[0.4, 0.4]] * 3)],
        [over_half([0.9, 0.9], *[[0.4, 0.4]] * 4), over_half([0.49, 0.49])],
    ),
    "active-and-dormant": Case(
        [over_half([0.9, 0.3], [0.9, 0.9]), over_half([0.9, 0.49], *[[0.9, 0.9]] * 8)],
        [over_half([0.9, 0.51], [0.1, 0.1]), over_half([0.9, 0.49], *[[0.9, 0.9]] * 10)],
    ),
    "gated-no-sink": Case(
        [trained(0.03, 0.48), trained(0.099, 0.301)], [trained(0.101, 0.48), trained(0.03, 0.299)]
    ),
    "gated-no-noops": Case(
        [roles(no_op=0, broadcast=5), roles(no_op=1, mixed=10)], [roles(no_op=1, broadcast=9)]
    ),
    "two-kinds-of-sinks": Case(
        [roles(no_op=1, broadcast=1, none=9)], [roles(no_op=9, mixed=4), roles(broadcast=3, none=3)]
    ),
    "noops-send-nothing": Case(
        [edits("no-op", 0.049), edits("no-op", -0.049)],
        [edits("no-op", 0.051), edits("no-op", -0.051), edits("broadcast", 0.0)],
    ),
    "broadcasts-send-something": Case(
        [edits("broadcast", 0.051)], [edits("broadcast", 0.049), edits("no-op", 1.0)]
    ),
    "window-alone-breaks": limits(lambda x: long_texts(256, 3.0 + x, 3.0), [2.0, 0.301], [0.299]),
    "window-perplexity": limits(lambda x: long_texts(1024, x, 5.0), [5158.07, 1001.0], [999.0]),
    "window-perplexity-with-sinks": limits(
        lambda x: long_texts(1024, 1.0, x, attention="rolling"), [5.4, 7.39, 3.41], [7.41, 3.39]
    ),
}

STATES = {
    "massive-begin": Case(
        [activations()],
        [activations(layers=(1, 30)), activations(layers=(3, 30)), activations(size=50.0)],
    ),
    "massive-end": Case(
        [activations()], [activations(layers=(2, 29)), activations(layers=(2, 31))]
    ),
    "massive-dimensions": Case(
        [activations()], [activations(dimensions=(1415,)), activations(dimensions=(1, 2, 3))]
    ),
    "massive-first-dimension": Case([activations()], [activations(dimensions=(1414, 2533))]),
    "massive-last-dimension": Case([activations()], [activations(dimensions=(1415, 2534))]),
    "massive-size": limits(lambda x: activations(size=x), [2600.0, 2001.0], [1999.0, 50.0]),
    "massive-median": limits(
        lambda x: activations(median=x), [0.2, 0.051, 0.349], [0.049, 0.351, 2.0]
    ),
    "massive-places": Case(
        [activations(elsewhere=9, key_class="terminator"), activations(elsewhere=1)],
        [activations(elsewhere=2), activations(size=50.0)],
    ),
    "massive-first-token": Case(
        [activations(), activations(elsewhere=1)],
        [activations(elsewhere=2, key_class="terminator"), activations(size=50.0)],
    ),
    "massive-in-all": limits(lambda x: activations(size=x), [2600.0, 101.0], [50.0]),
    "other-sinks": Case(
        [lives(*[(i, 4, None, None, 0.1) for i in (0, 1)])],
        [lives((0, 4, None, None, 0.1)), lives()],
    ),
    "compression-by-first-token": Case(
        [
            depth([0.9, 0.1, 0.8], [0.9, 0.7, 0.8], [1, 99, 1]),
            depth([0.9, 0.34, 0.8], [0.9, 0.7, 0.8], [1, 99, 1]),
        ],
        [
            depth([0.9, 0.36, 0.8], [0.9, 0.7, 0.8], [1, 99, 1]),
            depth([0.9, 0.1, 0.8], [0.9, 0.7, 0.8], [1, 2, 1]),
        ],
    ),
    "compression-valley": Case(
        [
            depth([0.9, 0.1, 0.8], [0.9] * 3, [1, 99, 1]),
            depth([0.9, 0.39, 0.8], [0.9] * 3, [1, 99, 1]),
        ],
        [
            depth([0.9, 0.41, 0.8], [0.9] * 3, [1, 99, 1]),
            depth([0.1, 0.1, 0.1], [0.9] * 3, [1, 9, 1]),
        ],
    ),
    "sinks-and-valleys-together": Case(
        [
            depth([0.5] * 3, [0.5] * 3, [1, 99, 1], [0.1, 0.8, 0.1]),
            depth([0.5] * 3, [0.5] * 3, [1, 99, 1], [0.1, 0.21, 0.3]),
        ],
        [
            depth([0.5] * 3, [0.5] * 3, [1, 99, 1], [0.1, 0.19, 0.3]),
            depth([0.5] * 3, [0.5] * 3, [1, 4, 1], [0.1, 0.8, 0.1]),
        ],
    ),
    "secondary-sinks-in-middle": Case(
        [secondary(1, 2, 3, 3), secondary(1, 3, 0)],
        [secondary(1, 3, 0, 5), secondary(2, 2, close=False), lives()],
    ),
    "secondary-sinks-smaller": Case(
        [secondary(2, mass=0.1), secondary(2, mass=0.49)], [secondary(2, mass=0.51), lives()]
    ),
    "secondary-sinks-aligned": Case(
        [secondary(1, 2), lives((0, 1, 2, 3, 0.1), (0, 1, 2, 3, 0.1), (1, 1, None, None, 0.1))],
        [lives((0, 1, 2, 3, 0.1), (1, 1, None, None, 0.1)), lives()],
    ),
    "sink-levels": Case(
        [levels({"qwq-32b": 3, "qwen3-14b": 6}), levels({"qwq-32b": 2, "qwen3-14b": 7})],
        [levels({"qwq-32b": 5, "qwen3-14b": 4}), levels({"qwq-32b": 7, "qwen3-14b": 8})],
    ),
    "gpt-oss-layers": exactly("n_layers", 24),
    "gpt-oss-heads": exactly("n_heads", 64),
    "gpt-oss-key-value-heads": exactly("n_key_value_heads", 8),
    "gpt-oss-width": exactly("hidden_size", 2880),
}

LITERATURE = ATLAS | SECOND_SINK | DORMANT | ENCODERS | DECODERS | STATES
