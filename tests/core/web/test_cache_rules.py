"""Cache-Control by rules over paths."""

from sigil.core.web.cache_rules import IMMUTABLE, REVALIDATE, cache_control

RULES = (("assets/*", IMMUTABLE), ("*.html", "no-store"), ("/robots.txt", "max-age=60"))


def test_the_first_rule_that_fits_counts() -> None:
    assert cache_control("assets/app.1f3.js", RULES) == IMMUTABLE
    assert cache_control("assets/deep/er/page.html", RULES) == IMMUTABLE
    assert cache_control("deep/page.html", RULES) == "no-store"
    assert cache_control("robots.txt", RULES) == "max-age=60"
    assert cache_control("other/assets/app.js", RULES) == REVALIDATE
    assert cache_control("a.txt", ()) == REVALIDATE


def test_what_is_no_star_is_itself() -> None:
    assert cache_control("aXb", (("a.b", "no-store"),)) == REVALIDATE
    assert cache_control("a[1].js", (("a[1].js", "no-store"),)) == "no-store"
