import time

import pytest

from fhirbridge.fhir.validation import check
from fhirbridge.fhir.validation.findings import Findings
from fhirbridge.fhir.validation.xhtml import check_narrative

NS = 'xmlns="http://www.w3.org/1999/xhtml"'


def rule_of(div: object) -> str:
    found = Findings()
    check_narrative(div, (None, "div"), found)
    return found.issues[0].rule if found.issues else ""


def inside(content: str) -> str:
    return f"<div {NS}>{content}</div>"


@pytest.mark.parametrize(
    "div",
    [
        inside("text"),
        f'<div {NS} class="a" id=\'b\' xml:lang="en" lang="en">text</div>',
        inside("<p>a<br/>b<br />c</p><ul><li>a</li></ul><hr/>"),
        inside('<table class="g"><thead><tr><th colspan="2">a</th></tr></thead><tbody/></table>'),
        inside('<a href="https://x.example/a?b=1&amp;c=2">a</a>'),
        inside('<a href="Patient/1">a</a><a href="#p">b</a><a name="p">c</a>'),
        inside('<a href="mailto:a@x.example">a</a>'),
        inside('<img src="data:image/png;base64,AAAA" alt="a"/>'),
        inside('<img src="#pic"/>'),
        inside('<span style="color: red; width: 5%">a</span>'),
        inside('<td style="background-image: url(data: image/png;base64,AA)">a</td>'),
        inside("&nbsp;&copy; &#169; &lt;b&gt; &amp;"),
        inside("<!-- a comment -->a"),
        inside("<![CDATA[a < b]]>"),
        "<h:div xmlns:h='http://www.w3.org/1999/xhtml'><h:p>a</h:p></h:div>",
        f"  <div {NS}>a</div>\n",
        f'<?xml version="1.0" encoding="UTF-8"?><div {NS}>a</div>',
        inside("ünï 😀"),
    ],
)
def test_allowed_narrative_is_accepted(div: str) -> None:
    assert rule_of(div) == ""


@pytest.mark.parametrize(
    ("div", "rule"),
    [
        (inside("<script>alert(1)</script>"), "txt-1"),
        (inside("<SCRIPT>alert(1)</SCRIPT>"), "txt-1"),
        (inside('<p onclick="alert(1)">a</p>'), "txt-1"),
        (inside('<p ONCLICK="alert(1)">a</p>'), "txt-1"),
        (inside('<a href="javascript:alert(1)">a</a>'), "txt-1"),
        (inside('<a href=" java&#10;script:alert(1)">a</a>'), "txt-1"),
        (inside('<a href="&#106;avascript:alert(1)">a</a>'), "txt-1"),
        (inside('<a href="data:text/html,a">a</a>'), "txt-1"),
        (inside('<img src="vbscript:a"/>'), "txt-1"),
        (inside('<iframe src="https://x.example"/>'), "txt-1"),
        (inside("<object>a</object>"), "txt-1"),
        (inside("<form>a</form>"), "txt-1"),
        (inside('<input value="a"/>'), "txt-1"),
        (inside("<style>p {}</style>"), "txt-1"),
        (inside('<link rel="stylesheet" href="a.css"/>'), "txt-1"),
        (inside("<head/>"), "txt-1"),
        (inside("<body>a</body>"), "txt-1"),
        (inside('<svg xmlns="http://www.w3.org/2000/svg"><path/></svg>'), "txt-1"),
        (inside('<p style="background: url(https://x.example/a.png)">a</p>'), "txt-1"),
        (inside('<p style="background: url(//x.example/a.png)">a</p>'), "txt-1"),
        (inside('<p style="width: expression(alert(1))">a</p>'), "txt-1"),
        (inside('<p style="behavior: url(a.htc)">a</p>'), "txt-1"),
        (inside('<p formaction="a">a</p>'), "txt-1"),
        (inside('<a xlink:href="a" xmlns:xlink="http://www.w3.org/1999/xlink">a</a>'), "txt-1"),
        (f"<p {NS}>a</p>", "txt-1"),
        ("<div>a</div>", "txt-1"),
        ('<div xmlns="http://x.example">a</div>', "txt-1"),
        (f"<!DOCTYPE div [<!ENTITY x 'y'>]><div {NS}>&x;</div>", "txt-1"),
        (f"<?php echo ?><div {NS}>a</div>", "txt-1"),
        (inside(""), "txt-2"),
        (inside(" \n <p/> "), "txt-2"),
        (inside("<!-- only a comment -->"), "txt-2"),
        (f"<div {NS}/>", "txt-2"),
        (inside("<p>a</div>"), "structure"),
        (inside("<p>a"), "structure"),
        (inside("a & b"), "structure"),
        (inside("&bogus;"), "structure"),
        (inside("<p class=a>a</p>"), "structure"),
        (inside('<p class="a" class="b">a</p>'), "structure"),
        (inside("<br>"), "structure"),
        (inside("a") + "b", "structure"),
        (inside("a\x00"), "structure"),
        ("text", "structure"),
        ("", "structure"),
        (5, "structure"),
        (None, "structure"),
        ({"div": 1}, "structure"),
    ],
    ids=lambda value: str(value)[41:81],
)
def test_forbidden_narrative_is_refused(div: object, rule: str) -> None:
    assert rule_of(div) == rule


def test_hostile_narrative_is_refused_quickly() -> None:
    started = time.perf_counter()

    for div in (
        inside("<p>" * 200_000),
        inside("<p " * 200_000),
        inside('<p class="' + "a" * 1_000_000),
        inside("&" * 1_000_000),
        inside("<p" + ' class="a"' * 100_000 + "!"),
        inside('<p style="' + "a" * 500_000 + "(" + '">a'),
    ):
        assert rule_of(div)

    assert time.perf_counter() - started < 10


def test_the_place_is_named() -> None:
    patient = {
        "resourceType": "Patient",
        "text": {"status": "generated", "div": inside("<script>a</script>")},
    }

    assert [(i.code, i.expression, i.diagnostics) for i in check(patient)] == [
        (
            "invariant",
            ("Patient.text.div",),
            "The element script is not allowed in a narrative (txt-1).",
        )
    ]


def test_a_narrative_has_no_companion() -> None:
    text = {"status": "generated", "div": inside("a"), "_div": {"id": "a"}}

    assert [i.expression for i in check({"resourceType": "Patient", "text": text})] == [
        ("Patient.text._div",)
    ]
