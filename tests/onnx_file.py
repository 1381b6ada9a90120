"""A tiny DistilBERT as an ONNX file with a tokenizer.json, as a package may install them."""

import io
import warnings

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

import tiny

N_LAYERS = 3


class Tagger(torch.nn.Module):
    """A DistilBERT with an output head, named as in transformers."""

    def __init__(self):
        super().__init__()
        # Attention in plain operations: the reference of ONNX then has no special case to run.
        n_ids = len(tiny.letter_tokenizer())
        self.distilbert = tiny.network("distilbert", "eager", vocab_size=n_ids)
        self.classifier = torch.nn.Linear(32, 5)
        random = torch.Generator().manual_seed(1)
        for parameter in self.parameters():  # else equal biases are stored once
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=random)

    def forward(self, ids, real):
        states = self.distilbert(ids, real).last_hidden_state
        return self.classifier(states), states


def exported(tagger):
    """The network as torch's exporter writes it; its outputs are logits and states."""
    ids = torch.randint(5, 40, (1, 7))
    axes = {0: "batch", 1: "token"}
    with warnings.catch_warnings(), io.BytesIO() as stream:
        warnings.simplefilter("ignore")  # this exporter is deprecated; packages were made by it
        torch.onnx.export(
            tagger.eval(),
            (ids, torch.ones_like(ids)),
            stream,
            dynamo=False,
            opset_version=19,  # the oldest whose quantisation ONNX's reference can run
            input_names=["input_ids", "attention_mask"],
            output_names=["logits", "states"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes},
        )
        return onnx.load_from_string(stream.getvalue())


def quantise(model):
    """Matrices as int8 with a scale and a zero point, as onnxruntime's static quantiser writes."""
    graph = model.graph
    for tensor in [tensor for tensor in graph.initializer if len(tensor.dims) == 2]:
        values, name = numpy_helper.to_array(tensor), tensor.name
        scale, zero = np.float32(np.abs(values).max() / 100), np.int8(-7)
        stored = np.clip(np.round(values / scale) + zero, -128, 127).astype(np.int8)
        _dequantised(graph, name, name, {"quantized": stored, "scale": scale, "zero_point": zero})
        graph.initializer.remove(tensor)
    return model


def quantise_states(model):
    """Quantise what the first layer makes of its queries, too: a pair of nodes."""
    graph = model.graph
    name = "/distilbert/transformer/layer.0/attention/q_lin/MatMul_output_0"
    place = next(i for i, node in enumerate(graph.node) if name in node.output) + 1
    parts = [f"{name}_{part}" for part in ("QuantizeLinear_Output", "scale", "zero_point")]
    _dequantised(graph, name, name, {"scale": np.float32(0.1), "zero_point": np.int8(0)}, place)
    graph.node[place].input[0] = parts[0]
    graph.node.insert(place, helper.make_node("QuantizeLinear", [name, *parts[1:]], parts[:1]))
    return model


def _dequantised(graph, name, base, parts, place=0):
    """Every node that reads `name` reads its dequantised value."""
    result = f"{name}_DequantizeLinear_Output"
    for node in graph.node:
        node.input[:] = [result if other == name else other for other in node.input]
    for part, values in parts.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(values), f"{base}_{part}"))
    inputs = [f"{base}_{part}" for part in ("quantized", "scale", "zero_point")]
    node = helper.make_node("DequantizeLinear", inputs, [result], f"{name}_DequantizeLinear")
    graph.node.insert(place, node)


def write(path, model=None):
    """model: quantised weights unless it is given. Beside it, a tokenizer that cuts and pads."""
    onnx.save(model or quantise(exported(Tagger())), path)
    tokenizer = tiny.letter_tokenizer().backend_tokenizer
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_id=tiny.PAD)
    tokenizer.save(str(path.with_name("tokenizer.json")))
    return path
