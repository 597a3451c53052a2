"""The FHIR routes: an HTTP request becomes a FhirRequest, a FhirResponse the answer.

Source: R4 http.html
"""

from dataclasses import replace

from flask import Blueprint, Response, request
from werkzeug.http import http_date

from fhirbridge.bridge import Bridge
from fhirbridge.disclosure.caller import Caller
from fhirbridge.fhir import wire, xml
from fhirbridge.interactions import supported
from fhirbridge.interactions.answering import answer
from fhirbridge.interactions.messages import FhirRequest, FhirResponse, parse_query
from fhirbridge.web import auth, binaries, compression, hosts, negotiation
from fhirbridge.web.exchange import HttpAnswer, HttpRequest
from fhirbridge.web.negotiation import Form

PREFIX = "/fhir"

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def blueprint(bridge: Bridge) -> Blueprint:
    """The routes below PREFIX, for what the door in front of Flask does not take."""
    routes = Blueprint("fhir", __name__)

    def answer(path: str = "") -> Response:
        asked = HttpRequest(request.environ, read=lambda: request.get_data(cache=False))
        made = respond(asked, bridge, auth.caller())
        response = Response(made.body, status=made.status, headers=made.headers)
        if not made.body:
            del response.headers["Content-Type"]
        return response

    for rule in (PREFIX, f"{PREFIX}/", f"{PREFIX}/<path:path>"):
        routes.add_url_rule(rule, "fhir", answer, methods=METHODS, provide_automatic_options=False)
    return routes


def respond(asked: HttpRequest, bridge: Bridge, caller: Caller) -> HttpAnswer:
    """Answer a request below PREFIX. Raises BridgeError for whatever cannot be done."""
    settings = bridge.settings
    base = hosts.base_of(asked, settings, PREFIX)
    found, form = _read(asked, settings.max_body_bytes)
    return _write(answer(found, bridge, base, caller), base, form)


def _read(asked: HttpRequest, max_bytes: int) -> tuple[FhirRequest, Form]:
    query = parse_query(asked.query_string)
    method = "GET" if asked.method == "HEAD" else asked.method
    path = tuple(segment for segment in asked.path[len(PREFIX) :].split("/") if segment)
    # An address that means nothing is said to be that, whatever the form and the body are.
    route = supported.route(method, path)
    is_content = binaries.wants_content(route, asked.accept, query)
    form = Form(is_content=True) if is_content else negotiation.answer_form(asked.accept, query)
    found = FhirRequest(
        method=method,
        path=path,
        query=negotiation.without_form(query),
        conditions=asked.conditions,
        preferences=negotiation.preferences(asked.prefer),
    )
    body = compression.unpack(asked.read(), asked.content_encoding, max_bytes=max_bytes)
    if not body:
        return found, form
    content_type = asked.content_type
    if content_type is None:
        content_type = negotiation.FHIR_JSON
    if binaries.is_content(route):
        resource = binaries.read(
            body,
            content_type,
            route,
            security_context=asked.security_context,
            max_bytes=max_bytes,
        )
        return replace(found, resource=resource), form
    if path[-1:] == ("_search",):
        return _searched(found, body, content_type, form, asked.accept)
    if method in ("POST", "PUT", "PATCH"):
        media_type = negotiation.body_type(content_type, method)
        if media_type == negotiation.FHIR_XML:
            return replace(found, resource=xml.parse(body, max_bytes=max_bytes)), form
        found = replace(found, body=body, media_type=media_type)
    return found, form


def _searched(
    asked: FhirRequest, body: bytes, content_type: str, form: Form, accept: str
) -> tuple[FhirRequest, Form]:
    """A search by POST: the parameters of address and body together.

    Source: R4 http.html#search
    """
    negotiation.check_form(content_type)
    posted = parse_query(body)
    if any(name in ("_format", "_pretty") for name, _ in posted):
        form = negotiation.answer_form(accept, posted)
    return replace(asked, query=asked.query + negotiation.without_form(posted)), form


def _write(answer: FhirResponse, base: str, form: Form) -> HttpAnswer:
    body = answer.body(pretty=form.pretty and not form.is_xml)
    if body and form.is_xml:
        body = xml.dump(wire.parse(body), pretty=form.pretty)
    headers = {"Vary": "Accept"}
    if body:
        headers["Content-Type"] = form.media_type
    if body and form.is_content:
        binary = wire.parse(body)
        body = binaries.content_of(binary)
        headers.update(binaries.headers_of(binary))
        if not body:
            del headers["Content-Type"]
    if answer.version_id:
        headers["ETag"] = answer.etag
    if answer.last_modified and answer.status != 304:
        headers["Last-Modified"] = http_date(answer.last_modified)
    if answer.location:
        headers["Location"] = f"{base}/{answer.location}"
    headers.update(answer.headers)
    return HttpAnswer(answer.status, headers, body)
