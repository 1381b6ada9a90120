"""What `bench gpu` measures, at small sizes on the processor: the bench itself needs a GPU."""

import pytest
import torch
from transformers import AutoModel, GPT2Config, LlamaConfig, RobertaConfig

import tiny
from sinkscope.bench.gpu import N_SINKS, Case, plan_of, plant
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.streaming import Workspace

# As wide per head as the published models, with as many heads as the sinks need to be clear.
CONFIGS = {
    "decoder llama": LlamaConfig(
        vocab_size=99, hidden_size=2048, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=16,
    ),
    "encoder roberta": RobertaConfig(
        vocab_size=99, hidden_size=1024, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=16,
    ),
    "decoder gpt2": GPT2Config(vocab_size=99, n_embd=1280, n_inner=64, n_layer=2, n_head=20),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_every_layer_has_the_planted_sinks_and_no_others(name):
    torch.manual_seed(0)
    network = AutoModel.from_config(CONFIGS[name], attn_implementation="sdpa").eval()
    plant(network)
    case = Case(name, 2, 400)
    observation = Observation(plan_of(case), Workspace(torch.device("cpu")))
    loaded = Loaded(tiny.row(), network, None, name.split()[0], None, None)
    run_observed(loaded, observation, torch.randint(10, 99, (case.batch, case.n_tokens)))
    expected = torch.zeros(case.n_tokens, dtype=torch.bool)
    expected[:: case.n_tokens // N_SINKS + 1] = True
    for layer in observation.layers:
        assert torch.equal(layer.is_sink, expected.expand(case.batch, -1))
        judged = layer.sink_score[..., expected] > 0.03
        assert judged.float().mean() > 0.5
