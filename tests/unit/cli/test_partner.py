"""`partner add` at the command line: what stays when a partner is changed, and what is refused."""

from pathlib import Path

import pytest

from tests.unit.cli.running import run

NOWHERE = "http://127.0.0.1:1/fhir"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("partners")


@pytest.fixture(autouse=True)
def database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIRBRIDGE_DATABASE_URL", f"sqlite:///{folder}/p.db")


def test_what_is_not_said_of_a_known_partner_stays() -> None:
    hospital = ("--organization", "Example Hospital", "--class", "TREATER", "--covered-entity")
    patience = ("--follow-seconds", "60", "--max-age-hours", "12", "--timeout-seconds", "90")
    run("partner", "add", "hospital", NOWHERE, *hospital, *patience)
    run("partner", "add", "hospital", NOWHERE, "--npi", "1234567893", "--no-covered-entity")

    [known] = run("partner", "list", "--json").json

    assert known["organization"] == {
        "name": "Example Hospital",
        "npi": "1234567893",
        "classes": ["TREATER"],
        "coveredEntity": False,
    }
    assert known["followSeconds"] == 60
    assert (known["maxAgeHours"], known["timeoutSeconds"], known["headers"]) == (12, 90, [])
    assert (
        "is tried       12 hours, 90 s a request" in run("partner", "show", "hospital").out.decode()
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--timezone", "Mars/Olympus"), "IANA time zone"),
        (("--window", "someday 08:00-17:00"), "monday,tuesday 08:00-17:00"),
        (("--hours", "monday 8-17"), "monday,tuesday 08:00-17:00"),
        (("--hours", "monday 17:00-08:00"), "only a window may end after midnight"),
        (("--header", "X-Key"), "NAME:VALUE"),
        (("--npi", "1234567893"), "need --organization"),
        (("--client-id", "us"), "go together"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_wrong_options_are_refused_with_what_was_expected(
    options: tuple[str, str], words: str
) -> None:
    done = run("partner", "add", "new", NOWHERE, *options)

    assert (done.code, words in done.err) == (2, True)
