"""Put the public forms of what is ours under /fhir: once for each change of the packs.

They are ordinary resources of the custodian, read and searched like all others; only this writes
them. Source: style.md section 1; R4 canonicalresource
"""

from dataclasses import dataclass

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.published import is_ours, published
from fhirbridge.documents.stored import circumstances_of
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import resources
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion


@dataclass(frozen=True, slots=True)
class Published:
    """References of what was written, and of ids that hold a resource of somebody else."""

    written: tuple[str, ...]
    taken: tuple[str, ...]


def publish(bridge: Bridge) -> Published:
    """Store the public forms that are new or changed; everything else stays untouched.

    An id under which someone else has stored another resource is left to them.
    """
    forms = list(published(bridge.mappings))
    with bridge.database.read() as session:
        changed = [one for one in forms if not _is_stored(bridge, session, one)]
    if not changed:
        return Published((), ())
    written: list[str] = []
    taken: list[str] = []
    circumstances = circumstances_of(bridge)
    with bridge.database.transaction() as session:
        for form in changed:
            current = _current(bridge, session, form)
            reference = f"{form['resourceType']}/{form['id']}"
            if current is None:
                resources.create(session, circumstances, form, resource_id=form["id"], method="PUT")
            elif current.deleted or is_ours(wire.parse(current.content), bridge.settings.base):
                resources.update(session, circumstances, form, current=current)
            else:
                taken.append(reference)
                continue
            written.append(reference)
    return Published(tuple(written), tuple(taken))


def _is_stored(bridge: Bridge, session: Session, form: Resource) -> bool:
    current = _current(bridge, session, form)
    if current is None or current.deleted:
        return False
    return resources.says_the_same(form, wire.parse(current.content))


def _current(bridge: Bridge, session: Session, form: Resource) -> ResourceVersion | None:
    return resources.read(session, bridge.custodian.id, str(form["resourceType"]), str(form["id"]))
