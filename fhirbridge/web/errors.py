"""The one place that turns errors into answers: always a status, and the findings.

Under /fhir they are an OperationOutcome, under /api `{"issues": [...]}` with the same content.

Source: R4 http.html#2.21.0.4 (status codes), operationoutcome.html
"""

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from fhirbridge import telemetry
from fhirbridge.access.refusals import TokenRefused
from fhirbridge.clock import new_id
from fhirbridge.errors import BridgeError, Issue, NotAuthenticated, NotSupported, Unavailable
from fhirbridge.fhir import wire, xml
from fhirbridge.fhir.outcome import to_outcome
from fhirbridge.interactions.supported import allowed_methods
from fhirbridge.web import auth, operations, request_ids, smart
from fhirbridge.web.exchange import HttpAnswer, HttpRequest
from fhirbridge.web.negotiation import error_form

_RETRY_AFTER_SECONDS = "5"

_CODES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    408: "timeout",
    413: "too-long",
    414: "too-long",
    415: "not-supported",
    429: "throttled",
    431: "too-long",
    503: "transient",
}
_WORDS = {
    404: "This server has nothing at this address.",
    405: "This address does not support the method.",
    413: "The body is larger than the limit of this server.",
}


def register(app: Flask) -> None:
    """Answer every error of this app."""
    app.register_error_handler(Exception, _answer)


def answer(error: Exception, asked: HttpRequest) -> HttpAnswer:
    """The answer to anything that was raised while a request was answered."""
    headers: dict[str, str] = {}
    if isinstance(error, TokenRefused):
        return smart.refuse(error)
    if isinstance(error, BridgeError):
        if isinstance(error, NotAuthenticated):
            headers["WWW-Authenticate"] = auth.challenge(asked)
        if isinstance(error, NotSupported):
            path = asked.path.strip("/").split("/")[1:]
            headers["Allow"] = ", ".join(allowed_methods(tuple(path)))
        if isinstance(error, Unavailable):
            headers["Retry-After"] = _RETRY_AFTER_SECONDS
        return _outcome(error.http_status, error.issues, headers, asked)
    if isinstance(error, HTTPException):
        status = error.code or 500
        words = _WORDS.get(status) or f"The request was refused: {error.name}."
        allowed = getattr(error, "valid_methods", None)
        if allowed:
            headers["Allow"] = ", ".join(sorted(allowed))
        issue = Issue(_CODES.get(status, "processing"), words)
        return _outcome(status, (issue,), headers, asked)
    reference = headers[request_ids.HEADER] = request_ids.given(asked) or new_id()
    telemetry.unexpected(error, f"{asked.method} request {reference}")
    words = f"The server failed; the fault is in its log as {reference}."
    issue = Issue("exception", words, severity="fatal")
    return _outcome(500, (issue,), headers, asked)


def _answer(error: Exception) -> Response:
    made = answer(error, HttpRequest(request.environ))
    return Response(made.body, status=made.status, headers=made.headers)


def _outcome(
    status: int, issues: tuple[Issue, ...], headers: dict[str, str], asked: HttpRequest
) -> HttpAnswer:
    if asked.path.startswith(f"{operations.PREFIX}/"):
        found = {"issues": [issue.to_json() for issue in issues]}
        body, content_type = wire.dump(found), operations.JSON
    else:
        form = error_form(asked.accept, asked.query_string)
        outcome = to_outcome(issues)
        body = xml.dump(outcome, pretty=form.pretty) if form.is_xml else wire.dump(outcome)
        content_type = form.media_type
    return HttpAnswer(status, {"Content-Type": content_type, **headers}, body)
