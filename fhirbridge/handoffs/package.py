"""The package as it leaves: sealed with its document, and printed with a code to answer under.

Both are made from what is allowed to leave, so that nothing withheld can be inside.
"""

from base64 import b32encode
from datetime import datetime
from hashlib import sha256

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.composition import seal
from fhirbridge.fhir import bundles
from fhirbridge.jsontypes import Resource
from fhirbridge.rendering.packet import packet_html


def code_of(handoff_id: str) -> str:
    """The short code of a handoff, for the phone and for paper: eight letters and digits."""
    text = b32encode(sha256(handoff_id.encode()).digest()[:5]).decode()
    return f"{text[:4]}-{text[4:]}"


def printed(bridge: Bridge, bundle: Resource, handoff_id: str, *, recipient: str = "") -> str:
    """The packet of a handoff as one HTML page, with the notice that its receiver is owed."""
    return packet_html(
        bundle,
        code=code_of(handoff_id),
        sender=next(iter(bundles.resources_of(bundle, "Organization")), {}),
        recipient=recipient,
        notice=bridge.policy.notice.long if bridge.settings.part2 else "",
    )


def sealed(
    bridge: Bridge,
    bundle: Resource,
    *,
    kind: str,
    handoff: str,
    version: int,
    at: datetime,
) -> Resource:
    """The Bundle with Composition and DocumentReference; `at` is when it was enqueued."""
    return seal(
        bundle,
        kind=kind,
        handoff=handoff,
        version=version,
        namespace=bridge.custodian.namespace,
        base=bridge.settings.base,
        at=at,
        packet=printed(bridge, bundle, handoff),
    )


def frozen_hash(bundle: Resource) -> str:
    """The SHA-256 of the frozen document inside a sealed Bundle, "" if there is none."""
    for reference in reversed(list(bundles.resources_of(bundle, "DocumentReference"))):
        attachment = (reference.get("content") or [{}])[0].get("attachment") or {}
        for one in attachment.get("extension") or []:
            if str(one.get("url", "")).endswith("/StructureDefinition/sha-256"):
                return str(one.get("valueString") or "")
    return ""
