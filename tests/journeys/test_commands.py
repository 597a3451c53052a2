"""The commands as a user types them: what they print, where, and their exit codes."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import commands
from tests.journeys.conftest import Ehr

FIXTURES = Path(__file__).parents[2] / "fixtures"
PLAN = FIXTURES / "aftercare-plan/mother-of-two/native.json"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FHIRBRIDGE_")}
    environment["FHIRBRIDGE_DATABASE_URL"] = f"sqlite:///{tmp_path}/provider.db"
    environment["FHIRBRIDGE_PART2"] = "off"  # consent has its own tests

    def run(*arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = commands.run("fhirbridge", *arguments, cwd=tmp_path, env=environment)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def test_a_handoff_from_the_command_line(run: Run, ehr: Ehr) -> None:
    assert run("partner", "add", "ehr", ehr.base_url).stdout == "ehr\n"
    assert "transactions, FHIR 4.0.1" in run("partner", "list").stdout

    dry = json.loads(run("send", str(PLAN), "--to", "ehr", "--dry-run", "--json").stdout)
    # the request to the partner, and the reconciliation of medication
    assert (dry["rung"], dry["counts"]["Task"]) == ("transaction", 2)
    assert json.loads(run("outbox", "list", "--json").stdout) == []

    receipt = json.loads(run("send", str(PLAN), "--to", "ehr", "--json").stdout)
    assert receipt["state"] == "queued"
    again = json.loads(run("send", "ACP-2026-0417", "--to", "ehr", "--json").stdout)
    assert (again["outbox"], again["new"]) == (receipt["outbox"], False)

    worked = run("work", "--once")
    assert "delivered" in worked.stderr
    assert worked.stdout == ""

    listed = json.loads(run("outbox", "list", "--json", "--state", "delivered").stdout)
    assert [(one["word"], one["nextStepBy"]) for one in listed] == [
        ("Delivered, not seen yet", "receiver")
    ]
    shown = json.loads(run("outbox", "show", receipt["handoff"], "--json").stdout)
    assert shown["attempts"][0]["verdict"] == "delivered"
    assert ehr.get(shown["task"])["status"] == "requested"
    assert "delivered" in run("outbox", "show", str(receipt["outbox"])).stdout


def test_a_partner_that_cannot_be_reached_is_registered_and_said_so(run: Run) -> None:
    added = run("partner", "add", "gone", "http://127.0.0.1:9/fhir")

    assert "cannot be reached" in added.stderr
    assert "not known" in run("partner", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("partner", "add", "p", "http://ehr.example/fhir"), 1, "--allow-http"),
        (("partner", "add", "a b", "https://ehr.example/fhir"), 1, "name"),
        (("send", str(PLAN), "--to", "nobody"), 2, "no partner 'nobody'"),
        (("send", "no-such-thing", "--to", "ehr"), 2, "neither a file nor"),
        (("send", str(PLAN)), 2, "--to"),
        (("outbox", "show", "7"), 2, "no delivery"),
        (("outbox", "list", "--state", "lost"), 2, "--state"),
        (("sandbox", "try", "http://127.0.0.1:9/fhir"), 4, "cannot be reached"),
        (("sandbox", "try", "nonsense"), 1, "https URL"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_said_on_stderr(
    run: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run(*arguments, code=code)

    assert words in done.stderr
    assert done.stdout == ""


def test_a_document_with_faults_changes_nothing(run: Run, ehr: Ehr, tmp_path: Path) -> None:
    run("partner", "add", "ehr", ehr.base_url)
    document = json.loads(PLAN.read_text(encoding="utf-8"))
    document["patient"]["birthDate"] = "soon"
    path = tmp_path / "faulty.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    done = run("send", str(path), "--to", "ehr", code=1)

    assert "$.patient.birthDate" in done.stderr
    assert json.loads(run("outbox", "list", "--json").stdout) == []


def test_sandbox_try_finds_our_own_server_fit_and_leaves_nothing(run: Run, ehr: Ehr) -> None:
    before = ehr.get("Patient").get("total")

    report = json.loads(run("sandbox", "try", ehr.base_url, "--json").stdout)

    assert report["fit"]
    assert {check["name"] for check in report["checks"] if check["holds"]} >= {
        "send",
        "kept",
        "look-up",
        "resend",
        "task",
        "clean-up",
    }
    assert ehr.get("Patient").get("total") == before


def test_sandbox_try_cleans_up_after_a_lost_answer(run: Run, ehr: Ehr) -> None:
    before = ehr.get("Patient").get("total")
    ehr.arm("lose-answer")

    done = run("sandbox", "try", ehr.base_url, "--json", code=1)

    report = json.loads(done.stdout)
    assert [c["holds"] for c in report["checks"] if c["name"] == "send"] == [False]
    assert report["leftBehind"] == []
    assert ehr.get("Patient").get("total") == before


def test_nothing_of_the_record_is_printed(run: Run, ehr: Ehr, tmp_path: Path) -> None:
    """A document full of marks, refused by a partner that would quote it."""
    document = json.loads(PLAN.read_text(encoding="utf-8"))
    document["patient"]["name"]["family"] = "Canaryfamily"
    document["patient"]["mrn"] = "CANARYMRN"
    document["goals"][0]["text"] = "canarygoal"
    path = tmp_path / "canary.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    run("partner", "add", "ehr", ehr.base_url)
    ehr.arm("fail", times=1)

    said = [
        run("send", str(path), "--to", "ehr", "--dry-run"),
        run("send", str(path), "--to", "ehr"),
    ]
    said.append(run("work", "--once"))
    for arguments in (("list",), ("list", "--json"), ("show", "1"), ("show", "1", "--json")):
        said.append(run("outbox", *arguments))

    assert "partner-failed" in said[-1].stdout
    for done in said:
        assert "canary" not in (done.stdout + done.stderr).lower()
