"""Headers that say what form is wanted."""

import pytest

from fhirbridge.interactions.messages import Preferences
from fhirbridge.web import negotiation
from fhirbridge.web.exchange import HttpRequest


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", Preferences()),
        ("return=minimal", Preferences("minimal")),
        ("handling=lenient; return=representation", Preferences("representation", True)),
        ("handling=lenient, return=OperationOutcome", Preferences("OperationOutcome", True)),
        ('Return="Minimal", handling=strict', Preferences("minimal")),
        ("return=everything, respond-async", Preferences()),
        ("return=minimal, return=representation", Preferences("minimal")),
    ],
    ids=str,
)
def test_preferences(header: str, found: Preferences) -> None:
    assert negotiation.preferences(header) == found


def test_conditions_are_only_those_that_were_sent() -> None:
    environ = {"HTTP_IF_MATCH": 'W/"1"', "HTTP_IF_NONE_EXIST": "", "HTTP_ACCEPT": "x"}

    assert HttpRequest(environ).conditions == {"if-match": 'W/"1"', "if-none-exist": ""}


def test_more_specific_format_wins_between_equals() -> None:
    form = negotiation.answer_form("*/*, application/json", ())

    assert form.media_type == "application/json"


def test_unreadable_weight_excludes() -> None:
    assert negotiation.answer_form("application/json;q=x, */*", ()).media_type == (
        "application/fhir+json"
    )
