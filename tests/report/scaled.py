"""A run of many models and documents, made from the tables of a small one: rows under new names."""

from pathlib import Path

import polars as pl

from sinkscope.files import read_json, write_json


def names(kind, count, old):
    """New name to old name: 'model-07-minilm'."""
    return {f"{kind}-{i:02d}-{old[i % len(old)]}": old[i % len(old)] for i in range(count)}


def renamed(frame, column, new):
    """The rows of each old name under its new ones; rows of other names are left out."""
    if column not in frame.columns:
        return frame
    pairs = pl.DataFrame({"new": list(new), column: list(new.values())})
    wide = pairs.join(frame, on=column, how="inner", maintain_order="left")
    return wide.drop(column).rename({"new": column}).select(frame.columns)


def of_one_document(frame):
    """Whether a table shows one document of every model, however many there are."""
    if not {"model", "document"} <= set(frame.columns):
        return False
    return frame.group_by("model").agg(pl.col("document").n_unique())["document"].max() == 1


def scaled_tables(tables, out, models, documents):
    """models, documents: new name to old name."""
    out.mkdir(parents=True)
    for path in sorted(tables.glob("*.parquet")):
        frame = renamed(pl.read_parquet(path), "model", models)
        if not of_one_document(frame):
            frame = renamed(renamed(frame, "document", documents), "other", documents)
        frame.write_parquet(out / path.name)


def scaled_maps(maps, out, models, documents):
    """Data files under new names, with as many documents as are given."""
    for model, old in models.items():
        index = []
        for document, old_document in documents.items():
            source = Path(maps) / old / f"{old_document}.js"
            if not source.is_file():
                continue
            text = source.read_text(encoding="utf-8")
            text = text.replace(f'"{old}/{old_document}"', f'"{model}/{document}"', 1)
            (out / model).mkdir(parents=True, exist_ok=True)
            (out / model / f"{document}.js").write_text(text, encoding="utf-8")
            (entry,) = (
                one
                for one in read_json(maps / old / "index.json")
                if one["document"] == old_document
            )
            index.append(entry | {"document": document})
        if index:
            write_json(out / model / "index.json", index)
