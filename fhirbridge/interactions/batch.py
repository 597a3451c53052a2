"""batch: entries that succeed or fail on their own. Source: R4 http.html#transaction"""

from dataclasses import replace

from fhirbridge import telemetry
from fhirbridge.errors import BridgeError, InvalidContent, Issue, TooLarge
from fhirbridge.fhir import bundles
from fhirbridge.interactions.context import Context, Handle
from fhirbridge.interactions.entries import read_entry, refuse, respond, within
from fhirbridge.interactions.messages import FhirRequest, FhirResponse, Preferences
from fhirbridge.interactions.transaction import transaction
from fhirbridge.jsontypes import JsonObject, Resource


def bundle(request: FhirRequest, context: Context, handle: Handle) -> FhirResponse:
    """Carry out a Bundle posted to the base: batch or transaction."""
    settings = context.bridge.settings
    posted = request.content(max_bytes=settings.max_body_bytes)
    if posted.get("resourceType") != "Bundle":
        raise InvalidContent(Issue("invalid", "Only a Bundle can be posted to the base address."))
    entries = posted.get("entry", [])
    if not isinstance(entries, list):
        raise InvalidContent(
            Issue("structure", "Bundle.entry must be a list.", expression=("Bundle.entry",))
        )
    if len(entries) > settings.max_bundle_entries:
        raise TooLarge(
            Issue(
                "too-costly",
                f"A Bundle may have at most {settings.max_bundle_entries} entries.",
                expression=("Bundle.entry",),
            )
        )
    if posted.get("type") == "transaction":
        return transaction(request, context, posted, handle)
    if posted.get("type") == "batch":
        return _batch(request, context, posted, handle)
    raise InvalidContent(
        Issue(
            "value",
            "A Bundle posted to the base address must have the type batch or transaction.",
            expression=("Bundle.type",),
        )
    )


def _batch(
    request: FhirRequest, context: Context, posted: Resource, handle: Handle
) -> FhirResponse:
    preferences = request.preferences
    if not preferences.returned:
        preferences = replace(preferences, returned="minimal")
    context.trail.is_shared = True
    answers = [_answer(entry, context, preferences, handle) for entry in bundles.entries_of(posted)]
    return FhirResponse(status=200, resource=bundles.batch_response(answers))


def _answer(
    entry: bundles.BundleEntry, context: Context, preferences: Preferences, handle: Handle
) -> JsonObject:
    try:
        found = read_entry(entry, preferences)
        return respond(found, handle(found.request, context), context.base)
    except BridgeError as exc:
        return refuse(within(exc, entry.index))
    except Exception as exc:  # one bad entry never fails the rest
        telemetry.unexpected(exc, "An entry of a batch")
        return refuse(BridgeError(Issue("exception", "The server failed on this entry.")))
