"""gzip for requests and answers, requests never beyond the limit of a body.

Source: RFC 9110 sections 8.4 and 12.5.3, R4 http.html#general
"""

import gzip
import zlib

from flask import Flask, Response, request

from fhirbridge.errors import InvalidContent, Issue, TooLarge, UnsupportedMedia

# Below it the packet is the same.
_MIN_BYTES = 1000
_LEVEL = 1
_TEXTS = ("application/", "text/")
_GZIP = zlib.MAX_WBITS | 16


def read_body(*, max_bytes: int) -> bytes:
    """The body of the request, unpacked.

    Raises TooLarge for more than `max_bytes` unpacked, UnsupportedMedia for another encoding than
    gzip, InvalidContent for one that is damaged.
    """
    body = request.get_data(cache=False)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity" or not body:
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


def _pack(response: Response) -> Response:
    if response.is_streamed or not (response.content_type or "").startswith(_TEXTS):
        return response
    response.vary.add("Accept-Encoding")
    body = response.get_data()
    is_packed = "Content-Encoding" in response.headers
    if is_packed or len(body) < _MIN_BYTES or not request.accept_encodings.quality("gzip"):
        return response
    response.set_data(gzip.compress(body, _LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    return response
