import pytest

from app.serving.external_metrics.selectors import SelectorError, matches, parse

LABELS = {"app": "gateway", "tier": "", "weight": "12", "example.com/zone": "a", "in": "in"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("   ", True),
        ("app=gateway", True),
        ("app==gateway", True),
        (" app = gateway ", True),
        ("app=other", False),
        ("app=gateway,tier=", True),
        ("tier=", True),
        ("tier= ,app", True),
        ("app=gateway,weight=13", False),
        ("app!=other", True),
        ("app!=gateway", False),
        ("missing!=x", True),
        ("missing=x", False),
        ("missing=", False),
        ("app in (gateway,other)", True),
        ("app in (other)", False),
        ("app in(gateway)", True),
        ("tier in ()", True),
        ("app in ()", False),
        ("tier in (,x)", True),
        ("tier in (x,,y)", True),
        ("app in (x,)", False),
        ("app notin (other)", True),
        ("app notin (gateway)", False),
        ("missing notin (x)", True),
        ("in in (in)", True),
        ("in=in", True),
        ("in", True),
        ("notin", False),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("! missing", True),
        ("!app", False),
        ("app,!missing,weight>11", True),
        ("weight>12", False),
        ("weight<13", True),
        ("app>1", False),
        ("missing<1", False),
        ("example.com/zone=a", True),
        ("example.com/zone in (a,b),app=gateway", True),
    ],
)
def test_selector_means_what_kubernetes_means(text, expected):
    assert matches(parse(text), LABELS) is expected


@pytest.mark.parametrize(
    "text",
    [
        "app=gateway||tier=x",
        "x==a==b",
        "!x=a",
        "!!x",
        "!",
        ",",
        "x,",
        "x,,y",
        ",x",
        "x<a",
        "x>",
        "x>-5",
        "x>99999999999999999999",
        "x=a b",
        "x in",
        "x in a",
        "x in (a",
        "x in (a b)",
        "x in (a))",
        "x notin(",
        "x y",
        "=a",
        "(x)",
        "-x=a",
        "x/y/z=a",
        "/x=a",
        "X.y/z w",
        "EXAMPLE.com/x",
        "x=" + "a" * 64,
        "a" * 64,
        "x=-a",
        "x=a_",
        "x=ä",
        "x=a;b",
    ],
)
def test_what_kubernetes_cannot_parse_is_refused(text):
    with pytest.raises(SelectorError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a==b,x=(", "unable to parse requirement: found '(', expected: identifier"),
        ("a b", "unable to parse requirement: found 'b', expected: =, ==, !=, in, notin, >, <"),
        ("a=b,=c", "found '=', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
    ],
)
def test_the_text_says_where_as_people_know_it(text, message):
    with pytest.raises(SelectorError) as raised:
        parse(text)
    assert str(raised.value) == message
