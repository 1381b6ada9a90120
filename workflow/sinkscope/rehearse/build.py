"""A model of the true architecture with random weights, on one device, on several, or on "meta",
where tensors have shapes and types, but no memory and no values.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
import yaml
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoConfig, AutoModel

from sinkscope.config import ModelRow
from sinkscope.errors import SinkscopeError
from sinkscope.extract.architecture import (
    check_observable,
    detect_family,
    implementation,
    observed_part,
    read_architecture,
)
from sinkscope.extract.model import Loaded, longest_input, placement
from sinkscope.extract.sources import Weights, find_weights
from sinkscope.hub.fetch import cached
from sinkscope.hub.lock import lock_path, read_lock, repository_of

ARCHITECTURES = Path(__file__).with_name("architectures.yaml")


def architecture(row: ModelRow, directory: Path) -> Any:
    """The configuration of a row's model: for a Hub model its cached config.json, else its entry in
    architectures.yaml. Raises SinkscopeError if it is not known here, ModelError if it cannot be
    observed."""
    what = f"model '{row.model}'"
    repository = repository_of(row.model, row.source)
    if repository is None:
        return local_architecture(what, row, find_weights(row.model, row.source, directory))
    lock = read_lock(lock_path(directory, repository))
    folder = cached(lock, "config.json") if lock else None
    if folder is not None:
        return read_architecture(what, folder)
    known = yaml.safe_load(ARCHITECTURES.read_text(encoding="utf-8"))
    if repository.id not in known:
        raise SinkscopeError(
            f"model '{row.model}': the architecture of {repository.id} is not known here; "
            "download the model first (snakemake downloads), and rehearse again."
        )
    values = dict(known[repository.id])
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    check_observable(what, config)
    return config


def local_architecture(what: str, row: ModelRow, weights: Weights) -> Any:
    """The configuration of weights on this machine; it is read without converting them."""
    if weights.convert is None:
        return read_architecture(what, weights.location)
    path = Path(weights.location) / weights.convert
    if path.suffix != ".onnx":
        return read_architecture(what, weights.location, gguf_file=path.name)
    from sinkscope.extract.onnx_distilbert import read_onnx_config

    config = read_onnx_config(row.model, path)
    check_observable(what, config)
    return config


def build(row: ModelRow, config: Any, device: str) -> Loaded:
    """The row's model with random weights on `device`, ready to be run; for meta, within
    `without_values`. A model that is split over several GPUs is created on the first one if it
    fits, then distributed as the library distributes weights."""
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    row = replace(row, device="cpu" if device == "meta" else device)
    # Bytes per GPU, for a model that is split over several.
    memory = placement(row).get("max_memory") if device != "meta" else None
    dtype = getattr(torch, row.dtype)
    with torch.device(first_device(config, dtype, device, memory)):
        network = AutoModel.from_config(
            config, attn_implementation=implementation(config), dtype=dtype, trust_remote_code=False
        )
    network = observed_part(network).eval().requires_grad_(False)
    if memory is not None:
        network = spread(network, memory, dtype)
    family = row.family or detect_family(row.model, config)
    return Loaded(row, network, None, family, longest_input(row, network), None)


def without_values() -> FakeTensorMode:
    """A context in which new tensors have shapes and types, but no memory. Unlike on torch's device
    meta, code that depends on values takes a branch without them: the library reports tracing."""
    return FakeTensorMode()


def first_device(
    config: Any, dtype: torch.dtype, device: str, memory: dict[int, int] | None
) -> str:
    """The device on which the weights are created.

    For a split model: the first GPU, or the processor if that GPU is too small."""
    if memory is None:
        return "cpu" if device == "meta" else device
    with without_values():
        network = AutoModel.from_config(config, dtype=dtype, trust_remote_code=False)
    return "cuda:0" if weight_bytes(network) < 0.8 * memory[0] else "cpu"


def weight_bytes(network: torch.nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in network.parameters())


def spread(network: Any, memory: dict[int, int], dtype: torch.dtype) -> Any:
    """The network with its layers distributed evenly over GPUs; no layer is split."""
    from accelerate import dispatch_model, infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    whole = {"no_split_module_classes": list(network._no_split_modules or []), "dtype": dtype}
    balanced = get_balanced_memory(network, memory, **whole)
    device_map = infer_auto_device_map(network, balanced, **whole)
    network = dispatch_model(network, device_map)
    torch.cuda.empty_cache()
    return network
