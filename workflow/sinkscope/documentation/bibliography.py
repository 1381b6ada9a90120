"""The page docs/reference/bibliography.md, from config/references.bib."""

from __future__ import annotations

from sinkscope.references import references

INTRODUCTION = """\
# Bibliography

The works that Sinkscope repeats, tests or builds on, by the names under which code, tables, claims
and the report cite them. `make reference` writes this page from `config/references.bib`, which is
also a BibTeX file to cite from.
"""


def page() -> str:
    """The text of docs/reference/bibliography.md, ordered by name."""
    works = sorted(references().values(), key=lambda work: work.label)
    entries = [f"- **{work.label}.** {work.text} [{work.url}]({work.url})" for work in works]
    return "\n".join([INTRODUCTION, *entries, ""])
