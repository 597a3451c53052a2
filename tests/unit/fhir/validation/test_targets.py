"""References whose text names a type that may not stand there, or that R4 does not have."""

import pytest

from fhirbridge.fhir.validation import check


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("Patient/1", False),
        ("Patinet/1", True),
        ("Observation/1", True),
        ("https://other.example/Patinet/1", False),  # a server of any kind
        ("urn:uuid:00000000-0000-4000-8000-000000000001", False),
        ("a-file.txt", False),
    ],
)
def test_what_names_no_type_of_the_target_is_refused_with_the_types(
    text: str, refused: bool
) -> None:
    order = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": text},
    }

    found = [issue.diagnostics for issue in check(order) if issue.is_error]

    expected = "The reference must be to Device or Group or Location or Patient."
    assert found == ([expected] if refused else [])
