"""The page docs/reference/bibliography.md, from config/references.bib."""

from sinkscope.references import references

INTRODUCTION = """\
# Bibliography

The works that Sinkscope reproduces, tests or builds on, under the names by which code, tables,
claims and the report cite them. `make reference` writes this page from the BibTeX file
`config/references.bib`.
"""


def page() -> str:
    """The text of docs/reference/bibliography.md, ordered by name."""
    works = sorted(references().values(), key=lambda work: work.label)
    entries = [f"- **{work.label}.** {work.text} [{work.url}]({work.url})" for work in works]
    return "\n".join([INTRODUCTION, *entries, ""])
