"""Executes a send plan at a partner, rung by rung, with a ledger of what is there already.

Nothing is sent twice: after an unknown outcome the partner is asked first, by business
identifier; on the lower rungs every resource that is placed is reported at once, so that an
interrupted delivery goes on where it stopped.
"""

from collections.abc import Sequence

from fhirbridge.clock import Clock
from fhirbridge.partners.attempt import (
    Attempt,
    Locations,
    Outcome,
    Progress,
    Stop,
    body_of,
    bundle_of,
    note,
)
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.lookup import find, leave_theirs, look, place_known
from fhirbridge.partners.plan import PlannedEntry, Rung, SendPlan
from fhirbridge.partners.verdict import (
    Delivered,
    Refused,
    Retry,
    Unknown,
    Verdict,
    judge,
    judge_batch,
    judge_create,
)


def deliver(
    plan: SendPlan,
    client: PartnerClient,
    *,
    anchor: str,
    ledger: Locations,
    look_first: bool,
    is_proven: bool,
    now: Clock,
    progress: Progress,
) -> Outcome:
    """Send a plan, or what is left of it.

    `anchor` is the fullUrl whose presence proves that a transaction was committed (the Task of
    the handoff); `ledger` is what earlier attempts placed; `look_first` after an unknown outcome;
    `is_proven`: look-ups at this partner are known to find what we wrote.
    """
    attempt = Attempt(plan, client, now, progress, dict(ledger), dict(ledger), is_proven)
    verdict: Verdict
    needs_person = False
    if plan.rung is Rung.PAPER:
        return Outcome(Unknown("paper-only"), dict(ledger), needs_person=True)
    try:
        place_known(attempt)
        leave_theirs(attempt)
        if look_first and look(attempt, anchor):
            verdict = Delivered()
        elif plan.rung is Rung.TRANSACTION:
            verdict = _send_transaction(attempt)
        else:
            verdict = _send_waves(attempt)
        if isinstance(verdict, Delivered) and plan.rung is not Rung.TRANSACTION:
            _relink(attempt)
    except Stop as stop:
        verdict, needs_person = stop.verdict, stop.needs_person
    return Outcome(
        verdict,
        attempt.locations if isinstance(verdict, Delivered) else attempt.placed(),
        attempt.looked,
        tuple(attempt.created),
        attempt.matched,
        attempt.sequence,
        needs_person,
        attempt.versions,
        frozenset(attempt.theirs),
    )


def _send_transaction(attempt: Attempt) -> Verdict:
    entries = [one for one in attempt.plan.entries if one.full_url not in attempt.theirs]
    blind = [e for e in entries if e.action == "create" and e.lookup and not e.conditional]
    if blind:
        find(attempt, blind, reading=True)
        entries = [e for e in entries if e not in blind or e.full_url not in attempt.locations]
        attempt.matched += len(attempt.plan.entries) - len(entries)
    if not entries:
        return Delivered()
    attempt.sequence = tuple(entry.full_url for entry in entries)
    bundle = bundle_of(attempt, "transaction", entries)
    exchange = attempt.client.send_bundle(bundle)
    verdict = judge(exchange, entries=len(entries), now=attempt.now())
    if isinstance(verdict, Delivered):
        note(attempt, entries, verdict.placed)
    return verdict


def _send_waves(attempt: Attempt) -> Verdict:
    for wave in attempt.plan.waves:
        pending = [
            entry
            for entry in wave
            if (entry.action == "update" or entry.full_url not in attempt.locations)
            and entry.full_url not in attempt.theirs
        ]
        blind = [entry for entry in pending if entry.lookup and not entry.conditional]
        if blind:
            find(attempt, blind, reading=True)
            pending = [e for e in pending if e not in blind or e.full_url not in attempt.locations]
        if not pending:
            continue
        attempt.sequence = tuple(entry.full_url for entry in pending)
        verdicts = _send_wave(attempt, pending)
        for entry, verdict in zip(pending, verdicts, strict=True):
            if isinstance(verdict, Delivered):
                note(attempt, [entry], verdict.placed)
        unplaced = [
            entry
            for entry, verdict in zip(pending, verdicts, strict=True)
            if isinstance(verdict, Delivered) and entry.full_url not in attempt.locations
        ]
        if unplaced:
            find(attempt, [entry for entry in unplaced if entry.lookup], reading=False)
        attempt.progress(attempt.placed())
        failures = [verdict for verdict in verdicts if not isinstance(verdict, Delivered)]
        if failures:
            return _worst(failures)
    return Delivered()


def _send_wave(attempt: Attempt, entries: Sequence[PlannedEntry]) -> list[Verdict]:
    if attempt.plan.rung is Rung.BATCH:
        exchange = attempt.client.send_bundle(bundle_of(attempt, "batch", entries))
        verdicts = judge_batch(exchange, entries=len(entries), now=attempt.now())
        return verdicts if isinstance(verdicts, list) else [verdicts] * len(entries)
    return [_send_one(attempt, entry) for entry in entries]


def _send_one(attempt: Attempt, entry: PlannedEntry) -> Verdict:
    body = body_of(attempt, entry)
    if entry.action == "update":
        exchange = attempt.client.update(entry.location, body)
        return judge_create(exchange, now=attempt.now(), location=entry.location)
    search = entry.search if entry.conditional else ""
    exchange = attempt.client.create(body, if_none_exist=search)
    return judge_create(exchange, now=attempt.now())


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that decides what happens next: unknown first, then try again, then refused."""
    for kind in (Unknown, Retry, Refused):
        for verdict in verdicts:
            if isinstance(verdict, kind):
                return verdict
    return verdicts[0]


def _relink(attempt: Attempt) -> None:
    """Write the links of a ring, now that every place is known."""
    if not attempt.plan.relinks:
        return
    for entry in attempt.plan.entries:
        place = attempt.locations.get(entry.full_url)
        if not entry.deferred or not place:
            continue
        if not entry.deferred <= attempt.locations.keys():
            continue
        body = body_of(attempt, entry, last=True)
        verdict = judge_create(
            attempt.client.update(place, body), now=attempt.now(), location=place
        )
        if not isinstance(verdict, Delivered):
            raise Stop(verdict)
