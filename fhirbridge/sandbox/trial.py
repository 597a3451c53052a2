"""The trial: ask what the server can do, send, read back, compare, resend, move the Task, clean up.

Whatever happens, what was made is removed, or listed as left behind.
"""

import threading
from dataclasses import dataclass

from fhirbridge.clock import Clock
from fhirbridge.conversion.packet import Package
from fhirbridge.fhir import references
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.abilities import abilities_of
from fhirbridge.partners.attempt import Outcome
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.delivery import deliver
from fhirbridge.partners.http import Answer
from fhirbridge.partners.links import unlink
from fhirbridge.partners.plan import SendPlan, plan
from fhirbridge.partners.registry import fetch_capability
from fhirbridge.partners.verdict import Delivered, Refused, read_body
from fhirbridge.sandbox.compare import compare
from fhirbridge.sandbox.report import Report

_LAG_TRIES = 5
_LAG_SECONDS = 1.0
_PASSES = 4


@dataclass(slots=True)
class _Trial:
    client: PartnerClient
    package: Package
    made: SendPlan
    report: Report
    now: Clock
    marker: str
    created: dict[str, str]


def try_server(client: PartnerClient, package: Package, *, marker: str, now: Clock) -> Report:
    """Try a FHIR server with a tagged package.

    `marker` is in every identifier that belongs to this trial alone. Raises PartnerUnreachable if
    the server does not answer.
    """
    abilities = abilities_of(fetch_capability(client, client.base_url))
    made = plan(package.bundle, abilities)
    report = Report(
        client.base_url,
        software=abilities.software,
        fhir_version=abilities.fhir_version,
        rung=made.rung.value,
        losses=list(made.losses),
    )
    version = abilities.fhir_version
    report.note(
        "fhir-version",
        version.startswith("4.0") if version else None,
        f"The server speaks FHIR {version}; R4 is 4.0." if version else "It names no version.",
    )
    missing = sorted({entry.resource_type for entry in (*made.dropped, *made.matches)})
    words = (
        f"It does not store {', '.join(missing)}." if missing else "It stores every type we send."
    )
    report.note("types", not missing, words)
    trial = _Trial(client, package, made, report, now, marker, {})
    try:
        first = _send(trial)
        if isinstance(first.verdict, Delivered):
            _read_back(trial, first)
            _look_up(trial, first)
            _send_again(trial, first)
            _move_task(trial, first)
    finally:
        _clean_up(trial)
    return report


def _send(trial: _Trial) -> Outcome:
    outcome = deliver(
        trial.made,
        trial.client,
        anchor=trial.package.task,
        ledger={},
        look_first=False,
        is_proven=True,  # to be shown by this very trial
        now=trial.now,
        progress=trial.created.update,
    )
    verdict = outcome.verdict
    trial.created.update(
        {url: outcome.locations[url] for url in outcome.created if url in outcome.locations}
    )
    if isinstance(verdict, Delivered):
        words = f"{len(outcome.created)} resources were created by {trial.made.rung.value}."
        trial.report.note("send", True, words)
    else:
        words = f"It was not taken: {verdict.error_class}."
        if isinstance(verdict, Refused):
            words += f" {verdict.hint}"
            for finding in verdict.findings[:10]:
                place = ", ".join(finding.expression)
                words += f" {finding.code} at {place}." if place else f" {finding.code}."
        trial.report.note("send", False, words)
    return outcome


def _read_back(trial: _Trial, first: Outcome) -> None:
    missing = 0
    sent = {entry.full_url: entry.resource for entry in trial.made.entries}
    gone = {
        entry.full_url: entry.identifier
        for entry in (*trial.made.dropped, *trial.made.matches)
        if entry.full_url not in first.locations
    }
    for full_url, resource in sent.items():
        stored = _read(trial, first.locations.get(full_url, ""))
        if stored is None:
            missing += 1
            continue
        linked = unlink(references.rewrite(resource, first.locations), gone)
        trial.report.differences += compare(linked, stored)
    total = len(sent)
    trial.report.note(
        "read-back", not missing, f"{total - missing} of {total} resources can be read back."
    )
    changed = len(trial.report.differences)
    trial.report.note(
        "kept",
        not changed,
        f"{changed} elements did not come back as they were sent."
        if changed
        else "Every element came back as it was sent.",
    )


def _read(trial: _Trial, reference: str) -> Resource | None:
    if not reference:
        return None
    exchange = trial.client.read(reference)
    return read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None


def _look_up(trial: _Trial, first: Outcome) -> None:
    """After a lost answer we look by identifier: does that find what was just written?"""
    task = next((e for e in trial.made.entries if e.full_url == trial.package.task), None)
    if task is None:
        trial.report.note("look-up", None, "The server takes no Task, which we look for.")
        return
    pause = threading.Event()
    for number in range(_LAG_TRIES):
        found = trial.client.find("Task", [task.token]).references.get(task.token, ())
        if found == (first.locations.get(task.full_url),):
            words = "What was written is found by its identifier"
            words += " at once." if not number else f" after {number * _LAG_SECONDS:.0f} s."
            trial.report.note("look-up", True, words)
            return
        pause.wait(_LAG_SECONDS)
    words = "A Task is not found by its identifier: after a lost answer a person has to decide."
    trial.report.note("look-up", False, words)


def _send_again(trial: _Trial, first: Outcome) -> None:
    """A resend must create nothing."""
    if any(entry.action == "create" and not entry.search for entry in trial.made.entries):
        words = "Not every resource has an identifier of its own; not asked."
        trial.report.note("resend", None, words)
        return
    again = deliver(
        trial.made,
        trial.client,
        anchor=trial.package.task,
        ledger={},
        look_first=False,
        is_proven=True,  # to be shown by this very trial
        now=trial.now,
        progress=lambda _places: None,
    )
    doubled = {url: again.locations[url] for url in again.created if url in again.locations}
    trial.created.update({f"{url} again": place for url, place in doubled.items()})
    taken = isinstance(again.verdict, Delivered)
    same = (
        taken
        and not doubled
        and all(again.locations.get(url) == place for url, place in first.locations.items())
    )
    words = (
        "Sending the same again creates nothing."
        if same
        else (
            f"Sending the same again made {len(doubled)} copies."
            if doubled
            else "Sending the same again is not answered with what is there."
        )
    )
    trial.report.note("resend", same, words)


def _move_task(trial: _Trial, first: Outcome) -> None:
    """The partner's staff accept the Task; we have to be able to see it."""
    place = first.locations.get(trial.package.task, "")
    task = _read(trial, place)
    if task is None:
        trial.report.note("task", None, "There is no Task to accept.")
        return
    version = str((task.get("meta") or {}).get("versionId") or "")
    answer = trial.client.update(place, {**task, "status": "accepted"}, if_match=version)
    if not isinstance(answer, Answer) or answer.status not in (200, 204):
        trial.report.note("task", False, "The Task cannot be accepted by an update.")
        return
    seen = _read(trial, place) or {}
    moved = seen.get("status") == "accepted"
    newer = version and str((seen.get("meta") or {}).get("versionId") or "") != version
    if moved and newer:
        trial.report.note("task", True, "An accepted Task is seen, with a new version.")
    else:
        trial.report.note("task", moved, "An accepted Task is seen, but versions do not tell.")


def _clean_up(trial: _Trial) -> None:
    """Delete what was made, who refers before who is referred to; several passes for rings."""
    if not any(check.name == "send" and check.holds for check in trial.report.checks):
        _find_what_was_made(trial)
    places = list(dict.fromkeys(reversed(trial.created.values())))
    for _ in range(_PASSES):
        places = [place for place in places if not _is_deleted(trial, place)]
        if not places:
            break
    if places and _delete_together(trial, places):
        places = [place for place in places if _read(trial, place) is not None]
    trial.report.left_behind = places
    if trial.created:
        trial.report.note(
            "clean-up",
            not places,
            f"{len(places)} resources could not be deleted."
            if places
            else "Everything that was made is deleted.",
        )


def _find_what_was_made(trial: _Trial) -> None:
    """After a failed send, look for what it made all the same.

    Only identifiers that belong to this trial count: others may be somebody's.
    """
    marker = trial.marker
    for entry in trial.made.entries:
        own = marker in entry.token or entry.full_url == trial.package.task
        if own and entry.full_url not in trial.created:
            found = trial.client.find(entry.resource_type, [entry.token])
            for number, place in enumerate(found.references.get(entry.token, ())):
                trial.created[f"{entry.full_url} {number}"] = place


def _is_deleted(trial: _Trial, place: str) -> bool:
    answer = trial.client.delete(place)
    return isinstance(answer, Answer) and answer.status in (200, 202, 204, 404, 410)


def _delete_together(trial: _Trial, places: list[str]) -> bool:
    """Rings of links can only go at once."""
    bundle: JsonObject = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"request": {"method": "DELETE", "url": place}} for place in places],
    }
    answer = trial.client.send_bundle(bundle)
    return isinstance(answer, Answer) and answer.status == 200
