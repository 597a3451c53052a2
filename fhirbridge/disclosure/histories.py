"""Histories as they leave: versions that differ for the caller, newest first.

Source: R4 http.html#history; design.md section 9
"""

from collections.abc import Iterator
from itertools import islice

from fhirbridge.disclosure.gate import Gate
from fhirbridge.disclosure.leaving import disclosed
from fhirbridge.storage import history, resources
from fhirbridge.storage.history import Place, Span
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion

_BATCH = 500


def exists(session: Session, gate: Gate, place: Place) -> bool:
    """Whether the resource of an instance history is, or was, there for the caller."""
    current = resources.read(
        session, gate.place.custodian_id, place.resource_type, place.resource_id
    )
    if current is None or not gate.sees(session, current):
        return False
    return bool(disclosed(session, gate, current))


def versions(
    session: Session,
    gate: Gate,
    place: Place,
    *,
    count: int,
    before: int | None,
    span: Span,
) -> list[ResourceVersion]:
    """Versions whose `seq` is below `before`, at most `count`, under the caller's numbers.

    An emergency opens the history of one resource, not those of all.
    """
    if not place.resource_id:
        gate = gate.as_everybody
    return list(islice(_walk(session, gate, place, before, span), count))


def _walk(
    session: Session, gate: Gate, place: Place, before: int | None, span: Span
) -> Iterator[ResourceVersion]:
    known: dict[int, dict[int, ResourceVersion]] = {}
    while True:
        batch = history.versions(session, place, count=_BATCH, before=before)
        for version in batch:
            if version.key not in known and gate.sees(session, version):
                shown = disclosed(session, gate, version)
                known[version.key] = {each.seq: each for each in shown}
            found = known.get(version.key, {}).get(version.seq)
            if found is not None and _is_in(found, list(known[version.key].values()), span):
                yield found
        if len(batch) < _BATCH:
            return
        before = batch[-1].seq


def _is_in(version: ResourceVersion, every: list[ResourceVersion], span: Span) -> bool:
    """Written at `since` or later; current at some time between `low` and `high`."""
    if span.since is not None and version.last_updated < span.since:
        return False
    if span.high is not None and version.last_updated > span.high:
        return False
    later = [each for each in every if each.seq > version.seq]
    ended_at = min((each.last_updated for each in later), default=None)
    return span.low is None or ended_at is None or ended_at > span.low
