"""Everything under /api: the operations of documents, handoffs and partners, and their docs."""

from functools import cache

from flask import Blueprint, Response

from fhirbridge.bridge import Bridge
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.web import (
    api_docs,
    case_api,
    consent_api,
    handoff_api,
    native_api,
    openapi,
    operations,
    partner_api,
)


def blueprint(bridge: Bridge) -> Blueprint:
    """The routes below /api."""
    table = (
        *native_api.operations(bridge),
        *handoff_api.operations(bridge),
        *case_api.operations(bridge),
        *partner_api.operations(bridge),
        *consent_api.operations(bridge),
    )
    routes = operations.blueprint(table, max_bytes=bridge.settings.max_body_bytes)

    @cache
    def described() -> JsonObject:
        return openapi.describe(table, open_to_all=bridge.settings.auth == "none")

    @routes.get("/openapi.json")
    def openapi_json() -> Response:
        return Response(wire.dump(described()), content_type=operations.JSON)

    @routes.get("/docs")
    def docs() -> Response:
        return Response(
            api_docs.render(described()),
            content_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )

    return routes
