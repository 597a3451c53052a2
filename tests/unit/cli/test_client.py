"""`fhirbridge client`: register systems, list and revoke them."""

import json
import stat
from pathlib import Path

import pytest

from fhirbridge.access import keys
from tests.unit.cli.running import Done, run

ORGANIZATION = ("--organization", "Mercy Health", "--npi", "1234567893", "--covered-entity")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def add(*arguments: str) -> Done:
    return run("client", "add", "Mercy EHR", *arguments)


def test_client_with_a_new_key(folder: Path) -> None:
    done = add(
        *ORGANIZATION,
        *("--identifier", "urn:oid:1.2|A 1", "--class", "TREATER", "--purpose", "TREAT"),
        *("--purpose", "ETREAT", "--scope", "system/*.read system/Task.u", "--new-key", "key.json"),
    )

    assert done.code == 0, done.err
    client_id = done.out.decode().strip()
    key = folder / "key.json"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    private = json.loads(key.read_text())
    assert (private["kty"], private["crv"], private["alg"]) == ("EC", "P-384", "ES384")
    assert private["d"] not in done.out.decode() + done.err
    listed = run("client", "list", "--json").json
    assert len(listed) == 1
    assert {k: v for k, v in listed[0].items() if k != "createdAt"} == {
        "clientId": client_id,
        "name": "Mercy EHR",
        "own": False,
        "organization": {
            "name": "Mercy Health",
            "identifiers": [
                {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"},
                {"system": "urn:oid:1.2", "value": "A 1"},
            ],
            "classes": ["TREATER"],
            "coveredEntity": True,
        },
        "purposes": ["TREAT", "ETREAT"],
        "scopes": ["system/*.rs", "system/Task.u"],
        "jwksUrl": None,
        "revokedAt": None,
    }


def test_keys_may_come_from_a_file_or_an_address(folder: Path) -> None:
    (folder / "jwks.json").write_text(json.dumps(keys.new_key().jwks))

    assert add("--own", "--scope", "system/fhirbridge.cru", "--jwks", "jwks.json").code == 0
    assert add(*ORGANIZATION, "--scope", "system/*.rs", "--jwks", "https://ehr.example/k").code == 0
    table = run("client", "list").out.decode()
    assert "the custodian itself" in table
    assert "Mercy Health" in table


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--scope", "system/*.rs"), 2, "--organization or --own"),
        (("--own", *ORGANIZATION), 2, "--organization or --own"),
        (("--own", "--npi", "1234567893"), 2, "--own takes no"),
        (("--own", "--scope", "system/*.rs"), 2, "--jwks or --new-key"),
        (("--own", "--scope", "system/*.rs", "--jwks", "none.json"), 2, "none.json"),
        (("--own", "--scope", "system/*.rs", "--jwks", "http://ehr.example/k"), 2, "https"),
        (("--own", "--scope", "system/*.rs", "--jwks", "private.json"), 1, "private key"),
        (("--own", "--new-key", "k.json"), 2, "at least one --scope"),
        (("--own", "--scope", "user/*.rs", "--new-key", "k.json"), 1, "not a scope"),
        (("--own", "--scope", "system/*.rs", "--new-key", "private.json"), 2, "cannot be written"),
        (
            (*ORGANIZATION, "--scope", "system/fhirbridge.r", "--new-key", "k.json"),
            1,
            "own systems",
        ),
        ((*ORGANIZATION, "--identifier", "12", "--new-key", "k.json"), 2, "SYSTEM|VALUE"),
        (("--organization", "A", "--npi", "1234567890", "--new-key", "k.json"), 2, "check digit"),
        (("--organization", "A", "--class", "TREATERS", "--new-key", "k.json"), 2, "TREATER,"),
        (("--own", "--purpose", "FUN", "--new-key", "k.json"), 2, "--purpose"),
    ],
)
def test_faults_are_said_and_leave_nothing_behind(
    folder: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (folder / "private.json").write_text(json.dumps({"keys": [keys.new_key().private]}))

    done = add(*arguments)

    assert (done.code, done.out) == (code, b"")
    assert words in done.err
    assert not (folder / "k.json").exists()
    assert run("client", "list", "--json").json == []


def test_revoked_clients_stay_listed() -> None:
    client_id = add("--own", "--scope", "system/*.rs", "--new-key", "k.json").out.decode().strip()

    assert run("client", "revoke", client_id).code == 0
    first = run("client", "list", "--json").json[0]["revokedAt"]
    assert run("client", "revoke", client_id).code == 0

    assert first is not None
    assert run("client", "list", "--json").json[0]["revokedAt"] == first
    assert "revoked" in run("client", "list").out.decode()


def test_unknown_client_cannot_be_revoked() -> None:
    done = run("client", "revoke", "nobody")

    assert (done.code, "no client 'nobody'" in done.err) == (2, True)


def test_empty_list_says_what_to_do() -> None:
    assert "fhirbridge client add" in run("client", "list").err
