"""One small site for all tests of the report."""

from types import SimpleNamespace

import pytest

from report import made


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """folder: the working directory; out: the report; grid, manifests, and the pages' HTML."""
    folder = tmp_path_factory.mktemp("site")
    grid, manifests = made.make_run(folder)
    out = made.make_site(folder, grid, manifests)
    html = {path.stem: path.read_text(encoding="utf-8") for path in out.glob("*.html")}
    return SimpleNamespace(folder=folder, out=out, grid=grid, manifests=manifests, html=html)
