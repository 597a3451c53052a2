"""patch, also conditional: JSON Patch or FHIRPath Patch on what is stored.

Over HTTP the Content-Type tells which it is; in a Bundle a Binary holds a JSON Patch.
Source: R4 http.html#patch, fhirpatch.html
"""

import base64
import binascii
from dataclasses import replace

from fhirbridge.errors import InvalidContent, Issue, NotFound
from fhirbridge.fhir import wire
from fhirbridge.fhir.narrative import is_generated, narrate
from fhirbridge.interactions import conditional, patch_fhirpath, patch_json
from fhirbridge.interactions.answers import written
from fhirbridge.interactions.context import Context, Unit
from fhirbridge.interactions.gate import accept
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.preconditions import check_if_match
from fhirbridge.interactions.read import existing, refuse_parameters
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import Json, Resource
from fhirbridge.storage.versions import ResourceVersion


def patch(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Change the stored resource as the body says; a result that changes nothing is not written.

    Raises NotFound or Gone without one, and InvalidContent for a patch that cannot be applied
    (422) or whose result would be refused as an update.
    """
    refuse_parameters(request)
    with context.writing() as unit:
        current = unit.read(route.resource_type, route.resource_id)
        existing(unit.as_seen(current), route)
        return _change(request, context, unit, existing(current, route))


def conditional_patch(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Change the one match. Raises NotFound without one, PreconditionFailed for several."""
    with context.writing() as unit:
        match = conditional.one_match(unit, context, route.resource_type, criteria=request.query)
        if match is None:
            raise NotFound(Issue("not-found", "The conditional criteria match nothing to patch."))
        return _change(request, context, unit, match)


def _change(
    request: FhirRequest, context: Context, unit: Unit, current: ResourceVersion
) -> FhirResponse:
    seen = unit.as_seen(current) or current
    check_if_match(request, seen)
    patched = _patched(request, wire.parse(seen.content), context)
    if not isinstance(patched, dict):
        raise InvalidContent(Issue("structure", "The patch leaves no resource."))
    if request.relink is not None:
        patched = request.relink(patched)
    identity = (patched.get("resourceType"), patched.get("id"))
    if identity != (current.resource_type, current.resource_id):
        raise InvalidContent(
            Issue("business-rule", "A patch may change neither the resourceType nor the id.")
        )
    result = replace(request, resource=patched, checked=False)
    resource = accept(result, context, current.resource_type)
    resource = _narrated(resource, wire.parse(seen.content))
    version = unit.save(resource, resource_id=current.resource_id, current=current, method="PATCH")
    return written(request, version, status=200)


def _narrated(patched: Resource, before: Resource) -> Resource:
    """A generated text that the patch left alone is made again: it must say what is so now.

    Source: R4 narrative.html (the text and the content agree)
    """
    text = before.get("text")
    if not is_generated(text) or patched.get("text") != text or patched == before:
        return patched
    return {**patched, "text": narrate(patched)}


def _patched(request: FhirRequest, resource: Resource, context: Context) -> Json:
    max_bytes = context.bridge.settings.max_body_bytes
    if request.media_type == patch_json.MEDIA_TYPE:
        return patch_json.apply(resource, wire.parse_array(request.body, max_bytes=max_bytes))
    asked = request.content(max_bytes=max_bytes)
    if asked.get("resourceType") == "Parameters":
        return patch_fhirpath.apply(resource, asked)
    if asked.get("resourceType") == "Binary":
        return patch_json.apply(resource, wire.parse_array(_data(asked), max_bytes=max_bytes))
    raise InvalidContent(
        Issue("invalid", "A patch is Parameters, or a JSON Patch; in a Bundle, a Binary with one.")
    )


def _data(binary: Resource) -> bytes:
    data, content_type = binary.get("data"), binary.get("contentType")
    if content_type != patch_json.MEDIA_TYPE or not isinstance(data, str):
        raise InvalidContent(
            Issue("value", f"A Binary that is a patch has data of {patch_json.MEDIA_TYPE}.")
        )
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidContent(Issue("value", "The data of the Binary is not base64.")) from exc
