"""A job over several documents: what it keeps, what it repeats, how it fails."""

import contextlib
import json
import shutil

import numpy as np
import pytest
from transformers import AutoModel

import tiny
from compatibility.configs import tiny_config
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.cell import cell_path, read_cell
from sinkscope.extract.job import run_job
from sinkscope.files import sha256_of

TEXTS = {"one": "a cat.", "two": "a dog? it ran", "three": "nine mice, 12 days!"}


def documents(**changed):
    """changed: a text that replaces that of a document, or None to leave it out."""
    return [
        Document(name, f"{name}.txt", None, text)
        for name, text in (TEXTS | changed).items()
        if text is not None
    ]


def run(folder, documents, row=None, n_mapped=99, **settings):
    """Run a job below `folder`; its manifest."""
    made = tiny.settings(**settings)
    said = run_job(row or tiny.row(), documents, made, "code", folder, n_mapped)
    return json.loads(json.dumps(said))


def complaint(folder, documents, **options):
    with pytest.raises(SinkscopeError) as caught:
        run(folder, documents, **options)
    return str(caught.value)


def cells(folder):
    """{name: (bytes, time of writing)} of the finished cells."""
    found = (folder / "results" / "cells" / "tiny").glob("*")
    return {path.stem: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def files(folder):
    """Everything below results/, hidden files included."""
    results = folder / "results"
    return sorted(str(p.relative_to(results)) for p in results.rglob("*") if p.is_file())


def rewritten(before, after):
    return {name for name in after if after[name] != before.get(name)}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(tmp_path, model):
    shutil.copytree(model, tmp_path / "work" / "tiny")
    return tmp_path / "work"


def test_a_job_leaves_a_cell_per_document_and_says_so(folder):
    manifest = run(folder, documents())
    assert files(folder) == [
        "cells/tiny/one.safetensors",
        "cells/tiny/three.safetensors",
        "cells/tiny/two.safetensors",
    ]
    assert [entry["document"] for entry in manifest["cells"]] == list(TEXTS)
    for entry, document in zip(manifest["cells"], documents(), strict=True):
        assert entry["sha256"] == document.sha256
        assert entry["cell_sha256"] == sha256_of(folder / entry["cell"])
        assert (entry["n_characters"], entry["n_words"]) == (
            len(document.text),
            len(document.text.split()),
        )
        assert read_cell(folder / entry["cell"]).meta["document"] == entry["document"]
    assert manifest["model"]["n_layers"] == 3
    assert manifest["model"]["architecture"] == "BertModel"
    assert manifest["job"]["threads"] == 1
    assert set(manifest["job"]["versions"]) == {"python", "torch", "transformers"}


MAPS = {"map", "head_map", "coarse_map"}


def test_maps_are_kept_of_the_first_documents_and_nothing_else_depends_on_them(folder, tmp_path):
    shutil.copytree(folder / "tiny", tmp_path / "elsewhere" / "tiny")
    run(folder, documents(), n_mapped=1)
    run(tmp_path / "elsewhere", documents())
    kept = {}
    for name in TEXTS:
        cell, mapped = (
            read_cell(cell_path(at / "results", "tiny", name))
            for at in (folder, tmp_path / "elsewhere")
        )
        kept[name] = set(cell.arrays) >= MAPS
        for array in set(mapped.arrays) - MAPS:
            np.testing.assert_array_equal(cell[array], mapped[array], err_msg=array)
    assert kept == {name: name == next(iter(TEXTS)) for name in TEXTS}
    before = cells(folder)
    run(folder, documents(), n_mapped=2)
    assert rewritten(before, cells(folder)) == {list(TEXTS)[1]}


def test_a_second_run_computes_nothing_again(folder):
    run(folder, documents())
    before = cells(folder)
    run(folder, documents())
    assert cells(folder) == before


def test_two_folders_get_the_same_bytes(folder, model, tmp_path):
    shutil.copytree(model, tmp_path / "elsewhere" / "tiny")
    first = run(folder, documents())
    second = run(tmp_path / "elsewhere", list(reversed(documents())))
    assert {name: data for name, (data, _) in cells(folder).items()} == {
        name: data for name, (data, _) in cells(tmp_path / "elsewhere").items()
    }
    assert first["model"] == second["model"]
    assert str(tmp_path) not in json.dumps(first["cells"] + [first["model"]])


def test_only_a_changed_document_is_computed_again(folder):
    run(folder, documents())
    before = cells(folder)
    run(folder, documents(two="a fox ran"))
    assert rewritten(before, cells(folder)) == {"two"}


@pytest.mark.parametrize("change", [{"window": 4}, {"threads": 2}])
def test_a_changed_setting_computes_everything_again(folder, change):
    run(folder, documents())
    before = cells(folder)
    run(folder, documents(), **change)
    assert rewritten(before, cells(folder)) == set(TEXTS)


def test_changed_weights_compute_everything_again(folder):
    run(folder, documents())
    before = cells(folder)
    network = tiny.network("bert", vocab_size=len(tiny.letter_tokenizer()))
    network.encoder.layer[0].attention.self.query.weight[0, 0] += 1
    network.save_pretrained(folder / "tiny")
    run(folder, documents())
    assert rewritten(before, cells(folder)) == set(TEXTS)


@pytest.mark.parametrize("content", [b"", b"cut short"])
def test_a_broken_cell_is_made_again(folder, content):
    run(folder, documents())
    before = cells(folder)
    cell_path(folder / "results", "tiny", "one").write_bytes(content)
    run(folder, documents())
    assert cells(folder)["one"][0] == before["one"][0]
    assert cells(folder)["two"] == before["two"]


def test_a_bad_document_does_not_stop_the_others(folder):
    manifest = run(folder, documents(two="a " * 200))
    reason = (
        "document 'two': 203 tokens, but model 'tiny' takes at most 96; "
        "shorten it, leave the cell out, or set truncate: true."
    )
    assert [entry["document"] for entry in manifest["cells"]] == ["one", "three"]
    assert manifest["missing"] == [{"document": "two", "reason": reason}]
    assert files(folder) == [
        "cells/tiny/one.safetensors",
        "cells/tiny/three.safetensors",
    ]


def test_every_bad_document_has_its_sentence(folder, capsys):
    manifest = run(folder, documents(one="b " * 200, three="c " * 300))
    assert [entry["document"] for entry in manifest["missing"]] == ["one", "three"]
    said = capsys.readouterr().err
    assert all(entry["reason"] in said for entry in manifest["missing"])


def test_after_the_bad_document_is_mended_the_finished_cells_are_kept(folder):
    run(folder, documents(two="a " * 200))
    before = cells(folder)
    manifest = run(folder, documents())
    assert rewritten(before, cells(folder)) == {"two"}
    assert len(manifest["cells"]) == 3
    assert manifest["missing"] == []


def test_a_cell_whose_numbers_were_changed_is_made_again(folder):
    run(folder, documents())
    before = cells(folder)
    path = cell_path(folder / "results", "tiny", "one")
    data = bytearray(path.read_bytes())
    data[-5] ^= 1  # a bit of the last array
    path.write_bytes(bytes(data))
    run(folder, documents())
    assert cells(folder)["one"][0] == before["one"][0]
    assert cells(folder)["two"] == before["two"]


def test_truncation_takes_a_long_document_after_all(folder):
    run(folder, documents(two="a " * 200), truncate=True)
    cell = read_cell(cell_path(folder / "results", "tiny", "two"))
    assert (cell.n_tokens, cell.meta["n_tokens_full"]) == (96, 203)


def test_weights_of_nan_are_the_reason_of_every_document_and_leave_no_cell(folder):
    network = tiny.network("bert", vocab_size=len(tiny.letter_tokenizer()))
    network.encoder.layer[1].output.dense.weight.fill_(float("nan"))
    network.save_pretrained(folder / "tiny")
    reasons = [entry["reason"] for entry in run(folder, documents())["missing"]]
    assert len(reasons) == 3
    assert "document 'one'" in reasons[0]
    assert "model 'tiny' computes NaN" in reasons[0]
    assert "layer 2" in reasons[0]
    assert files(folder) == []


def test_a_tokenizer_with_more_tokens_than_the_model_is_an_error(folder):
    tiny.network("bert", vocab_size=40).save_pretrained(folder / "tiny")
    message = complaint(folder, documents(one="abc xyz", two="ab"))
    assert message.startswith("model 'tiny': its tokenizer has ids up to 86, but the network takes")


def test_the_log_says_what_of_an_encoder_decoder_is_left_out(tmp_path, capsys):
    config = tiny_config("bart")
    config.vocab_size = 258
    AutoModel.from_config(config).save_pretrained(tmp_path / "tiny")
    tiny.byte_tokenizer().save_pretrained(tmp_path / "tiny")
    run(tmp_path, documents())
    log = capsys.readouterr().err
    assert "tiny: BartEncoder (of BartModel, without decoder and cross attention)" in log


def test_weights_that_cannot_be_read_are_told_in_the_failure(folder):
    (folder / "tiny" / "model.safetensors").write_bytes(b"junk")
    message = complaint(folder, documents())
    assert "model 'tiny': path:tiny cannot be loaded" in message
    assert files(folder) == []


def test_a_full_disk_is_an_error_and_the_finished_cells_are_kept(model, small_disk):
    """The map of the long document is larger than what is left of the disk."""
    disk = small_disk.path
    (disk / "tiny").symlink_to(model)
    (disk / "filler").write_bytes(b"x" * 200_000)
    full = documents(two="a " * 90)
    message = complaint(disk, full, map_exact=100)
    assert "two.safetensors" in message
    assert "no space left on the disk" in message
    assert "free some disk space and run again" in message
    left = [name for name in files(disk) if name.startswith("cells")]
    assert left == ["cells/tiny/one.safetensors", "cells/tiny/three.safetensors"]

    before = cells(disk)
    assert small_disk.resize(4096)
    manifest = run(disk, full, map_exact=100)
    assert rewritten(before, cells(disk)) == {"two"}
    assert len(manifest["cells"]) == 3


def test_a_disk_with_no_room_at_all_is_an_error(model, small_disk):
    disk = small_disk.path
    (disk / "tiny").symlink_to(model)
    with (disk / "filler").open("wb", 0) as filler, contextlib.suppress(OSError):
        while filler.write(b"x" * 4096):
            pass
    message = complaint(disk, documents())
    assert "no space left on the disk" in message
    assert [name for name in files(disk) if name.startswith("cells")] == []


def test_a_file_that_may_not_grow_is_an_error_and_leaves_no_part(folder, small_files):
    with small_files():
        message = complaint(folder, documents(two="a " * 90))
    assert "two.safetensors" in message
    assert "cannot be written" in message
    assert [name for name in files(folder) if name.startswith("cells")] == [
        "cells/tiny/one.safetensors",
        "cells/tiny/three.safetensors",
    ]


def test_a_results_folder_in_the_way_is_an_error(folder):
    (folder / "results").mkdir()
    (folder / "results" / "cells").write_text("a file")
    message = complaint(folder, documents())
    assert "one.safetensors: cannot be written" in message
    assert "check the folder's permissions" in message


def test_a_longer_document_before_changes_no_bits(folder):
    """All documents of a job share their buffers."""
    run(folder, documents(two=None, three=None))
    alone = cells(folder)["one"][0]
    shutil.rmtree(folder / "results")
    run(folder, [Document("long", "long.txt", None, "a " * 90), *documents()])
    assert cells(folder)["one"][0] == alone


def test_decoders_run_too(tmp_path):
    tiny.save(tmp_path / "tiny", "falcon-alibi")
    run(tmp_path, documents())
    cell = read_cell(cell_path(tmp_path / "results", "tiny", "one"))
    assert cell.meta["is_causal"]
    assert (cell["max_key"] <= np.arange(cell.n_tokens)).all()
