"""`consent` and `audit` at the command line: words, JSON and exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path

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


def test_an_explanation_is_a_table_with_reasons(patient: str) -> None:
    found = run("consent", "explain", "--patient", patient, *CLINIC, *AT)

    assert found.return_value == 0
    assert "permit" in found.output
    assert "INFORMATION" in found.output
    assert "counseling notes need a consent of their own" in " ".join(found.output.split())


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
