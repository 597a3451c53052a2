"""The FHIR routes: a Flask request becomes a FhirRequest, a FhirResponse the answer.

Source: R4 http.html
"""

from dataclasses import replace

from flask import Blueprint, Response, request
from werkzeug.http import http_date

from fhirbridge.bridge import Bridge
from fhirbridge.fhir import wire, xml
from fhirbridge.interactions import supported
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.dispatch import handle
from fhirbridge.interactions.messages import FhirRequest, FhirResponse, parse_query
from fhirbridge.web import auth, compression, negotiation
from fhirbridge.web.negotiation import Form

PREFIX = "/fhir"

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def blueprint(bridge: Bridge) -> Blueprint:
    """The routes below PREFIX."""
    routes = Blueprint("fhir", __name__)

    def answer(path: str = "") -> Response:
        base = bridge.settings.public_url or request.host_url.rstrip("/") + PREFIX
        asked, form = _read(path, bridge.settings.max_body_bytes)
        return _write(handle(asked, Context(bridge, base, caller=auth.caller())), base, form)

    for rule in (PREFIX, f"{PREFIX}/", f"{PREFIX}/<path:path>"):
        routes.add_url_rule(rule, "fhir", answer, methods=METHODS, provide_automatic_options=False)
    return routes


def _read(path: str, max_bytes: int) -> tuple[FhirRequest, Form]:
    query = parse_query(request.query_string)
    form = negotiation.answer_form(request.headers.get("Accept", ""), query)
    asked = FhirRequest(
        method="GET" if request.method == "HEAD" else request.method,
        path=tuple(segment for segment in path.split("/") if segment),
        query=negotiation.without_form(query),
        conditions=negotiation.conditions({k.lower(): v for k, v in request.headers.items()}),
        preferences=negotiation.preferences(request.headers.getlist("Prefer")),
    )
    # An address that means nothing is said to be that, whatever the body is.
    supported.route(asked.method, asked.path)
    body = compression.read_body(max_bytes=max_bytes)
    if not body:
        return asked, form
    content_type = request.headers.get("Content-Type", negotiation.FHIR_JSON)
    if asked.path[-1:] == ("_search",):
        return _searched(asked, body, content_type, form)
    if asked.method in ("POST", "PUT", "PATCH"):
        media_type = negotiation.body_type(content_type, asked.method)
        if media_type == negotiation.FHIR_XML:
            return replace(asked, resource=xml.parse(body, max_bytes=max_bytes)), form
        asked = replace(asked, body=body, media_type=media_type)
    return asked, form


def _searched(
    asked: FhirRequest, body: bytes, content_type: str, form: Form
) -> tuple[FhirRequest, Form]:
    """A search by POST: the parameters of address and body together.

    Source: R4 http.html#search
    """
    negotiation.check_form(content_type)
    posted = parse_query(body)
    if any(name in ("_format", "_pretty") for name, _ in posted):
        form = negotiation.answer_form(request.headers.get("Accept", ""), posted)
    return replace(asked, query=asked.query + negotiation.without_form(posted)), form


def _write(answer: FhirResponse, base: str, form: Form) -> Response:
    body = answer.body(pretty=form.pretty and not form.is_xml)
    if body and form.is_xml:
        body = xml.dump(wire.parse(body, max_bytes=len(body)), pretty=form.pretty)
    response = Response(body, status=answer.status)
    headers = response.headers
    response.vary.add("Accept")
    if body:
        headers["Content-Type"] = form.media_type
    else:
        del headers["Content-Type"]
    if answer.etag:
        headers["ETag"] = answer.etag
    if answer.last_modified:
        headers["Last-Modified"] = http_date(answer.last_modified)
    if answer.location:
        headers["Location"] = f"{base}/{answer.location}"
    for name, value in answer.headers.items():
        headers[name] = value
    return response
