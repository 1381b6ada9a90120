"""Map files hold the cell's matrices, in a form that a page can load."""

import base64
import json
import zlib

import numpy as np
import pytest

from report.made import HOSTILE_TOKENS, LENGTHS, MAP_CELLS
from sinkscope.atlas import maps
from sinkscope.extract.cell import cell_path, read_cell
from sinkscope.extract.coarse import FLOOR, quantised
from sinkscope.files import read_json


def received(path):
    """Arguments of the call that a data file is."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith("sinkscope.receive(")
    assert text.endswith(");\n")
    return json.loads(f"[{text[len('sinkscope.receive(') : -3]}]")


def values(text):
    """Attention of a packed array, in its order."""
    steps = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return (steps / 255) ** 2


def near(found, expected):
    """Whether every value is the nearest that 8 bits hold; below the floor it may be 0."""
    expected = np.nan_to_num(expected.astype(float))
    most = np.where(expected < FLOOR, FLOOR, np.sqrt(expected) / 255 + 1e-5)
    return bool((np.abs(found.reshape(expected.shape) - expected) <= most).all())


def read(site, model, document):
    return read_cell(cell_path(site.folder / "results", model, document))


@pytest.mark.parametrize(("model", "document"), [("enc", "one"), ("enc", "three"), ("dec", "two")])
def test_map_data_decode_to_the_cell(site, model, document):
    cell = read(site, model, document)
    key, data = received(site.out / "maps" / model / f"{document}.js")
    assert key == f"{model}/{document}"
    for layer, expected in enumerate(cell["map"]):
        assert near(values(data["maps"][str(layer)]), expected.T)


def test_single_heads_decode_to_the_cell(site):
    cell = read(site, "dec", "two")
    _, data = received(site.out / "maps/dec/two.js")
    names = ["1-0", "2-1"]
    assert list(data["maps"])[len(cell["map"]) :] == names
    for name, expected in zip(names, cell["head_map"], strict=True):
        assert near(values(data["maps"][name]), expected.T)


@pytest.mark.parametrize("model", ["enc", "dec"])
def test_coarse_maps_of_every_head_decode_to_the_cell(site, model):
    cell = read(site, model, "two")
    key, data = received(site.out / "maps" / model / "heads" / "two.js")
    assert key == f"{model}/two/heads"
    n_layers, n_heads, n = cell["coarse_map"].shape[:3]
    assert len(data["first"]) == n + 1
    steps = np.frombuffer(zlib.decompress(base64.b64decode(data["packed"])), np.uint8)
    found = iter(steps.reshape(n_layers * n_heads, -1))
    for expected in cell["coarse_map"].reshape(-1, n, n):
        kept = [expected[key if model == "dec" else 0 :, key] for key in range(n)]
        assert next(found).tolist() == np.concatenate(kept).tolist()


def test_the_first_documents_have_coarse_maps_and_the_index_says_which(site):
    entries = read_json(site.out / "maps/enc/index.json")
    assert [entry["every_head"] for entry in entries] == [True, True, False]
    files = (site.out / "maps/enc/heads").iterdir()
    assert sorted(path.name for path in files) == ["one.js", "two.js"]


def test_what_tokens_receive_is_their_sink_score(site):
    cell = read(site, "enc", "three")
    _, data = received(site.out / "maps/enc/three.js")
    scores = cell["sink_score"]
    found = values(data["received"]).reshape(len(scores), 1 + scores.shape[1], cell.n_tokens)
    assert near(found[:, 1:], scores)
    assert near(found[:, 0], scores.mean(1))
    assert data["sinks"] == [np.flatnonzero(row).tolist() for row in cell["is_sink"]]


def test_eight_bits_keep_what_is_far_from_zero():
    attention = np.array([0, 4.9e-3, 5.1e-3, 0.01, 0.25, 0.9, 1, np.nan], np.float32)
    found = (quantised(attention) / 255.0) ** 2
    assert found[[0, 1, 7]].tolist() == [0, 0, 0]
    assert found[6] == 1
    assert np.abs(found[2:6] - attention[2:6]).max() < 0.004


def test_tokens_come_with_their_running_text_and_the_first_of_each_cell(site):
    _, data = received(site.out / "maps/enc/three.js")
    assert data["tokens"][1:6] == HOSTILE_TOKENS
    assert len(data["first"]) == MAP_CELLS + 1
    assert data["first"][-1] == LENGTHS["three"]


def test_running_text_has_the_spaces_of_the_document():
    meta = {"tokens": ["[CLS]", "a", "▁cat", "'", "s", "⏎", "b"]}
    known = {"gaps": ["", "", " ", "", "", "", " "]}
    assert "".join(maps.running_text(meta | known)) == "[CLS]a cat's\n b"
    assert "".join(maps.running_text({"tokens": ["a", "b"]})) == "a b"
    pieces = {"tokens": ["hand", "##writing", "##"], "gaps": ["", "", " "]}
    assert "".join(maps.running_text(pieces)) == "handwriting ##"


def test_no_data_file_can_end_a_script(site):
    for path in (site.out / "maps").rglob("*.js"):
        assert "<" not in path.read_text(encoding="utf-8")


def test_index_lists_documents_in_the_order_of_the_table(site):
    index = read_json(site.out / "maps/enc/index.json")
    assert [entry["document"] for entry in index] == ["one", "two", "three"]
    assert [entry["n_cells"] for entry in index] == [12, 40, MAP_CELLS]


def test_only_the_first_documents_and_nothing_left_from_before(site, tmp_path):
    out = tmp_path / "maps"
    maps.write_maps(site.manifests["enc"], site.folder, out, ["one", "two", "three"])
    maps.write_maps(site.manifests["enc"], site.folder, out, ["one", "absent"])
    assert sorted(path.name for path in out.iterdir()) == ["index.json", "one.js"]
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]
    maps.write_maps(site.manifests["enc"], site.folder, out, ["three", "one"])
    assert [entry["document"] for entry in read_json(out / "index.json")] == ["three", "one"]


def test_a_failed_run_leaves_the_folder_as_it_was(site, tmp_path):
    out = tmp_path / "maps"
    maps.write_maps(site.manifests["enc"], site.folder, out, ["one", "absent"])
    with pytest.raises(Exception, match="does not exist"):
        maps.write_maps(site.manifests["enc"], tmp_path, out, ["one", "two"])
    assert (out / "one.js").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]
