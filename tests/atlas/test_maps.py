"""Map files hold the cell's matrices, in a form that a page can load."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image

from report.made import HOSTILE_TOKENS, LENGTHS, MAP_CELLS
from sinkscope.atlas import maps
from sinkscope.charts.palette import heat_index
from sinkscope.extract.cell import cell_path, read_cell
from sinkscope.files import read_json


def received(path):
    """Arguments of the call that a data file is."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith("sinkscope.receive(")
    assert text.endswith(");\n")
    return json.loads(f"[{text[len('sinkscope.receive(') : -3]}]")


def matrix(path):
    key, value = received(path)
    steps = np.frombuffer(zlib.decompress(base64.b64decode(value)), "<u2")
    side = int(len(steps) ** 0.5)
    return key, steps.reshape(side, side) / maps.STEPS


def read(site, model, document):
    return read_cell(cell_path(site.folder / "results", model, document))


@pytest.mark.parametrize(("model", "document"), [("enc", "one"), ("enc", "three"), ("dec", "two")])
def test_map_data_decode_to_the_cell(site, model, document):
    cell = read(site, model, document)
    for layer, expected in enumerate(cell["map"]):
        path = site.out / "maps" / model / document / f"{layer}.js"
        key, found = matrix(path)
        assert key == f"{model}/{document}/{layer}"
        assert np.abs(found - expected.astype(float)).max() < 0.51e-4


def test_single_heads_decode_to_the_cell(site):
    cell = read(site, "dec", "two")
    assert cell.meta["heads"] == ["1/0", "2/1"]
    for name, expected in zip(["1-0", "2-1"], cell["head_map"], strict=True):
        _, found = matrix(site.out / "maps/dec/two" / f"{name}.js")
        assert np.abs(found - expected.astype(float)).max() < 0.51e-4
        assert (site.out / "maps/dec/two" / f"{name}.png").is_file()


def pixels_of(png):
    """Entries of the colour table, and which of them are transparent."""
    picture = Image.open(io.BytesIO(png))
    return np.asarray(picture), picture.info["transparency"]


def test_thumbnail_of_a_small_map_is_the_map_below_what_its_keys_receive(site):
    matrix = read(site, "dec", "one")["map"][2].astype(np.float32)
    pixels, clear = pixels_of((site.out / "maps/dec/one/2.png").read_bytes())
    unit = maps.THUMBNAIL_SIDE // len(matrix)
    below = pixels[maps.STRIP + maps.GAP :]
    assert np.array_equal(below[::unit, ::unit], heat_index(matrix))
    expected = np.rint(matrix.astype(np.float64).sum(0) / len(matrix) * 255)
    assert np.abs(pixels[0, ::unit].astype(int) - expected).max() <= 1
    assert (pixels[maps.STRIP : maps.STRIP + maps.GAP] == clear).all()


def test_thumbnail_of_a_large_map_keeps_the_largest_value_of_each_block():
    large = np.zeros((500, 500), np.float32)
    large[321, 7] = 1
    pixels, _ = pixels_of(maps.thumbnail(large))
    side, first = maps.THUMBNAIL_SIDE, maps.THUMBNAIL_SIDE // maps.FIRST_KEY
    assert pixels.shape == (side + maps.STRIP + maps.GAP, side + first - 1)
    row, column = np.argwhere(pixels == 255)[0] - [maps.STRIP + maps.GAP, first - 1]
    assert (row, column) == (321 * side // 500, 7 * side // 500)
    assert (pixels == 255).sum() == 1


def test_a_sink_at_the_first_of_many_keys_is_seen_in_a_thumbnail():
    """A single pixel at the border would not be."""
    sink = np.full((400, 400), 0.1 / 399, np.float32)
    sink[:, 0] = 0.9
    pixels, _ = pixels_of(maps.thumbnail(sink))
    strong = (pixels > 200).sum(1)
    assert strong[: maps.STRIP].min() == strong[maps.STRIP + maps.GAP :].min() >= 4


def test_tokens_file_has_the_tokens_and_the_first_of_each_cell(site):
    key, value = received(site.out / "maps/enc/three/tokens.js")
    assert key == "enc/three/tokens"
    assert value["tokens"][1:6] == HOSTILE_TOKENS
    assert len(value["first"]) == MAP_CELLS + 1
    assert value["first"][-1] == LENGTHS["three"]


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
    assert sorted(path.name for path in out.iterdir()) == ["index.json", "one"]
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]
    maps.write_maps(site.manifests["enc"], site.folder, out, ["three", "one"])
    assert [entry["document"] for entry in read_json(out / "index.json")] == ["three", "one"]


def test_a_failed_run_leaves_the_folder_as_it_was(site, tmp_path):
    out = tmp_path / "maps"
    maps.write_maps(site.manifests["enc"], site.folder, out, ["one", "absent"])
    with pytest.raises(Exception, match="there is no such cell"):
        maps.write_maps(site.manifests["enc"], tmp_path, out, ["one", "two"])
    assert (out / "one" / "0.js").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]
