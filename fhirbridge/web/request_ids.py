"""X-Request-Id: the name under which a caller finds its request again, here and in its own log.

What the caller sends is sent back; a fault of ours gets one if the caller gave none.
Source: R4 http.html#custom
"""

import re

from flask import Flask, Response, request

from fhirbridge.web.exchange import HttpAnswer, HttpRequest

HEADER = "X-Request-Id"
_ID = re.compile(r"[!-~]{1,128}")


def register(app: Flask) -> None:
    """Send the id back with every answer of this app."""

    @app.after_request
    def mark_answer(response: Response) -> Response:
        found = given(HttpRequest(request.environ))
        if found:
            response.headers[HEADER] = found
        return response


def given(asked: HttpRequest) -> str:
    """The id that the caller gave to its request; "" if there is none that can be sent back."""
    text = asked.environ.get("HTTP_X_REQUEST_ID", "")
    return text if text and _ID.fullmatch(text) else ""


def mark(answer: HttpAnswer, asked: HttpRequest) -> None:
    """Send the id back with an answer."""
    found = given(asked)
    if found:
        answer.headers[HEADER] = found
