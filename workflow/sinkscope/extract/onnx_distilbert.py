"""A DistilBERT from an ONNX file and the tokenizer.json beside it.

Such a package has no config.json. The sizes are taken from the shapes of the weights, and the head
size from the shape to which the graph reshapes the queries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

from sinkscope.errors import SinkscopeError
from sinkscope.extract.bare_tokenizer import bare_tokenizer
from sinkscope.extract.onnx_graph import Graph, OnnxError, attributes
from sinkscope.extract.sources import TOKENIZER

PREFIX = "distilbert."  # of all weights except those of the output head
EPSILON = np.float32(1e-12)  # of the library's layer norms
QUERY = "transformer.layer.{}.attention.q_lin"


def read_onnx(model: str, path: Path) -> tuple[DistilBertModel, PreTrainedTokenizerFast]:
    """The network (float32, dequantised exactly, without its output head) and the tokenizer.

    model: its name in error messages. Raises SinkscopeError if the file is not ONNX, its model is
    not a DistilBERT, or tokenizer.json cannot be used.
    """
    try:
        graph = Graph(path)
        weights = body(graph.parameters())
        network = DistilBertModel(config_of(graph, weights))
        check_same(weights, network)
    except OnnxError as error:
        raise _unreadable(model, path, error) from error
    network.load_state_dict({name: torch.tensor(values) for name, values in weights.items()})
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


def _unreadable(model: str, path: Path, error: OnnxError) -> SinkscopeError:
    return SinkscopeError(
        f"model '{model}': {path} cannot be read as a DistilBERT ({error}); install its package "
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
    """Raises OnnxError if weights that determine the sizes are missing, or if the graph computes
    something else than the library's DistilBERT."""
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
    epsilons = {np.float32(e) for e in attributes(graph.of_type("LayerNormalization"), "epsilon")}
    if other := epsilons - {EPSILON}:
        raise OnnxError(f"the epsilon of its layer norms is {min(other):g}, not {EPSILON:g}")


def head_size(graph: Graph, n_layers: int, dim: int) -> int:
    """Head size: the graph adds a bias to the queries, then reshapes them to [batch, query, head,
    size]."""
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


def check_same(weights: Mapping[str, np.ndarray], network: DistilBertModel) -> None:
    """Raises OnnxError unless the weights have exactly the names and shapes of the network's."""
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if missing := sorted(expected.keys() - weights.keys()):
        raise OnnxError(f"it lacks the weight '{missing[0]}'")
    if extra := sorted(weights.keys() - expected.keys()):
        raise OnnxError(f"it has a weight '{extra[0]}', which DistilBERT does not have")
    for name, shape in expected.items():
        if weights[name].shape != shape:
            raise OnnxError(f"its weight '{name}' has the shape {weights[name].shape}, not {shape}")
