"""Terms are explained once per page, where they are first used."""

from sinkscope.report.terms import TERMS, Terms


def test_each_term_is_explained_where_it_is_first_used():
    terms = Terms()
    html = str(terms("The max keys of a query, and each max key of queries."))
    assert html.count('role="tooltip"') == 2
    assert html.index(">max keys</button>") < html.index(TERMS["max key"])
    assert ">query</button>" in html
    assert "tooltip" not in str(terms("A max key."))


def test_the_longest_term_wins_and_parts_of_words_are_none():
    html = str(Terms()("An attention sink; monkeys and key-value heads; tokenization."))
    assert html.count("<button") == 2
    assert ">attention sink</button>" in html
    assert ">heads</button>" in html


def test_the_plural_of_a_term_in_y_is_the_term():
    html = str(Terms()("All queries."))
    assert ">queries</button>" in html


def test_the_space_of_a_token_says_what_it_is():
    html = str(Terms()("“▁the” (word)"))
    assert html == '“<abbr class="space" title="a space">▁</abbr>the” (word)'


def test_text_stays_text():
    assert str(Terms()("<b>key</b> & more")).startswith("&lt;b&gt;<span")
    assert str(Terms()("5 < 6 & 7")) == "5 &lt; 6 &amp; 7"


def test_works_that_a_page_cites_are_links_and_listed():
    terms = Terms()
    html = str(terms("The key of a query (Gu et al. 2024). Nobody 2024."))
    assert html.count("<a href=") == 1
    assert '<a href="https://arxiv.org/abs/2410.10781"' in html
    terms("Efron 1979, and Gu et al. 2024 again.")
    assert list(terms.works) == ["gu2024", "efron1979"]
