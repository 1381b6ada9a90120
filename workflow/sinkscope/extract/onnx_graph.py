"""The weights in an ONNX file, dequantised and under the names that they had in torch.

torch's exporter keeps the names of biases, norms and embeddings. The weight of a linear layer it
transposes, and calls it `onnx::MatMul_753`; the layer's name is that of the node that uses it,
`/distilbert/transformer/layer.0/attention/q_lin/MatMul`. Static quantisation (QDQ) then stores a
tensor `x` as `x_quantized`, which a DequantizeLinear node reads.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

DEQUANTIZE = "DequantizeLinear"
PARAMETER = re.compile(r"[A-Za-z_]\w*(\.\w+)+")  # a name in torch
QUANTIZED = "_quantized"  # what onnxruntime's quantiser adds to a name


class OnnxError(ValueError):
    """Why an ONNX file cannot be converted: what is wrong with it, without a full stop."""


class Graph:
    """The graph of an ONNX file, and what makes and what uses each of its tensors."""

    def __init__(self, path: Path) -> None:
        """Raises OnnxError for a file that is no ONNX, OSError for one that cannot be read."""
        try:
            # Paths within the file are not followed: they may lead anywhere.
            graph = onnx.load(path, load_external_data=False).graph
        except DecodeError as error:
            raise OnnxError("it is not an ONNX file") from error
        if not graph.node:  # an empty file, and many another, can be read as an empty message
            raise OnnxError("it is not an ONNX file")
        self.nodes = list(graph.node)
        self._stored = {tensor.name: tensor for tensor in graph.initializer}
        self._maker = {name: node for node in self.nodes for name in node.output}
        self._users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                self._users[name].append(node)

    def users(self, name: str, kind: str) -> list[onnx.NodeProto]:
        """Nodes of one type of operation that read a tensor."""
        return [node for node in self._users.get(name, ()) if node.op_type == kind]

    def of_type(self, kind: str) -> list[onnx.NodeProto]:
        return [node for node in self.nodes if node.op_type == kind]

    def parameters(self) -> dict[str, np.ndarray]:
        """Weights by their names in torch, float32, in torch's layout ([out, in] for a linear
        layer). Raises OnnxError for one that is not in the file or has no name."""
        quantising = [*self.of_type("QuantizeLinear"), *self.of_type(DEQUANTIZE)]
        scales = {name for node in quantising for name in node.input[1:]}
        found: dict[str, np.ndarray] = {}
        for name, stored in self._stored.items():
            if stored.data_type == onnx.TensorProto.FLOAT and name not in scales:
                found |= self._named(name, name, self._array(name))
        for node in self.of_type(DEQUANTIZE):
            if node.input[0] in self._stored:
                plain = node.input[0].removesuffix(QUANTIZED)
                found |= self._named(plain, node.output[0], self._dequantised(node))
        return found

    def last_number(self, name: str) -> int | None:
        """The last entry of a constant, or of a shape that is put together with one at its end;
        None where it depends on the input."""
        if name in self._stored:
            values = self._array(name)
        else:
            node = self._maker.get(name)
            if node is None:
                return None
            if node.op_type == "Concat":
                return self.last_number(node.input[-1])
            held = [a.t for a in node.attribute if node.op_type == "Constant" and a.name == "value"]
            if not held:
                return None
            values = numpy_helper.to_array(held[0])
        return int(values.flat[-1]) if values.size else None

    def _named(self, plain: str, tensor: str, values: np.ndarray) -> dict[str, np.ndarray]:
        """A tensor under its name in torch; nothing for what is not a weight, such as a scale.

        plain: its name in the file; tensor: what the nodes call it that use it.
        """
        if PARAMETER.fullmatch(plain):
            return {plain: values}
        right = [node for node in self.users(tensor, "MatMul") if node.input[1] == tensor]
        if not right and values.ndim > 1:
            users = ", ".join(sorted({node.op_type for node in self._users.get(tensor, ())}))
            raise OnnxError(
                f"its tensor '{plain}' is used by {users or 'no node'}, not by a MatMul that names "
                "its layer"
            )
        return {_layer(node.name): values.T for node in right}

    def _dequantised(self, node: onnx.NodeProto) -> np.ndarray:
        """(x - zero point) * scale, by the reference implementation that ONNX comes with: of its
        newest version of the operation, which reads what older ones wrote alike."""
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


def attributes(nodes: Iterable[onnx.NodeProto], name: str) -> list[float]:
    """A float attribute of nodes, where they have it."""
    return [a.f for node in nodes for a in node.attribute if a.name == name]
