"""Tiny configurations that say their sizes in other places than the families of tiny.py."""

from transformers import Gemma3Config, GPTBigCodeConfig, LlavaConfig

TEXT = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 96,
    "initializer_range": 0.2, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
IMAGE = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 8, "patch_size": 4,
}  # fmt: skip


def config(name):
    """Models of images and text, and GPTBigCode with a single key head."""
    if name == "gemma3":
        layers = ["sliding_attention", "sliding_attention", "full_attention"]
        text = TEXT | {"head_dim": 8, "sliding_window": 4, "layer_types": layers}
        return Gemma3Config(text_config=text, vision_config=dict(IMAGE))
    if name == "llava":
        vision = IMAGE | {"model_type": "clip_vision_model"}
        return LlavaConfig(text_config=TEXT | {"model_type": "llama"}, vision_config=vision)
    return GPTBigCodeConfig(
        vocab_size=300, n_positions=96, n_embd=32, n_layer=3, n_head=4, initializer_range=0.2,
        bos_token_id=0, eos_token_id=0, multi_query=True,
    )  # fmt: skip
