"""Loading native documents: the synthetic cases, the invalid ones, and the normal form."""

import json
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.errors import InvalidContent
from fhirbridge.fhir import wire
from fhirbridge.native import documents
from tests.unit.native.test_documents_law import _leaves, _present

FIXTURES = Path(__file__).parents[3] / "fixtures"
CASES = sorted(
    path.parent for kind in documents.KINDS for path in (FIXTURES / kind).glob("*/native.json")
)
INVALID = sorted(path.parent for path in (FIXTURES / "invalid").glob("*/issues.json"))


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def read(case: Path) -> Any:
    return wire.parse(next(case.glob("native.*")).read_bytes())


def enrollment(**changes: Any) -> Any:
    return {**read(FIXTURES / "enrollment" / "minimal"), **changes}


def findings(kind: documents.Kind, data: Any) -> dict[tuple[str, str], str]:
    """(path, rule) -> severity, of a document that may be refused."""
    try:
        issues = documents.load(kind, data).issues
    except documents.InvalidDocument as error:
        issues = error.issues
    return {(issue.expression[0], issue.rule): issue.severity for issue in issues}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_synthetic_case_loads_and_is_already_normal(case: Path) -> None:
    data = read(case)

    document = documents.load(documents.kind_of(data), data)

    assert wire.canonical(documents.dump(document)) == wire.canonical(data)


@pytest.mark.parametrize("kind", documents.KINDS)
def test_maximal_case_has_every_field(kind: documents.Kind) -> None:
    data = read(FIXTURES / kind / "maximal")

    assert set(_leaves(documents.shape(kind), "$")) <= set(_present(data, "$"))


@pytest.mark.parametrize("case", INVALID, ids=named)
def test_invalid_case_is_refused_with_all_its_issues(case: Path) -> None:
    with pytest.raises(InvalidContent) as refused:
        data = read(case)
        documents.load(documents.kind_of(data), data)

    assert [
        {
            "severity": issue.severity,
            "code": issue.code,
            "expression": list(issue.expression),
            "rule": issue.rule,
        }
        for issue in refused.value.issues
    ] == json.loads((case / "issues.json").read_text())


@pytest.mark.parametrize("case", INVALID, ids=named)
def test_no_issue_repeats_a_value_of_the_record(case: Path) -> None:
    try:
        data = read(case)
        documents.load(documents.kind_of(data), data)
    except InvalidContent as error:
        said = " ".join(issue.diagnostics for issue in error.issues)
    else:
        said = ""

    for value in ("Delgado", "Marisol", "14/08/1991", "Central Time", "enrolled", "1234567890"):
        assert value not in said


def test_name_of_an_unknown_field_that_is_no_identifier_is_not_repeated() -> None:
    data = enrollment(**{"Marisol Delgado": 1})

    assert ("$.*", "unknown-field") in findings("enrollment", data)


def test_lower_minor_version_is_written_as_the_present_one() -> None:
    document = documents.load("enrollment", enrollment(schema="fhirbridge.enrollment/1"))

    assert document.data["schema"] == "fhirbridge.enrollment/1.0"


def test_older_minor_version_goes_through_its_upcasters(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(data: Any) -> Any:
        return {**data, "status": data["state"], "state": None}

    monkeypatch.setattr(documents, "MINOR", 1)
    monkeypatch.setattr(documents, "UPCASTERS", {"enrollment": (rename,)})
    old = enrollment(schema="fhirbridge.enrollment/1.0", state="waitlisted")
    new = enrollment(schema="fhirbridge.enrollment/1.1")

    assert documents.load("enrollment", old).data["status"] == "waitlisted"
    assert documents.load("enrollment", new).data["status"] == "inquiry"


def test_document_of_another_kind_is_refused() -> None:
    with pytest.raises(documents.InvalidDocument, match="another kind"):
        documents.load("referral", enrollment())


def test_input_is_not_changed() -> None:
    data = enrollment(lifeSkills=["parenting", "finances", "parenting"], status=" active ")
    before = json.dumps(data)

    documents.load("enrollment", data)

    assert json.dumps(data) == before


def test_blanks_are_dropped_and_findings_keep_the_indexes_of_the_input() -> None:
    staff = [None, {}, {"id": "x y", "name": {"family": " "}, "role": "nurse"}]

    found = findings("enrollment", enrollment(staff=staff, expectedEnd="", goals=[]))

    assert found[("$.staff[2].id", "form")] == "error"
    assert found[("$.staff[2].name", "required")] == "error"


def test_clinical_text_is_never_touched() -> None:
    text = "  two  blanks\n\tand <b>marks</b>  "
    goal = {"id": "g", "text": text, "status": "active", "notes": [" b ", "a"]}

    data = documents.load("enrollment", enrollment(goals=[goal])).data

    assert data["goals"][0] == goal


def test_keyed_lists_are_sorted_and_ordered_ones_are_not() -> None:
    goals = [{"id": name, "text": "x", "status": "active"} for name in "ba"]
    log = [
        {"status": "active", "at": "2026-01-02T00:00:00Z"},
        {"status": "inquiry", "at": "2026-01-02T00:00:00Z"},
    ]

    data = documents.load(
        "enrollment",
        enrollment(goals=goals, statusHistory=log, wellness=["yoga", "sleep", "yoga"]),
    ).data

    assert [goal["id"] for goal in data["goals"]] == ["a", "b"]
    assert [entry["status"] for entry in data["statusHistory"]] == ["active", "inquiry"]
    assert data["wellness"] == ["sleep", "yoga"]


@pytest.mark.parametrize(
    ("written", "normal", "is_doubtful"),
    [
        ("(217) 555-0117", "+12175550117", False),
        ("1.217.555.0117", "+12175550117", False),
        ("217\u2013555\u20130117", "+12175550117", False),
        ("011 44 7700 900123", "+447700900123", False),
        ("+12175550117", "+12175550117", False),
        ("988", "988", False),
        ("217-555-0117 ext. 4", "217-555-0117 ext. 4", True),
        ("555-0117", "555-0117", True),
        ("+1217555011", "+1217555011", True),
    ],
)
def test_phone_becomes_e164_where_it_can_be_one(
    written: str, normal: str, is_doubtful: bool
) -> None:
    data = enrollment()
    data["patient"] = {**data["patient"], "phone": written}

    document = documents.load("enrollment", data)

    assert document.data["patient"]["phone"] == normal
    assert any(issue.rule == "phone-form" for issue in document.issues) is is_doubtful


def test_digits_of_decimals_are_kept() -> None:
    text = json.dumps(enrollment(hoursPerDay=0)).replace('"hoursPerDay": 0', '"hoursPerDay": 3.00')

    document = documents.load("enrollment", wire.parse(text))

    assert b'"hoursPerDay":3.00' in wire.dump(document.data)


def test_sex_unknown_is_the_same_as_absent() -> None:
    data = enrollment()
    data["patient"] = {**data["patient"], "sex": "unknown"}

    assert "sex" not in documents.load("enrollment", data).data["patient"]


def test_extra_travels_untouched() -> None:
    extra = {"b": None, "a": ["", {}, " x "], "Ünï": {"deep": []}}

    assert documents.load("enrollment", enrollment(extra=extra)).data["extra"] == extra


def test_start_that_the_clocks_skip_moves_on_by_the_gap() -> None:
    plan = read(FIXTURES / "aftercare-plan" / "minimal")
    plan["followUpAppointments"] = [
        {
            "id": "a",
            "status": "scheduled",
            "startLocal": "2026-03-08T02:30:00",
            "tz": "America/Chicago",
            "durationMin": 30,
        }
    ]

    document = documents.load("aftercare-plan", plan)

    assert document.data["followUpAppointments"][0]["startLocal"] == "2026-03-08T03:30"
    assert ("$.followUpAppointments[0].startLocal", "clock-change") in findings(
        "aftercare-plan", plan
    )
    assert ("$.followUpAppointments[0].startLocal", "clock-change") not in findings(
        "aftercare-plan", document.data
    )


def test_session_that_is_only_scheduled_says_nothing_and_is_dropped() -> None:
    data = read(FIXTURES / "enrollment" / "mother-of-two")
    data["sessions"].append(
        {"scheduleId": "group", "occurrenceDate": "2026-03-11", "status": "scheduled"}
    )

    sessions = documents.load("enrollment", data).data["sessions"]

    assert "2026-03-11" not in [session["occurrenceDate"] for session in sessions]
