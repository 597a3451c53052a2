"""Who of outside wrote a version of a Task or an Appointment, until it was taken in.

The organization of the client; what the custodian's own systems write has no row.
"""

import sqlalchemy as sa

from fhirbridge.consent.recipient import Recipient
from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import writers
from fhirbridge.storage.versions import ResourceVersion

_w = writers.c


def note(
    session: Session, custodian_id: int, version: ResourceVersion, recipient: Recipient
) -> None:
    """Keep which organization wrote this version."""
    session.execute(
        sa.insert(writers).values(
            custodian_id=custodian_id,
            reference=version.reference,
            version=str(version.version_id),
            organization=to_json(recipient),
        )
    )


def writer_of(
    session: Session, custodian_id: int, reference: str, version: str
) -> Recipient | None:
    """The organization that wrote this version; None for the custodian itself."""
    mine = _mine(custodian_id, reference, version)
    return from_json(session.execute(sa.select(_w.organization).where(mine)).scalar())


def forget(session: Session, custodian_id: int, reference: str, version: str) -> None:
    """The version was taken in."""
    session.execute(sa.delete(writers).where(_mine(custodian_id, reference, version)))


def to_json(recipient: Recipient) -> JsonObject:
    """Name and identifiers of an organization, as they are kept."""
    return {
        "name": recipient.name,
        "identifiers": [list(one) for one in recipient.identifiers],
    }


def from_json(data: JsonObject | None) -> Recipient | None:
    """The same, read back; None for nothing."""
    if not data:
        return None
    named = tuple((str(system), str(value)) for system, value in data["identifiers"])
    return Recipient(str(data["name"]), named)


def _mine(custodian_id: int, reference: str, version: str) -> sa.ColumnElement[bool]:
    return (_w.custodian_id == custodian_id) & (_w.reference == reference) & (_w.version == version)
