"""gzip for requests and answers, requests never beyond the limit of a body.

Source: RFC 9110 sections 8.4 and 12.5.3, R4 http.html#general
"""

import gzip
import zlib
from functools import lru_cache

from flask import Flask, Response, request
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from fhirbridge.errors import InvalidContent, Issue, TooLarge, UnsupportedMedia
from fhirbridge.web.exchange import HttpAnswer

# Below it the packet is the same.
_MIN_BYTES = 1000
_LEVEL = 1
_TEXTS = ("application/", "text/")
_GZIP = zlib.MAX_WBITS | 16


def read_body(*, max_bytes: int) -> bytes:
    """The body of Flask's request, unpacked. Raises what `unpack` raises."""
    encoding = request.headers.get("Content-Encoding", "")
    return unpack(request.get_data(cache=False), encoding, max_bytes=max_bytes)


def unpack(body: bytes, content_encoding: str, *, max_bytes: int) -> bytes:
    """The body of a request, unpacked.

    Raises TooLarge for more than `max_bytes` unpacked, UnsupportedMedia for another encoding than
    gzip, InvalidContent for one that is damaged.
    """
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity") or not body:
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise UnsupportedMedia(
            Issue("not-supported", "The Content-Encoding of the body must be gzip, or none.")
        )
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as exc:
        raise InvalidContent(Issue("structure", "The body is not valid gzip.")) from exc
    if len(unpacked) > max_bytes:
        raise TooLarge(
            Issue("too-long", f"The unpacked body is larger than the limit of {max_bytes} bytes.")
        )
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidContent(Issue("structure", "The body is not valid gzip."))
    return unpacked


def register(app: Flask) -> None:
    """Pack the answers of this app for callers who accept it."""
    app.after_request(_pack)


def pack(answer: HttpAnswer, accept_encoding: str) -> None:
    """Pack the body of an answer if the caller accepts that and it is worth it."""
    headers = answer.headers
    if not headers.get("Content-Type", "").startswith(_TEXTS):
        return
    answer.vary("Accept-Encoding")
    if "Content-Encoding" not in headers and _is_worth_it(answer.body, accept_encoding):
        answer.body = gzip.compress(answer.body, _LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"


def _pack(response: Response) -> Response:
    if response.is_streamed or not (response.content_type or "").startswith(_TEXTS):
        return response
    response.vary.add("Accept-Encoding")
    body = response.get_data()
    accepted = request.headers.get("Accept-Encoding", "")
    if "Content-Encoding" not in response.headers and _is_worth_it(body, accepted):
        response.set_data(gzip.compress(body, _LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _is_worth_it(body: bytes, accept_encoding: str) -> bool:
    return len(body) >= _MIN_BYTES and bool(accept_encoding) and _takes_gzip(accept_encoding)


@lru_cache(maxsize=256)
def _takes_gzip(accept_encoding: str) -> bool:
    return parse_accept_header(accept_encoding, Accept).quality("gzip") > 0
