"""Models of one layer whose heads do what they were built to do."""

import torch
from transformers import AutoModel, BertConfig, GPT2Config

import tiny
from sinkscope.extract.model import Loaded

WIDTH, N_HEADS, D = 96, 8, 12
MARK = slice(88, 96)  # dimensions that only the first position fills

# What the sink sends, over what the others send; and whether there is a sink.
BUILT = {
    "none": (1.0, False),
    "no-op": (0.02, True),
    "broadcast": (1.5, True),
    "mixed": (0.33, True),
}


def toy(family, roles, seed=0):
    """A model whose head i has roles[i]. Position 0 alone fills the dimensions of MARK; a head with
    a sink looks for them, and its value there is a constant, of the size that the role asks for."""
    torch.manual_seed(seed)
    tokenizer = tiny.byte_tokenizer() if family == "gpt2" else tiny.letter_tokenizer()
    options = {"vocab_size": len(tokenizer)}
    if family == "gpt2":
        config = GPT2Config(n_embd=WIDTH, n_layer=1, n_head=N_HEADS, n_positions=96, **options)
    else:
        config = BertConfig(
            hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=N_HEADS,
            intermediate_size=16, max_position_embeddings=96, **options,
        )  # fmt: skip
    network = AutoModel.from_config(config, attn_implementation="sdpa").eval().requires_grad_(False)
    tokens = torch.randn(len(tokenizer), WIDTH)
    tokens[:, MARK] = 0
    tokens -= tokens[:, : MARK.start].mean(1, keepdim=True)
    tokens[:, MARK] = 0
    places = torch.zeros(96, WIDTH)
    places[0, MARK] = 1000 * torch.tensor([1.0, -1.0] * 4)
    if family == "gpt2":
        network.wte.weight.copy_(tokens)
        network.wpe.weight.copy_(places)
    else:
        embeddings = network.embeddings
        embeddings.word_embeddings.weight.copy_(tokens)
        embeddings.position_embeddings.weight.copy_(places)
        embeddings.token_type_embeddings.weight.zero_()
    query, key, value = torch.zeros(3, WIDTH, WIDTH)  # [in, out]
    query_bias = torch.zeros(WIDTH)
    mark = torch.zeros(WIDTH)
    mark[MARK] = torch.tensor([1.0, -1.0] * 4) / 8  # of a normalised first position: 12 ** 0.5
    for head, role in enumerate(roles):
        size, has_sink = BUILT[role]
        own = slice(head * D, (head + 1) * D)
        if has_sink:
            query_bias[own.start] = 6.0
            key[:, own.start] = 6.0 * mark
        value[: MARK.start, own] = torch.randn(MARK.start, D) / MARK.start**0.5
        constant = torch.randn(D)
        constant *= size * D**0.5 / constant.norm() / 12**0.5
        value[:, own] += mark[:, None] * constant
    if family == "gpt2":
        attention = network.h[0].attn
        attention.c_attn.weight.copy_(torch.cat([query, key, value], 1))
        attention.c_attn.bias.copy_(torch.cat([query_bias, torch.zeros(2 * WIDTH)]))
        attention.c_proj.weight.copy_(torch.linalg.qr(torch.randn(WIDTH, WIDTH)).Q)
    else:
        attention = network.encoder.layer[0].attention
        for module, weight in zip(
            (attention.self.query, attention.self.key, attention.self.value), (query, key, value),
            strict=True,
        ):  # fmt: skip
            module.weight.copy_(weight.T)
            module.bias.zero_()
        attention.self.query.bias.copy_(query_bias)
        attention.output.dense.weight.copy_(torch.linalg.qr(torch.randn(WIDTH, WIDTH)).Q)
    kind = "decoder" if family == "gpt2" else "encoder"
    return Loaded(tiny.row(family), network, tokenizer, kind, 96, None)
