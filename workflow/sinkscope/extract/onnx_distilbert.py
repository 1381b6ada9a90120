"""A DistilBERT from an ONNX file and the tokenizer.json beside it, without a config.json: sizes are
taken from the weights, and the head size from the shape to which the graph reshapes queries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.onnx_graph import Graph, OnnxError
from sinkscope.extract.sources import TOKENIZER

PREFIX = "distilbert."  # of all weights except those of the output head
EPSILON = np.float32(1e-12)  # of the library's layer norms
QUERY = "transformer.layer.{}.attention.q_lin"
SPECIALS = {
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
}


def read_onnx(model: str, path: Path) -> tuple[DistilBertModel, PreTrainedTokenizerFast]:
    """The network (float32, dequantised exactly, without its output head) and the tokenizer. model:
    its name in errors. Raises SinkscopeError for a file that is no ONNX of a DistilBERT, or
    tokenizer."""
    try:
        graph = Graph(path)
        weights = body(graph.parameters())
        network = DistilBertModel(config_of(graph, weights))
        network.load_state_dict({name: torch.tensor(values) for name, values in weights.items()})
    except (OnnxError, RuntimeError) as error:  # RuntimeError: other names or shapes
        raise _unreadable(model, path, error) from error
    config = network.config
    tokenizer = bare_tokenizer(model, path.with_name(TOKENIZER), config.max_position_embeddings)
    return network, tokenizer


def read_onnx_config(model: str, path: Path) -> DistilBertConfig:
    """The configuration of read_onnx's network. Raises SinkscopeError like read_onnx."""
    try:
        graph = Graph(path)
        return config_of(graph, body(graph.parameters()))
    except OnnxError as error:
        raise _unreadable(model, path, error) from error


def _unreadable(model: str, path: Path, error: Exception) -> SinkscopeError:
    reason = " ".join(str(error).split())[:300]
    return SinkscopeError(
        f"model '{model}': {path} cannot be read as a DistilBERT ({reason}); install its package "
        "again, or choose another model."
    )


def body(parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of the network without its output head, as DistilBertModel names them."""
    weights = {
        name.removeprefix(PREFIX): values
        for name, values in parameters.items()
        if name.startswith(PREFIX)
    }
    if not weights:
        raise OnnxError(f"no weight of it has a name in '{PREFIX}'")
    return weights


def config_of(graph: Graph, weights: Mapping[str, np.ndarray]) -> DistilBertConfig:
    """Raises OnnxError if sizes are missing, or if the graph is no DistilBERT of the library."""
    matches = [re.match(r"transformer\.layer\.(\d+)\.", name) for name in weights]
    n_layers = 1 + max((int(match[1]) for match in matches if match), default=-1)
    names = ("embeddings.word_embeddings", "embeddings.position_embeddings")
    try:
        (n_ids, dim), (n_positions, _) = (weights[f"{name}.weight"].shape for name in names)
        hidden_dim, _ = weights["transformer.layer.0.ffn.lin1.weight"].shape
    except (KeyError, ValueError) as error:
        raise OnnxError("it lacks the weights that determine its size") from error
    check_operations(graph, n_layers)
    return DistilBertConfig(
        vocab_size=n_ids,
        max_position_embeddings=n_positions,
        dim=dim,
        hidden_dim=hidden_dim,
        n_layers=n_layers,
        n_heads=dim // head_size(graph, n_layers, dim),
        activation="gelu",
    )


def check_operations(graph: Graph, n_layers: int) -> None:
    """Raises OnnxError unless each layer has one softmax and one GELU and the layer norms have the
    library's epsilon. Names and shapes of the weights do not show these."""
    for kind, what in (("Softmax", "softmax"), ("Erf", "GELU")):
        if (n_nodes := len(graph.of_type(kind))) != n_layers:
            raise OnnxError(
                f"it has {n_nodes} nodes of type {kind} for {n_layers} layers, where DistilBERT "
                f"has one {what} in each"
            )
    of_norms = [one for node in graph.of_type("LayerNormalization") for one in node.attribute]
    epsilons = {np.float32(one.f) for one in of_norms if one.name == "epsilon"}
    if other := epsilons - {EPSILON}:
        raise OnnxError(f"the epsilon of its layer norms is {min(other):g}, not {EPSILON:g}")


def head_size(graph: Graph, n_layers: int, dim: int) -> int:
    """From the shape [batch, query, head, size] to which the graph reshapes the biased queries."""
    sizes = {
        graph.last_number(reshape.input[1])
        for layer in range(n_layers)
        for add in graph.users(f"{PREFIX}{QUERY.format(layer)}.bias", "Add")
        for reshape in graph.users(add.output[0], "Reshape")
    }
    size = sizes.pop() if len(sizes) == 1 else None
    if size is None:
        raise OnnxError("its graph does not say how many heads it has")
    if size < 1 or dim % size:
        raise OnnxError(f"its graph says that heads have a size of {size}, of {dim} in all")
    return size


def bare_tokenizer(model: str, path: Path, longest: int) -> PreTrainedTokenizerFast:
    """The tokenizer of a model of BERT's kind, for texts of up to `longest` tokens, without the
    file's truncation and padding; the file does not say the roles of the special tokens. Raises
    ModelError if it cannot be read or lacks one of these."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower class
        raise ModelError(
            f"model '{model}': {path} cannot be read as a tokenizer ({error}); install its "
            "package again."
        ) from error
    missing = [token for token in SPECIALS.values() if tokenizer.token_to_id(token) is None]
    if missing:
        raise ModelError(
            f"model '{model}': {path} has no token '{missing[0]}', which a tokenizer of BERT's "
            "kind has; choose another model."
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=longest,
        model_input_names=["input_ids", "attention_mask"],
        **SPECIALS,
    )
