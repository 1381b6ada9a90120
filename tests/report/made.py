"""A small run made by hand: cells with known attention, then every later stage as it is.

The zoo's records are of models besides: one with softmax and its variant, of a hostile family.

Models: `enc` (encoder, all documents), `dec` (decoder, without the second job), `absent`
(its job failed). Documents: `one` and `two` in the first job, `three` in the second.
"""

import base64
import json
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np

import records
from drawing import write_section
from reference import coarse_map
from sink_arrays import RULE, sink_arrays
from sinkscope.atlas.figures.job import write_figures_of_all, write_figures_of_model
from sinkscope.atlas.job import reduce_model, write_tables
from sinkscope.atlas.limits import Limits
from sinkscope.atlas.maps import write_maps
from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.catalogue import sections
from sinkscope.claims.verdicts import write_claims
from sinkscope.config import load
from sinkscope.derive.job import write_derived, write_recorded
from sinkscope.extract.cell import Cell, cell_path, write_cell
from sinkscope.extract.coarse import quantised
from sinkscope.files import sha256_of, write_json
from sinkscope.findings.job import write_findings
from sinkscope.grid import Grid
from sinkscope.jobs.failures import Failure, failure_path
from sinkscope.jobs.wanted import Wanted
from sinkscope.keys import key_sets
from sinkscope.report.about import Origin
from sinkscope.report.build import write_report
from sinkscope.schema import properties

SECTIONS = list(sections(properties("config")["experiments"]["default"]))  # of a default run
HOSTILE = "</script><b>x</b>"
HOSTILE_TOKENS = [HOSTILE, "<img src=x onerror=alert(1)>", "\"q\", 's'", "{{ 7 * 7 }}", "\u2028"]
TEXTS = {"one": "Z one", "two": f"Z two {HOSTILE}", "three": "Z\0three\x1b[31m\ufffe"}
LENGTHS = {"one": 12, "two": 40, "three": 70}
SHAPES = {"enc": (3, 2), "dec": (4, 2)}  # layers, heads
MAP_CELLS = 32
EXPERIMENT_REASON = "model 'absent': its norms cannot be measured"
REASON = "model 'absent': no weights."
WORDS = ["a", "tide", ".", "ran", ","]


def attention(seed, n_layers, n_heads, n_tokens, causal):
    """[layer, head, query, key] random probabilities with a sink at key 0."""
    logits = np.random.default_rng(seed).normal(size=(n_layers, n_heads, n_tokens, n_tokens)) * 2
    logits[..., 0] += 3
    if causal:
        logits += np.triu(np.full((n_tokens, n_tokens), -1e9), 1)
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def cell(model, document, single=()):
    """single: (layer, head) whose maps are kept."""
    n_layers, n_heads = SHAPES[model]
    n, causal = LENGTHS[document], model == "dec"
    a = attention(len(document) + n, n_layers, n_heads, n, causal)
    mean = a.mean(1)
    first = ["[CLS]"] if model == "enc" else ["Z"]
    plain = (HOSTILE_TOKENS + WORDS * n)[: n - 1]
    classes = ["cls" if model == "enc" else "first"]
    classes += [{".": "terminator", ",": "punctuation"}.get(token, "word") for token in plain]
    sets = key_sets(classes)
    visible = np.tri(n) if causal else np.ones((n, n))
    # A window of 10 queries; under a causal mask no query of it sees the keys behind.
    seen, in_window, k = visible.sum(0), visible[:10].sum(0), 10 if causal else n
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    local = [(a * (distance <= width)).sum((-1, -2)) / n for width in range(1, 6)]
    mass = [mean[:, :, positions].sum(-1).mean(-1) for positions in sets.values()]
    is_sink = mean.sum(-2) / seen > 0.1  # [layer, key]
    mass.append((mean.mean(-2) * is_sink).sum(-1))
    edges = np.arange(MAP_CELLS + 1) * n // MAP_CELLS
    pool = np.stack([np.arange(n) // 1 >= edges[:-1, None], np.arange(n) < edges[1:, None]]).all(0)
    pool = pool / np.maximum(pool.sum(1, keepdims=True), 1)
    pool = pool if n > 50 else np.eye(n)
    arrays = {
        "max_key": mean.argmax(-1).astype(np.int32),
        "max_value": mean.max(-1),
        "second_value": np.sort(mean, -1)[..., -2],
        "sink_score": a.sum(-2) / seen,
        "window_score": a[..., :10, :k].sum(-2) / in_window[:k],
        "mass": np.stack(mass, -1),
        "strict_mass": np.stack(mass, -1) / 2,
        "entropy": np.full((n_layers, n_heads), 0.5),
        "row_sum": a.sum(-1).mean(-1),
        "virtual_sink": np.full((n_layers, n_heads), np.nan, np.float32),
        "gate": np.full((n_layers, n_heads), np.nan, np.float32),
        "over_half": (a[:, :, 1:, 0] > 0.5).mean(-1),
        "local": np.stack(local, -1),
        "local_no_sinks": np.stack(local, -1) / 2,
    }
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    arrays["max_key"] = mean.argmax(-1).astype(np.int32)
    for name, counts in (("n_queries", seen), ("n_window_queries", in_window[:k])):
        arrays[name] = np.tile(counts, (n_layers, 1)).astype(np.int32)
    by_state = is_sink & (np.arange(n) % 2 == 1)
    arrays |= sink_arrays(is_sink, n_heads, visible, by_state)
    arrays["map"] = (pool @ mean @ pool.T).astype(np.float16)
    heads = [pool @ a[layer, head] @ pool.T for layer, head in single]
    arrays["head_map"] = np.array(heads or np.zeros((0, *arrays["map"].shape[1:]))).astype(
        np.float16
    )
    coarse = [[coarse_map(head, 64) for head in layer] for layer in a]
    arrays["coarse_map"] = quantised(np.array(coarse))
    meta = {
        "model": model,
        "document": document,
        "tokens": first + plain,
        "classes": classes,
        "n_tokens_full": n,
        "window": 10,
        "sink_rule": RULE,
        "audit": {
            "queries": [0, 1, 1],
            "output_error": 4e-7 if (model, document) == ("dec", "two") else 2e-7,
            "row_error": 3e-8 if model == "enc" else 1e-8,
        },
        "is_causal": causal,
        "layers": list(range(n_layers)),
        "heads": [f"{layer}/{head}" for layer, head in single],
        "fingerprint": "made",
    }
    return Cell(meta, arrays)


def facts(model):
    n_layers, n_heads = SHAPES[model]
    return {
        "model": model, "source": f"zoo:{model}", "revision": "1", "architecture": "MadeModel",
        "attention": "softmax", "family": "encoder" if model == "enc" else "decoder",
        "dtype": "float32", "n_parameters": 1000, "n_layers": n_layers, "n_heads": n_heads,
        "n_key_value_heads": n_heads, "hidden_size": 8, "max_length": 99,
    }  # fmt: skip


def entry(folder, grid, cell):
    document = next(d for d in grid.config.documents if d.name == cell.meta["document"])
    path = cell_path(folder / "results", cell.meta["model"], document.name)
    write_cell(path, cell)
    return {
        "document": document.name, "path": document.path, "row": None,
        "n_characters": len(document.text), "n_words": len(document.text.split()),
        "sha256": document.sha256, "cell": str(path.relative_to(folder)),
        "cell_sha256": sha256_of(path), "cell_bytes": path.stat().st_size,
    }  # fmt: skip


JOB = {
    "seconds": 12.5, "peak_mb": 345, "peak_gpu_mb": None, "device": "made", "threads": 1,
    "versions": {"python": "3.11.0", "torch": "2.0"},
}  # fmt: skip


def make_grid(folder):
    (folder / "config").mkdir(parents=True)
    models = ["model\tsource", *(f"{name}\tzoo:{name}" for name in ("enc", "dec", "absent"))]
    (folder / "config/models.tsv").write_text("\n".join(models) + "\n")
    rows = ["document\tpath", *(f"{name}\t{name}.txt" for name in TEXTS)]
    (folder / "config/documents.tsv").write_text("\n".join(rows) + "\n")
    for name, text in TEXTS.items():
        (folder / f"{name}.txt").write_text(text)
    wanted = {"models": "config/models.tsv", "documents": "config/documents.tsv"}
    return Grid(load(wanted | {"documents_per_job": 2, "window": 10}, folder))


def make_run(folder):
    """Everything up to the tables below `folder`; the grid, and manifests by model."""
    grid = make_grid(folder)
    wanted = Wanted(grid, folder)
    jobs = {("enc", "0001"): ["one", "two"], ("enc", "0002"): ["three"],
            ("dec", "0001"): ["one", "two"]}  # fmt: skip
    manifests = {"enc": [], "dec": []}
    for (model, shard), names in jobs.items():
        single = [(1, 0), (2, 1)] if model == "dec" else []
        entries = [entry(folder, grid, cell(model, name, single)) for name in names]
        request = wanted.extract(model, shard)
        path = folder / request.stamp
        made = {"model": facts(model), "cells": entries, "missing": [], "job": JOB}
        made |= {"request": request.content}
        write_json(path, made)
        manifests[model].append(path)
    for job, problem, final in (
        (wanted.extract("absent", "0001"), REASON, True),
        (wanted.extract("dec", "0002"), "KeyError: 'tokens'", False),
        (wanted.measure("norms", "absent", "0001"), EXPERIMENT_REASON, True),
    ):
        failure = Failure([{"document": None, "reason": problem}], final, "")
        write_json(failure_path(folder, job.log), asdict(failure))
    for model, paths in manifests.items():
        reduce_model(paths, folder / "results" / "reduced" / model, Limits(), folder)
    parts = [folder / "results" / "reduced" / model for model in manifests]
    parts.append(records.padded(folder, "enc", [cell("enc", name) for name in TEXTS]))
    tables = folder / "results" / "tables"
    write_tables(parts, tables)
    write_recorded("emergence", made_records(folder / "zoo"), tables)
    thresholds = {"induction": 0.4, "second_sink": 0.1}
    thresholds |= dict.fromkeys(("norms", "depth", "bos", "lengths", "masks", "head_roles"))
    for name, threshold in thresholds.items():
        models = ("dec", "a", "b") if name == "induction" else ("dec", "a")
        measured = [getattr(records, name)(folder, model) for model in models]
        write_derived(name, measured, tables, threshold)
    claims = records.claims(folder / "claims.yaml", HOSTILE)
    write_claims(claims, tables, list(tables_of_atlas()), tables)
    return grid, manifests


def made_records(zoo):
    """Folders of two models, by name."""
    sigmoid = {"mass": 0.05, "row_sum": 1.7}
    return {
        "zoo-one": records.write(zoo / "one", "zoo-one", HOSTILE),
        "zoo-two": records.write(zoo / "two", "zoo-two", HOSTILE, "sigmoid", sigmoid),
    }


def make_site(folder, grid, manifests, out="reports"):
    """Figures, maps and report below `folder`/`out`."""
    results, site = folder / "results", folder / out
    tables = results / "tables"
    write_figures_of_all(tables, results / "figures" / "all")
    for model in manifests:
        write_figures_of_model(tables, results / "figures" / model, model)
    for model, paths in manifests.items():
        write_maps(paths, folder, site / "maps" / model, list(TEXTS), n_of_heads=2)
    for name in SECTIONS:
        write_section(name, tables, results / "sections" / name)
    drawn = [results / "figures" / name for name in ("all", *manifests)]
    write_findings([*drawn, *(results / "sections" / name for name in SECTIONS)], tables)
    write_report(Wanted(grid, folder), results, site, Origin("c0ffee"), SECTIONS)
    return site


def scripts_in(html, kind):
    """Contents of the page's script elements of one type, by id."""
    from html.parser import HTMLParser

    found = {}

    class Reader(HTMLParser):
        inside = None

        def handle_starttag(self, tag, attributes):
            values = dict(attributes)
            if tag == "script" and values.get("type") == kind:
                self.inside = values.get("id")
                found[self.inside] = ""

        def handle_data(self, data):
            if self.inside is not None:
                found[self.inside] += data

        def handle_endtag(self, tag):
            self.inside = None

    Reader().feed(html)
    return found


def specs_in(html):
    """JSON of the specifications of a page's figures, by the id of their element."""
    packed = scripts_in(html, "application/zlib")
    return {name: zlib.decompress(base64.b64decode(text)).decode() for name, text in packed.items()}


def strict_json(text):
    """Parsed as a browser would: NaN and Infinity are errors."""

    def refuse(name):
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def folder_bytes(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file()
    }
