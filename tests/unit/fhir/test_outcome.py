from fhirbridge.errors import Issue
from fhirbridge.fhir.outcome import from_outcome, to_outcome
from fhirbridge.fhir.validation import check


def test_issues_survive_the_outcome() -> None:
    issues = [
        Issue("required", "Patient.id is missing.", expression=("Patient.id",)),
        Issue("informational", "Nothing else.", severity="information"),
    ]

    outcome = to_outcome(issues)

    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["expression"] == ["Patient.id"]
    assert "expression" not in outcome["issue"][1]
    assert from_outcome(outcome) == issues


def test_no_issues_say_that_all_is_well() -> None:
    assert to_outcome([])["issue"][0]["severity"] == "information"


def test_words_hold_no_character_that_fhir_refuses() -> None:
    outcome = to_outcome([Issue("invalid", "'a\x00\x13b' is not known.")])

    assert outcome["issue"][0]["diagnostics"] == "'a\ufffd\ufffdb' is not known."
    assert check(outcome) == []


def test_outcomes_of_others_are_read_as_far_as_possible() -> None:
    issues = from_outcome(
        {
            "issue": [
                {"severity": "bogus", "details": {"text": "Words."}, "location": ["/f:Patient"]},
                {"severity": "warning", "code": "value", "details": {"coding": [{"display": "D"}]}},
                {"details": 5, "expression": "x"},
                7,
            ]
        }
    )

    assert [(i.severity, i.code, i.diagnostics, i.expression) for i in issues] == [
        ("error", "processing", "Words.", ("/f:Patient",)),
        ("warning", "value", "D", ()),
        ("error", "processing", "The server gave no explanation.", ()),
    ]
    assert from_outcome({}) == []
    assert from_outcome({"issue": "x"}) == []
