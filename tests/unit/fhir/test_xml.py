"""FHIR XML, there and back. Source: R4 xml.html"""

import os

import pytest

from fhirbridge.errors import InvalidContent, NotAcceptable, TooLarge
from fhirbridge.fhir import wire, xml
from tests import official_examples

PARTS = 4  # one of them here; `python -m benchmarks.examples` sends all of them as XML too
LARGE = 100_000_000  # the largest example is a Bundle of all definitions
XHTML = "http://www.w3.org/1999/xhtml"


def differs(content: bytes, *, pretty: bool = False) -> bool:
    """Whether an example is another one after a journey through XML."""
    resource = wire.parse(content, max_bytes=LARGE)
    back = xml.parse(xml.dump(resource, pretty=pretty), max_bytes=LARGE)
    return wire.canonical(back) != wire.canonical(resource)


def test_every_fourth_official_example_comes_back() -> None:
    try:
        archive = official_examples.archive()
    except official_examples.Unavailable as exc:
        if os.environ.get("FHIRBRIDGE_TEST_REQUIRE_EXAMPLES"):
            raise
        pytest.skip(str(exc))
    examples = official_examples.read(archive, part=1, parts=PARTS)

    assert [name for name, content in examples if differs(content)] == []


@pytest.mark.parametrize("name", sorted(official_examples.sample()))
def test_committed_example_comes_back(name: str) -> None:
    content = official_examples.sample()[name]

    assert not differs(content)
    assert not differs(content, pretty=True)


def test_elements_come_in_the_order_of_the_definitions() -> None:
    patient = {"resourceType": "Patient", "active": True, "id": "p", "name": [{"text": "x"}]}

    text = xml.dump(patient).decode()

    assert text.index("<id") < text.index("<active") < text.index("<name")


def test_lists_of_primitives_keep_their_gaps() -> None:
    name = {"given": ["A", None], "_given": [None, {"id": "b"}], "_family": {"id": "c"}}
    patient = {"resourceType": "Patient", "name": [name]}

    text = xml.dump(patient)

    assert b'<family id="c"/><given value="A"/><given id="b"/>' in text
    assert xml.parse(text) == patient


@pytest.mark.parametrize("value", ["70", "70.10", "-0", "0.00", "1e3", "1E+10", "1" * 30])
def test_digits_are_kept(value: str) -> None:
    text = f'{{"resourceType":"Observation","valueQuantity":{{"value":{value}}}}}'

    back = xml.parse(xml.dump(wire.parse(text)))

    assert wire.dump(back) == text.encode()


@pytest.mark.parametrize("value", ["+1", "01", "1.", "NaN", "INF", " 1", "1_0", "\u0661"])
def test_what_is_no_number_stays_text_for_the_checks(value: str) -> None:
    quantity = f"<valueQuantity><value value='{value}'/></valueQuantity>"
    text = f"<Observation xmlns='http://hl7.org/fhir'>{quantity}</Observation>"

    found = xml.parse(text.encode())["valueQuantity"]["value"]

    assert found == value
    assert isinstance(found, str)


def test_text_survives_in_attributes() -> None:
    family = "a\t\n\r\"'<>&\u00a0 \U0001f600  b"
    patient = {"resourceType": "Patient", "name": [{"family": family}]}

    assert xml.parse(xml.dump(patient)) == patient


def test_character_that_xml_lacks_cannot_be_written() -> None:
    with pytest.raises(NotAcceptable):
        xml.dump({"resourceType": "Patient", "name": [{"family": "a\x01"}]})


class TestNarrative:
    def read(self, div: str, declared: str = "") -> str:
        root = f"<Patient xmlns='http://hl7.org/fhir'{declared}>"
        text = f"<text><status value='empty'/>{div}</text>"
        found = xml.parse(f"{root}{text}</Patient>".encode())["text"]["div"]
        assert isinstance(found, str)
        return found

    def test_it_is_kept_letter_by_letter(self) -> None:
        div = f'<div  xmlns="{XHTML}"><p a = "1">\u00e9 &#233;<br/>\r\n<!-- x --></p></div >'

        assert self.read(div) == div

    @pytest.mark.parametrize(
        ("div", "declared"),
        [
            ("<h:div><h:p title='a'>x &amp; y</h:p></h:div>", f" xmlns:h='{XHTML}'"),
            (f"<h:div xmlns:h='{XHTML}'><h:p title='a'>x &amp; y</h:p></h:div>", ""),
        ],
    )
    def test_prefix_is_written_out(self, div: str, declared: str) -> None:
        expected = f'<div xmlns="{XHTML}"><p title="a">x &amp; y</p></div>'

        assert self.read(div, declared) == expected

    def test_html_entities_become_characters(self) -> None:
        div = f'<div xmlns="{XHTML}">a&nbsp;b</div>'
        patient = {"resourceType": "Patient", "text": {"status": "empty", "div": div}}

        back = xml.parse(xml.dump(patient))

        assert back["text"]["div"] == div.replace("&nbsp;", "\u00a0")


@pytest.mark.parametrize(
    "text",
    [
        b"<!DOCTYPE Patient><Patient xmlns='http://hl7.org/fhir'/>",
        b"<!DOCTYPE p SYSTEM 'file:///etc/passwd'><Patient xmlns='http://hl7.org/fhir'/>",
        b"<?xml version='1.0' encoding='latin-1'?><Patient xmlns='http://hl7.org/fhir'>\xe9",
        b"\xff\xfe<\0P\0",
        b"",
        b"<a>" * 200,
    ],
)
def test_what_is_not_safe_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidContent):
        xml.parse(text)


def test_size_is_bounded() -> None:
    with pytest.raises(TooLarge):
        xml.parse(b" " * 100, max_bytes=99)
