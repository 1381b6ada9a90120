"""Models and tokenizers as a notebook has them."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny models lose far more to threads that wait for each other than they gain."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def gpt2():
    """The zoo's, with its output head."""
    folder = tiny.ROOT / "zoo" / "gpt2"
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="session")
def gpt2_tokenizer():
    return AutoTokenizer.from_pretrained(tiny.ROOT / "zoo" / "gpt2")
