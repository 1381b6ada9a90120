"""The bibliography, and the links that texts get from it."""

import re

import pytest
from pybtex.database import parse_string

from sinkscope.catalogue import all_tables, sections
from sinkscope.claims.file import read_claims
from sinkscope.claims.summary import NOTES
from sinkscope.references import citations, cited, reference, references
from sinkscope.shipped import SHIPPED

LABEL = re.compile(r"\b([A-Z][\w-]+(?: et al\.| and [A-Z][\w-]+)?),? \(?((?:19|20)\d\d)\b")


def entry(text):
    (key, value), *_ = parse_string(text, "bibtex").entries.items()
    return reference(key, value)


def test_a_work_has_a_label_a_text_and_a_link():
    gu = references()["gu2024"]
    assert gu.label == "Gu et al. 2024"
    assert gu.url == "https://arxiv.org/abs/2410.10781"
    assert gu.text.startswith("Gu, Pang, Du, ")
    assert gu.text.endswith(
        "(2024). When Attention Sink Emerges in Language Models: An Empirical View."
    )
    assert "eprint" in gu.bibtex
    assert references()["efron1979"].url == "https://doi.org/10.1214/aos/1176344552"
    assert references()["olsson2022"].authors == "Olsson, Elhage, Nanda et al."
    assert references()["openai2025"].label == "OpenAI 2025"


def test_two_authors_are_both_in_the_label():
    two = entry(
        "@misc{k, author={A, B and {\\'E}t, C}, title={T}, year={2001}, url={https://x.org}}"
    )
    assert two.label == "A and Ét 2001"


def test_labels_are_unique_and_links_are_https():
    works = references().values()
    assert len({work.label for work in works}) == len(works)
    assert all(re.fullmatch(r"https://[\w.-]+/\S+", work.url) for work in works)


def test_an_entry_without_a_link_is_an_error():
    with pytest.raises(KeyError, match="url"):
        entry("@misc{k, author={A, B}, title={T}, year={2001}}")


def test_labels_become_links_and_the_rest_is_escaped():
    text = cited("<b> of Gu et al. (2024), Efron 1979; Gu et al. 1999 & Nobody 2024")
    link = '<a href="https://arxiv.org/abs/2410.10781" title="Gu, '
    assert text.startswith(f"&lt;b&gt; of {link}")
    assert ">Gu et al. (2024</a>)," in text
    assert '">Efron 1979</a>; Gu et al. 1999 &amp; Nobody 2024' in text


def test_the_works_of_a_text_are_in_its_order():
    text = "Efron 1979; Gu et al. (2024); Gu et al. 1999; Nobody 2024"
    assert [work.key for _, work in citations(text)] == ["efron1979", "gu2024"]


def uncited(text):
    """What looks like a label of a work, and is none of the bibliography."""
    known = {work.label for work in references().values()}
    return sorted({f"{names} {year}" for names, year in LABEL.findall(text)} - known)


def test_every_work_that_sections_and_tables_cite_is_in_the_bibliography():
    texts = [entry.section.intro for entry in sections().values()]
    for table in all_tables().values():
        texts += [table.rows, *(column.meaning for column in table.columns.values())]
    assert not uncited(" ".join(texts))


def test_every_claim_of_a_study_cites_works_of_the_bibliography():
    for claim in read_claims(SHIPPED / "config" / "claims.yaml"):
        assert not uncited(f"{claim.source} {claim.statement}")
        assert any(citations(claim.source)) or claim.study == NOTES, claim.claim


def test_readme_and_docs_state_the_number_of_claims_and_works():
    claims = read_claims(SHIPPED / "config" / "claims.yaml")
    of_works = [claim for claim in claims if claim.study != NOTES]
    works = {work.key for claim in of_works for _, work in citations(claim.source)}
    for page in ("README.md", "docs/how-to/claims.md"):
        text = (SHIPPED / page).read_text(encoding="utf-8")
        assert {str(len(of_works)), f"{len(works)} works"} <= set(
            re.findall(r"\d+ works|\d+", text)
        )
