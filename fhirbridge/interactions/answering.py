"""`answer`: carry out a request for a caller, and have it in the audit before it is answered.

A write is audited in its own transaction, everything else in one of its own; the group commit
shares the wait for the disk. Source: design.md section 9
"""

from dataclasses import replace

from fhirbridge.bridge import Bridge
from fhirbridge.consent.policy import Policy
from fhirbridge.disclosure.caller import Caller
from fhirbridge.disclosure.trail import Trail
from fhirbridge.errors import BridgeError, Issue
from fhirbridge.fhir import bundles, wire
from fhirbridge.fhir.outcome import to_outcome
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.dispatch import handle
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.supported import route
from fhirbridge.storage import audit

# The short statement of 42 CFR 2.32 travels with every answer about a patient.
NOTICE_HEADER = "Redisclosure-Notice"
# By what it leaves: the consents, or an exception (42 CFR 2.32(b), 2.51).
GROUNDS_HEADER = "Disclosed-Under"
# What stays of the same patients, if the policy lets it be told.
WITHHELD_HEADER = "Withheld"
_NOT_AUDITED = frozenset({"capabilities"})


def answer(request: FhirRequest, bridge: Bridge, base: str, caller: Caller) -> FhirResponse:
    """The answer to a request. Raises BridgeError, which is audited as well."""
    context = Context(bridge, base, caller=caller)
    wanted = bool(caller.client_id) or bridge.settings.audit == "all" or not context.gate.is_open
    if not wanted:
        return handle(request, context)
    found = route(request.method, request.path)
    wanted = found.interaction.code not in _NOT_AUDITED
    target = "/".join(part for part in (found.resource_type, found.resource_id) if part)
    trail = Trail(context.gate, found.interaction.code, target, wanted=wanted)
    context = replace(context, given_trail=trail)
    try:
        response = handle(request, context)
    except BridgeError as exc:
        _write(bridge, trail, exc.http_status)
        raise
    _write(bridge, trail, response.status)
    if not trail.discloses:
        return response
    stays = ""
    if bridge.policy.manifest != "nothing":
        with bridge.database.read() as session:
            stays = trail.manifest(session)
    return _noticed(response, trail, bridge.policy, stays)


def _write(bridge: Bridge, trail: Trail, status: int) -> None:
    if trail.wanted and not trail.is_written:
        bridge.database.together(audit.append, trail.event(status=status))


def _noticed(response: FhirResponse, trail: Trail, policy: Policy, stays: str) -> FhirResponse:
    headers = {
        **response.headers,
        NOTICE_HEADER: policy.notice.short,
        GROUNDS_HEADER: trail.grounds_in_short,
    }
    if stays:
        headers[WITHHELD_HEADER] = stays
    bundle = response.resource
    is_page = isinstance(bundle, dict) and bundle.get("type") == "searchset"
    if not is_page or not (response.entries or bundle.get("entry")):  # or no more than a number
        return replace(response, headers=headers)
    told = bundles.search_entry(
        to_outcome([Issue("informational", _told(trail, policy, stays), severity="information")]),
        full_url="",
        mode="outcome",
    )
    if "entry" in bundle:
        bundle = {**bundle, "entry": [*bundle["entry"], told]}
        return replace(response, headers=headers, resource=bundle)
    return replace(response, headers=headers, entries=(*response.entries, wire.dump(told)))


def _told(trail: Trail, policy: Policy, stays: str) -> str:
    """The notice, by which consents it leaves, and what stays. Source: 42 CFR 2.32"""
    told = f"{policy.notice.long} Disclosed under {trail.grounds}."
    return f"{told} Withheld: {stays}" if stays else told
