"""The weights in an ONNX file, dequantised, by their parameter names in torch.

torch's exporter transposes the weight of a linear layer and names it `onnx::MatMul_753`; the node
that uses it is named after the layer, `/distilbert/transformer/layer.0/attention/q_lin/MatMul`.
Static quantisation (QDQ) stores a tensor `x` as `x_quantized`, input of a DequantizeLinear node.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

DEQUANTIZE = "DequantizeLinear"
PARAMETER = re.compile(r"[A-Za-z_]\w*(\.\w+)+")  # a parameter name in torch
QUANTIZED = "_quantized"  # suffix added by onnxruntime's quantiser


class OnnxError(ValueError):
    """Why an ONNX file cannot be converted: a clause that is part of an error message."""


class Graph:
    """The graph of an ONNX file: nodes, stored tensors, and the producer and users of each."""

    def __init__(self, path: Path) -> None:
        """Raises OnnxError if the file is not ONNX, OSError if it cannot be read."""
        try:
            # External data is not loaded: its paths come from the file and may point anywhere.
            graph = onnx.load(path, load_external_data=False).graph
        except DecodeError as error:
            raise OnnxError("it is not an ONNX file") from error
        if not graph.node:  # protobuf parses an empty file as an empty message
            raise OnnxError("it is not an ONNX file")
        self.nodes = list(graph.node)
        self._stored = {tensor.name: tensor for tensor in graph.initializer}
        self._producer = {name: node for node in self.nodes for name in node.output}
        self._users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                self._users[name].append(node)

    def users(self, name: str, kind: str) -> list[onnx.NodeProto]:
        """The nodes of one operation type that read a tensor."""
        return [node for node in self._users.get(name, ()) if node.op_type == kind]

    def of_type(self, kind: str) -> list[onnx.NodeProto]:
        return [node for node in self.nodes if node.op_type == kind]

    def parameters(self) -> dict[str, np.ndarray]:
        """Weights by parameter name, float32, in torch's layout ([out, in] for a linear layer).
        Raises OnnxError for a weight that is not stored in the file or cannot be named."""
        quantising = [*self.of_type("QuantizeLinear"), *self.of_type(DEQUANTIZE)]
        scales = {name for node in quantising for name in node.input[1:]}
        weights: dict[str, np.ndarray] = {}
        for name, stored in self._stored.items():
            if stored.data_type == onnx.TensorProto.FLOAT and name not in scales:
                weights |= self._named(name, name, self._array(name))
        for node in self.of_type(DEQUANTIZE):
            if node.input[0] in self._stored:
                plain = node.input[0].removesuffix(QUANTIZED)
                weights |= self._named(plain, node.output[0], self._dequantised(node))
        return weights

    def last_number(self, name: str) -> int | None:
        """The last entry of a constant, or of a shape that ends with one; else None."""
        node = self._producer.get(name)
        if name in self._stored:
            values = self._array(name)
        elif node is not None and node.op_type == "Concat":
            return self.last_number(node.input[-1])
        elif node is not None and node.op_type == "Constant" and node.attribute[0].name == "value":
            values = numpy_helper.to_array(node.attribute[0].t)
        else:
            return None
        return int(values.flat[-1]) if values.size else None

    def _named(self, plain: str, tensor: str, values: np.ndarray) -> dict[str, np.ndarray]:
        """A tensor by its parameter name; empty for a constant. plain: its stored name; tensor:
        that of use."""
        if PARAMETER.fullmatch(plain):
            return {plain: values}
        layers = [node for node in self.users(tensor, "MatMul") if node.input[1] == tensor]
        if not layers and values.ndim > 1:
            users = ", ".join(sorted({node.op_type for node in self._users.get(tensor, ())}))
            raise OnnxError(
                f"its tensor '{plain}' is used by {users or 'no node'}, not by a MatMul that names "
                "its layer"
            )
        return {_layer(node.name): values.T for node in layers}

    def _dequantised(self, node: onnx.NodeProto) -> np.ndarray:
        """(x - zero point) * scale, computed by ONNX's reference implementation of the newest
        version of the operation, which gives the same result for nodes of older versions."""
        inputs = {name: self._array(name) for name in node.input if name}
        return np.asarray(ReferenceEvaluator(node).run(None, inputs)[0], np.float32)

    def _array(self, name: str) -> np.ndarray:
        if name not in self._stored:
            raise OnnxError(f"the tensor '{name}' is not stored in it")
        stored = self._stored[name]
        if stored.data_location == onnx.TensorProto.EXTERNAL:
            raise OnnxError(f"it keeps the tensor '{name}' in another file")
        try:
            return numpy_helper.to_array(stored)
        except ValueError as error:  # fewer or more bytes than its shape
            raise OnnxError(f"its tensor '{name}' is damaged") from error


def _layer(node: str) -> str:
    """'/a/layer.0/q_lin/MatMul' as 'a.layer.0.q_lin.weight'."""
    return ".".join([*node.strip("/").split("/")[:-1], "weight"])
