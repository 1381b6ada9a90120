"""The bibliography: works by the key of config/references.bib, and links to them in text.

A text cites a work by its label, "Gu et al. 2024", whatever the form of the parentheses around it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup, escape
from pybtex.database import Entry, parse_file
from pybtex.richtext import Text

from sinkscope.shipped import SHIPPED

DOI, ARXIV = "https://doi.org/", "https://arxiv.org/abs/"


@dataclass(frozen=True)
class Reference:
    """A work. label: "Gu et al. 2024". url: of its DOI, of arXiv, or where it was published."""

    key: str
    authors: str
    year: str
    title: str
    label: str
    url: str
    bibtex: str

    @property
    def text(self) -> str:
        """'Gu, Pang, ... (2024). Title.' in one line."""
        return f"{self.authors} ({self.year}). {self.title}{'' if self.title[-1] in '.?!' else '.'}"


@cache
def references() -> dict[str, Reference]:
    """All works by key, in the order of the file."""
    entries = parse_file(SHIPPED / "config" / "references.bib", "bibtex").entries
    return {key: reference(key, entry) for key, entry in entries.items()}


def reference(key: str, entry: Entry) -> Reference:
    """An entry of a BibTeX file. Raises KeyError if it has no author, title, year or link."""
    fields = entry.fields
    names = [plain(" ".join(person.last_names)) for person in entry.persons["author"]]
    doi, eprint = fields.get("doi"), fields.get("eprint")
    url = DOI + doi if doi else ARXIV + eprint if eprint else fields["url"]
    first = names[0] if len(names) == 1 else f"{names[0]} et al."
    if len(names) == 2 and names[1] != "others":
        first = " and ".join(names)
    year = fields["year"]
    listed = ", ".join(names).replace(", others", " et al.")
    return Reference(
        key, listed, year, plain(fields["title"]), f"{first} {year}", url, entry.to_string("bibtex")
    )


def plain(latex: str) -> str:
    """Text without LaTeX commands and braces."""
    return str(Text.from_latex(latex))


@cache
def _citations() -> tuple[re.Pattern[str], dict[tuple[str, str], Reference]]:
    """A pattern for labels, with or without parentheses; the works by the two parts of a label."""
    by_label = {
        (one.label.removesuffix(f" {one.year}"), one.year): one for one in references().values()
    }
    authors = "|".join(re.escape(name) for name in sorted({name for name, _ in by_label}))
    return re.compile(rf"\b({authors}),? \(?((?:19|20)\d\d)\b"), by_label


def citations(text: str) -> Iterator[tuple[re.Match[str], Reference]]:
    """The labels of works of the bibliography in a text, and the works."""
    pattern, by_label = _citations()
    for match in pattern.finditer(text):
        if work := by_label.get((match[1], match[2])):
            yield match, work


def cited(text: str) -> Markup:
    """The text with a link at each label of a work; all else is escaped."""
    parts, after = [], 0
    for match, work in citations(text):
        link = Markup('<a href="{}" title="{}">{}</a>').format(work.url, work.text, match[0])
        parts += [escape(text[after : match.start()]), link]
        after = match.end()
    return Markup("").join([*parts, escape(text[after:])])
