"""What a partner has from us already: places and contents of earlier deliveries."""

from fhirbridge.fhir import bundles, wire
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.plan import Held
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import outbox_rows
from fhirbridge.storage.session import Session


def held_by(
    session: Session, custodian_id: int, partner: Partner, *, patient_key: int, bundle: Resource
) -> dict[str, Held]:
    """By fullUrl, what was delivered to this partner for this patient and is in the Bundle again.

    Ids of our resources never change, so that the fullUrl tells; the newest delivery wins. What
    went to another address of the partner does not count.
    """
    wanted = {
        entry.full_url: wire.canonical(entry.resource)
        for entry in bundles.entries_of(bundle)
        if entry.resource is not None
    }
    held: dict[str, Held] = {}
    for row in outbox_rows.delivered_to(
        session, custodian_id, partner.name, patient_key=patient_key
    ):
        fresh = wanted.keys() & row.result.keys() - held.keys()
        if not fresh:
            continue
        attempts = outbox_rows.attempts_of(session, custodian_id, row.id)
        if not attempts or attempts[-1].details.get("to") != partner.base_url:
            continue
        versions: dict[str, str] = {}
        for one in attempts:
            versions |= one.details.get("versions") or {}
        body = wire.parse(outbox_rows.body_of(session, custodian_id, row.id), max_bytes=100_000_000)
        for entry in bundles.entries_of(body):
            if entry.full_url in fresh and entry.resource is not None:
                same = wire.canonical(entry.resource) == wanted[entry.full_url]
                held[entry.full_url] = Held(
                    row.result[entry.full_url],
                    unchanged=same,
                    version=versions.get(entry.full_url, ""),
                )
    return held
