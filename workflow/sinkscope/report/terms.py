"""The report's terms, explained where a page first uses them; and the works it cites."""

import re

from markupsafe import Markup

from sinkscope.references import Reference, citations, cited

# In plain words; the page "run" and docs/reference/tables.md have the formulas.
TERMS = {
    "attention sink": (
        "A token that receives much attention from most later tokens, whatever their meaning."
    ),
    "attention": (
        "The weights with which a token reads others: in every layer, each token divides 1 among "
        "the tokens that it sees."
    ),
    "query": "The token that attends to others.",
    "key": "A token that receives attention.",
    "head": (
        "Each layer has several heads, which divide their attention separately. Most numbers "
        "here are means over the heads of a layer."
    ),
    "layer": "A model rewrites its tokens in steps, the layers. They count from 0.",
    "token": "What a model reads: a word, a piece of a word, or a mark.",
    "max key": "The key that gets the most attention from a query.",
    "sink mass": (
        "The part of a layer's attention that goes to a set of tokens, mean over queries and "
        "heads. 1 is all of it."
    ),
    "sink score": "The attention that one head gives a key, mean over the queries that see it.",
    "sink rate": "The fraction of heads that give a key more than a threshold on average.",
    "key set": (
        "The tokens whose attention is summed, such as the first token, or all sinks of the layer."
    ),
    "terminator": "A token that ends a sentence: . ? !",
    "special token": "A token that the tokenizer adds to the text, such as [CLS] or <s>.",
    "local mass": "The part of a query's attention that goes to the tokens next to it.",
    "entropy": (
        "How evenly attention is spread: 0 if all goes to one key, 1 if all keys get the same."
    ),
    "matrix entropy": (
        "How many directions the states of a text span: 0 for one, 1 for the most possible."
    ),
    "softmax": "The usual function that makes the attention of a query sum to 1.",
    "95 % bootstrap interval": (
        "The range of the mean in 95 of 100 samples of the same number of documents, drawn with "
        "replacement."
    ),
    "residual state": "The vector that a model keeps for each token and changes in every layer.",
    "massive activation": (
        "An entry of a state that is over 100, and over 1,000 times the median of its layer."
    ),
    "induction head": (
        "A head that attends to the token after the last occurrence of the current token."
    ),
    "uniform attention": "Attention divided evenly among all tokens that a query sees.",
}
# Each term in the singular and in the plural.
FORMS = {
    form: term for term in TERMS for form in (term, f"{term}s", f"{term.removesuffix('y')}ies")
}
# Longer forms first.
ANY = "|".join(re.escape(form) for form in sorted(FORMS, key=len, reverse=True))
SPACE = "\u2581"  # how tokens write a space
PATTERN = re.compile(rf"(?<![\w-])({ANY})(?![\w-])|{SPACE}", re.IGNORECASE)
SHOWN_SPACE = Markup('<abbr class="space" title="a space">{}</abbr>').format(SPACE)


class Terms:
    """Marks the terms of one page, each where it is first used, and the spaces of tokens; links the
    works that it cites. works: these, by key."""

    def __init__(self) -> None:
        self.explained: set[str] = set()
        self.works: dict[str, Reference] = {}

    def __call__(self, text: str) -> Markup:
        """The text with an explanation behind each term that the page has not used before; all else
        is escaped."""
        self.works |= {work.key: work for _, work in citations(text)}
        parts, after = [], 0
        for match in PATTERN.finditer(text):
            term = FORMS.get(match[0].lower())
            if term is None:
                parts += [cited(text[after : match.start()]), SHOWN_SPACE]
                after = match.end()
            elif term not in self.explained:
                parts += [cited(text[after : match.start()]), self.button(term, match[0])]
                after = match.end()
        return Markup("").join([*parts, cited(text[after:])])

    def button(self, term: str, shown: str) -> Markup:
        """A button, so that a tap and the keyboard show the explanation as a pointer does."""
        self.explained.add(term)
        name = f"term-{term.replace(' ', '-').replace('%', 'percent')}"
        return Markup(
            '<span class="term"><button type="button" aria-describedby="{0}">{1}</button>'
            '<span role="tooltip" id="{0}">{2}</span></span>'
        ).format(name, shown, TERMS[term])
