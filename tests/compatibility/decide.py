"""Decide of one architecture whether its attention is observed, and how exactly.

A tiny random model runs twice: as the library computes it (eager), and observed. The output, and
the attention of every head where the library returns it, must be equal.
"""

import math
from dataclasses import dataclass, replace

import torch
from transformers import AutoModel

import reference
import tiny
from compatibility.configs import tiny_config
from sinkscope.errors import SinkscopeError
from sinkscope.extract.architecture import (
    as_observed,
    check_observable,
    detect_family,
    observed_part,
)
from sinkscope.extract.audit import Audit
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.plan import Plan
from sinkscope.extract.streaming import Workspace

N_TOKENS = 40  # more than all windows
BOUND = 1e-5
# Size of the weights beside that of usual ones, so that attention is neither even nor all on one
# key, where no error would show. At 1, float32 leaves the library's own rows of granite_swa off by
# 2e-6 from those in float64, which would hide smaller errors.
SCALES = {
    "albert": 0.7, "granite_swa": 0.7, "granitemoe_swa": 0.6, "layoutlm": 3.0, "mobilebert": 0.25,
    "nemotron": 0.7, "roc_bert": 3.0,
}  # fmt: skip
# Eager is wrong: ALiBi twice. Their reference is float64, from what sdpa is called with.
CAPTURED = ("falcon",)
# Rows that the library returns without the part of their learned sink.
WITHOUT_SINK = ("granite_swa", "granitemoe_swa")
# Logits that the library returns as attention.
LOGITS = ("prophetnet", "squeezebert")


@dataclass(frozen=True)
class Verdict:
    """result: observed, differs, refused, no attention, or undecided. of_output: largest
    difference of the model's output to that of the library, over the largest output. of_rows: of
    the attention of every head, None where the library returns none. peak: mean of the largest
    attention of a row. detail: what is special of it; the sentence of a refusal; why nothing was
    decided. door: the name of the attention that is observed."""

    kind: str
    result: str
    detail: str = ""
    of_output: float = 0.0
    of_rows: float | None = None
    peak: float = 0.0
    door: str = ""

    @property
    def error(self):
        return max(self.of_output, self.of_rows or 0.0)


def decide(kind):
    try:
        config = tiny_config(kind)
    except Exception as error:  # of the library's own checks
        return undecided(kind, "has no tiny configuration", error)
    try:
        check_observable(f"model '{kind}'", config)
        as_observed(config)
        try:
            network = built(kind, config)
        except Exception as error:
            return undecided(kind, "cannot be built", error)
        network = observed_part(network)
        loaded = Loaded(tiny.row(kind), network, None, detect_family(kind, config), None, None)
        found, observation = observed(loaded)
        for audit in observation.audited:
            audit.check(kind, "tokens")
        has_keys = observation.audit.drawn.call.has_keys
        door = network.config.get_text_config()._attn_implementation if has_keys else "own code"
    except SinkscopeError as error:
        if "forward pass" in str(error):
            return undecided(kind, "cannot be run", error)
        result = "no attention" if "has no attention with softmax" in str(error) else "refused"
        return Verdict(kind, result, str(error))
    except Exception as error:
        return undecided(kind, "cannot be run", error)
    try:
        expected, attentions = own(kind, network)
    except Exception as error:
        return undecided(kind, "cannot be run eagerly", error)
    of_output = float((found - expected).abs().max() / expected.abs().max())
    of_rows = rows_error(observation, attentions, normalised=kind in WITHOUT_SINK)
    largest = [layer.head_maps[0].amax(-1).mean() for layer in observation.layers]
    peak = float(torch.stack(largest).mean())
    features = ", ".join(features_of(loaded, observation, of_rows))
    verdict = Verdict(kind, "observed", features, of_output, of_rows, peak, door)
    return verdict if verdict.error <= BOUND else replace(verdict, result="differs")


def features_of(loaded, observation, of_rows):
    """What is special of an architecture that is observed."""
    if not bool(torch.stack([layer.virtual_sink for layer in observation.layers]).isnan().all()):
        yield "learned sinks"
    if len(observation.layers) < loaded.n_layers:
        yield "layers without attention"
    if loaded.network.config.is_encoder_decoder:
        yield "its encoder"
    if of_rows is None:
        yield "compared by its output alone"


def undecided(kind, what, error):
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return Verdict(kind, "undecided", f"{what} here ({reason[:200]})")


def built(kind, config):
    """The same weights at every call."""
    torch.manual_seed(0)
    network = AutoModel.from_config(config, trust_remote_code=False).eval().requires_grad_(False)
    random, scale = torch.Generator().manual_seed(0), SCALES.get(kind, 1.0)
    for name, weights in sorted(network.named_parameters()):
        if weights.ndim > 1:
            size = 1.0 if "embed" in name else scale / math.sqrt(weights.shape[-1])
            weights.copy_(torch.randn(weights.shape, generator=random) * size)
        elif name.endswith("sinks") or not weights.isfinite().all():
            weights.copy_(torch.randn(weights.shape, generator=random))
    return network


def inputs():
    return torch.tensor(tiny.token_ids(N_TOKENS))


def observed(loaded):
    """(the model's output, the observation with the attention of every head)"""
    everything = torch.ones(1, N_TOKENS, dtype=torch.bool)
    heads = [(layer, head) for layer in range(loaded.n_layers) for head in range(loaded.n_heads)]
    plan = Plan(everything, everything[..., None], everything, heads=tuple(heads))
    audit = Audit(plan, range(N_TOKENS))
    observation = Observation(plan, Workspace(torch.device("cpu")), audit=audit)
    return output_of(run_observed(loaded, observation, inputs())), observation


def own(kind, network):
    """(output, [layer][1, head, query, key]) as the library computes them."""
    if kind in CAPTURED:
        with reference.capture() as captured:
            output = network(input_ids=inputs())
        return output_of(output), [torch.from_numpy(rows) for rows in captured.attention]
    network.set_attn_implementation("eager")
    output = network(input_ids=inputs(), output_attentions=True)
    rows = [layer for layer in output.get("attentions") or () if layer is not None]
    if kind in LOGITS:
        rows = [logits.softmax(-1) for logits in rows]
    return output_of(output), rows


def output_of(output):
    return output.logits if "logits" in output else output.last_hidden_state


def rows_error(observation, attentions, *, normalised):
    """Largest difference of an entry of the attention; None if the library returns none.
    normalised: the library's rows sum to 1."""
    if len(attentions) != len(observation.layers):
        return None
    errors = []
    for layer, rows in zip(observation.layers, attentions, strict=True):
        found = layer.head_maps
        rows = rows[..., : found.shape[-1]]  # keys of no token are behind those of the tokens
        if found.shape != rows.shape:
            return None
        if normalised:
            found = found / found.sum(-1, keepdim=True)
        errors.append(float((found - rows).abs().max()))
    return max(errors)
