"""Versions as they leave: what the caller may see of them, under numbers that hide the rest.

A version in which only hidden elements changed is none for the caller: `versionId` and
`lastUpdated` are those of what was disclosed.
Source: design.md section 9
"""

from dataclasses import replace

from fhirbridge.clock import to_instant
from fhirbridge.consent.purposes import EMERGENCIES
from fhirbridge.disclosure.gate import Gate
from fhirbridge.disclosure.views import View
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import history
from fhirbridge.storage.history import Place
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion

_ALL = 100_000


def leaving(session: Session, gate: Gate, version: ResourceVersion) -> ResourceVersion | None:
    """A version as it leaves, labelled; None where it is hidden. A deletion leaves as one."""
    if gate.is_open:
        return version
    if not session.is_reader or gate.caller.purpose in EMERGENCIES:
        return _leaving(session, gate, version)  # not committed yet, or decided anew every time
    key = (version.seq, gate.recipient, gate.caller.purpose)
    known = gate.views.get(key, version)
    if known is not None and gate.holds(session, known.grounds):
        return known.shown
    with gate.noting() as grounds:
        shown = _leaving(session, gate, version)
    gate.views.keep(key, View(version, shown, grounds))
    return shown


def _leaving(session: Session, gate: Gate, version: ResourceVersion) -> ResourceVersion | None:
    if not gate.sees(session, version):
        return None
    if not version.deleted:
        shown = gate.shown(session, version)
        if shown is None:
            return None
        if version.version_id == 1:
            return _written(session, gate, version, shown)
    found = [each for each in disclosed(session, gate, version) if each.seq <= version.seq]
    return found[-1] if found else None


def leaving_version(
    session: Session, gate: Gate, current: ResourceVersion, version_id: int
) -> ResourceVersion | None:
    """One version by the number that the caller knows, of a resource whose current one is given."""
    if not gate.sees(session, current):
        return None
    every = disclosed(session, gate, current)
    return next((each for each in every if each.version_id == version_id), None)


def disclosed(session: Session, gate: Gate, version: ResourceVersion) -> list[ResourceVersion]:
    """All versions of a resource that differ for the caller, oldest first, numbered from 1."""
    place = Place(gate.place.custodian_id, version.resource_type, version.resource_id)
    stored = history.versions(session, place, count=_ALL)
    found: list[ResourceVersion] = []
    before: bytes | None = None
    for each in reversed(stored):
        if not gate.sees(session, each):
            continue
        shown = None if each.deleted else gate.shown(session, each)
        if shown is None and not (each.deleted and found):
            continue
        says = wire.canonical(_unnumbered(shown)) if shown is not None else b""
        if says == before:
            continue
        before = says
        numbered = replace(each, version_id=len(found) + 1)
        if shown is None:
            found.append(numbered)
        else:
            found.append(_written(session, gate, numbered, shown))
    return found


def _written(
    session: Session, gate: Gate, version: ResourceVersion, shown: Resource
) -> ResourceVersion:
    meta = {
        **shown.get("meta", {}),
        "versionId": str(version.version_id),
        "lastUpdated": to_instant(version.last_updated),
    }
    labelled = gate.labelled(session, version, {**shown, "meta": meta})
    return replace(version, content=wire.dump(labelled))


def _unnumbered(resource: Resource) -> Resource:
    hidden = ("versionId", "lastUpdated")
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in hidden}
    return {**resource, "meta": meta}
