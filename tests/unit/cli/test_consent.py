"""`consent` and `audit` at the command line: words, JSON and exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.cli.main import main
from fhirbridge.config import Settings
from fhirbridge.documents.stored import accept

PLAN = Path(__file__).parents[3] / "fixtures/aftercare-plan/maximal/native.json"
CLINIC = ("--recipient", "Springfield Example Clinic", "--class", "TREATER")
AT = ("--at", "2026-06-01")


@pytest.fixture
def bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridge]:
    url = f"sqlite:///{tmp_path}/p.db"
    monkeypatch.setenv("FHIRBRIDGE_DATABASE_URL", url)
    built = bridges.build(Settings(database_url=url))
    yield built
    built.close()


@pytest.fixture
def patient(bridge: Bridge) -> str:
    received = accept(bridge, "aftercare-plan", json.loads(PLAN.read_bytes())).received
    return received.patient


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, standalone_mode=False)


def test_an_explanation_says_what_is_decided_alike_once_with_its_reasons(patient: str) -> None:
    found = run("consent", "explain", "--patient", patient, *CLINIC, *AT)
    lines = found.output.splitlines()
    decided = [line for line in lines if line.startswith(("permit", "withhold"))]

    assert found.return_value == 0
    assert "counseling notes need a consent of their own" in found.output
    assert "What would change it: a separate consent" in found.output
    assert decided[0].startswith("permit    identity, ")
    assert len(decided) < 6


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--purpose", "TREATMENT"), "'TREAT'"),
        (("--class", "TREATERS"), "TREATER, PAYOR"),
        (("--npi", "1234567890"), "check digit"),
        (("--at", "yesterday"), "2026-04-01T08:00:00-06:00"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_no_consent_can_speak_of_is_no_question(
    patient: str, option: tuple[str, str], words: str
) -> None:
    found = run("consent", "explain", "--patient", patient, "--recipient", "A", *option)

    assert isinstance(found.exception, click.BadParameter)
    assert words in found.exception.format_message()


def test_a_patient_is_found_by_record_number(bridge: Bridge, patient: str) -> None:
    number = json.loads(PLAN.read_bytes())["patient"]["mrn"]

    by_number = run("consent", "explain", "--patient", number, *CLINIC, *AT)
    nobody = run("consent", "explain", "--patient", "PL-0", *CLINIC, *AT)

    assert by_number.output.startswith(f"{patient} to ")
    assert "No patient with this id or identifier" in str(nobody.exception)


def test_consents_are_listed_with_what_they_lack(bridge: Bridge, patient: str) -> None:
    listed = json.loads(run("consent", "list", "--patient", patient, "--json").output)
    table = run("consent", "list", "--patient", patient).output

    assert {each["origin"] for each in listed} == {"document"}
    assert all(each["consent"] in table for each in listed)


def test_a_second_revocation_reports_the_first(bridge: Bridge, patient: str) -> None:
    listed = json.loads(run("consent", "list", "--patient", patient, "--json").output)
    consent = next(each["consent"] for each in listed if each["endedAt"] is None)

    first = json.loads(run("consent", "revoke", consent, "--json").output)
    again = json.loads(run("consent", "revoke", consent, "--json").output)

    assert again["effectiveAt"] == first["effectiveAt"]
    rows = run("consent", "list", "--patient", patient).output.splitlines()
    assert ["revoked" in row for row in rows if row.startswith(consent)] == [True]
    assert json.loads(run("audit", "check", "--json").output)["rows"] == 1


def test_it_exits_with_three_if_nothing_may_be_disclosed(patient: str) -> None:
    stranger = run("consent", "explain", "--patient", patient, "--recipient", "Nobody", *AT)
    court = run("consent", "explain", "--patient", patient, *CLINIC, "--purpose", "HLEGAL", *AT)

    assert (stranger.return_value, court.return_value) == (3, 3)
    assert "court order" in " ".join(court.output.split())


def test_programs_get_json(patient: str) -> None:
    shown = json.loads(
        run("consent", "explain", "--patient", patient, *CLINIC, *AT, "--json").output
    )

    assert shown["permitted"] is True
    assert {each["decision"] for each in shown["decisions"]} == {"permit", "withhold"}


def test_a_recipient_must_be_named(patient: str) -> None:
    found = run("consent", "explain", "--patient", patient)

    assert "Name a partner with --to" in str(found.exception)


def test_revoking_says_since_when(bridge: Bridge, patient: str) -> None:
    explained = json.loads(
        run("consent", "explain", "--patient", patient, *CLINIC, *AT, "--json").output
    )
    consent = explained["decisions"][0]["reasons"][0]["consent"].removeprefix("Consent/")

    revoked = run("consent", "revoke", consent, "--by", "officer", "--json")
    after = run("consent", "explain", "--patient", patient, *CLINIC)
    audited = run("audit", "check", "--json")

    assert json.loads(revoked.output)["effectiveAt"]
    assert after.return_value == 3
    assert "revoked or has ended" in " ".join(after.output.split())
    assert json.loads(audited.output)["rows"] == 1
    assert run("audit", "accounting", "--patient", patient, "--json").output.strip() == "[]"
