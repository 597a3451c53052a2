"""What a request says about form: Accept, _format, Content-Type, Prefer, conditions.

Source: R4 http.html#mime-type, http.html#general, http.html#ops
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from fhirbridge.errors import BridgeError, InvalidContent, Issue, NotAcceptable, UnsupportedMedia
from fhirbridge.interactions.messages import Pairs, Preferences, parse_query
from fhirbridge.interactions.patch_json import MEDIA_TYPE as JSON_PATCH

FHIR_JSON = "application/fhir+json"
JSON = "application/json"
FHIR_XML = "application/fhir+xml"
XML = "application/xml"
FORM = "application/x-www-form-urlencoded"

# media type asked for -> media type answered with
_ANSWERED = {
    FHIR_JSON: FHIR_JSON,
    JSON: JSON,
    "application/json+fhir": FHIR_JSON,
    "text/json": JSON,
    FHIR_XML: FHIR_XML,
    XML: XML,
    "application/xml+fhir": FHIR_XML,
    "text/xml": FHIR_XML,
    "application/*": FHIR_JSON,
    "*/*": FHIR_JSON,
}
_FORMATS = {
    "json": FHIR_JSON,
    "xml": FHIR_XML,
    **{name: form for name, form in _ANSWERED.items() if "*" not in name},
}
_XML_BODIES = frozenset({FHIR_XML, XML, "application/xml+fhir", "text/xml"})
_JSON_BODIES = frozenset({FHIR_JSON, JSON, "application/json+fhir", "text/json"})
_VERSIONS = frozenset({"4.0", "4.0.1"})

# Parameters that say how to write the answer.
_SHAPING = frozenset({"_format", "_pretty"})


@dataclass(frozen=True, slots=True)
class Form:
    """How to write the answer."""

    media_type: str = FHIR_JSON
    pretty: bool = False
    is_content: bool = False  # not a resource, but what a Binary holds

    @property
    def is_xml(self) -> bool:
        """True for the XML form, else it is JSON."""
        return self.media_type in _XML_BODIES


@dataclass(frozen=True, slots=True)
class _Media:
    name: str
    parameters: Mapping[str, str]


def answer_form(accept: str, query: Pairs) -> Form:
    """The form of the answer: `_format` wins over Accept. Raises NotAcceptable."""
    if not any(name in _SHAPING for name, _ in query):
        return _accepted(accept)
    given = dict(query)
    pretty = _pretty(given.get("_pretty", "false"))
    wanted = given.get("_format")
    if wanted is not None:
        # A plus sign in a query is a blank once decoded.
        media = _parse_media(wanted.replace(" ", "+"))
        found = _FORMATS.get(media.name)
        if found is None or not _is_our_version(media):
            raise _not_acceptable("_format")
        return Form(found, pretty)
    return Form(_accepted(accept).media_type, pretty)


@lru_cache(maxsize=256)
def _accepted(accept: str) -> Form:
    if not accept.strip():
        return Form()
    for media in _by_preference(accept):
        if media.name in _ANSWERED and _is_our_version(media):
            return Form(_ANSWERED[media.name])
    raise _not_acceptable("Accept")


@lru_cache(maxsize=256)
def prefers_fhir(accept: str) -> bool:
    """True if what the header Accept names first is a format of ours, not just anything.

    Source: R4 binary.html#rest
    """
    listed = _by_preference(accept) if accept.strip() else []
    return bool(listed) and "*" not in listed[0].name and listed[0].name in _ANSWERED


def is_fhir(media_type: str) -> bool:
    """True for a type under which a resource may be sent."""
    return media_type in _JSON_BODIES or media_type in _XML_BODIES


def without_form(query: Pairs) -> Pairs:
    """The parameters that say what is asked, without those that say how to write it."""
    return tuple(pair for pair in query if pair[0] not in _SHAPING)


def body_type(content_type: str, method: str) -> str:
    """What a body in UTF-8 is: "" for FHIR JSON, FHIR_XML, or the media type of a JSON Patch.

    Raises UnsupportedMedia for all others.
    """
    media = _parse_media(content_type)
    is_patch = method == "PATCH" and media.name == JSON_PATCH
    is_xml = media.name in _XML_BODIES
    if media.name not in _JSON_BODIES and not is_patch and not is_xml:
        expected = f"{FHIR_JSON} or {FHIR_XML}"
        if method == "PATCH":
            expected = f"{FHIR_JSON}, {FHIR_XML} or {JSON_PATCH}"
        raise UnsupportedMedia(
            Issue("not-supported", f"The Content-Type of the body must be {expected}.")
        )
    if media.parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia(Issue("not-supported", "The charset of the body must be utf-8."))
    if not _is_our_version(media):
        raise UnsupportedMedia(Issue("not-supported", "The body must be FHIR 4.0."))
    if is_xml:
        return FHIR_XML
    return JSON_PATCH if is_patch else ""


def error_form(accept: str, query_string: bytes) -> Form:
    """The form of an error: as asked for, where that can be understood, else FHIR JSON."""
    try:
        form = answer_form(accept, parse_query(query_string))
    except BridgeError:
        return Form()
    return form if form.is_xml else Form()


def check_form(content_type: str) -> None:
    """Raise UnsupportedMedia unless the body is that of a search by POST."""
    if _parse_media(content_type).name != FORM:
        raise UnsupportedMedia(
            Issue("not-supported", f"A search by POST has a body of the type {FORM}.")
        )


@lru_cache(maxsize=256)
def preferences(header: str) -> Preferences:
    """Read the header Prefer; what is not known is ignored, as RFC 7240 wants it."""
    found: dict[str, str] = {}
    for part in header.replace(";", ",").split(","):
        name, _, value = part.partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    wanted = found.get("return", "").lower()
    lenient = found.get("handling", "").lower() == "lenient"
    if wanted == "minimal":
        return Preferences("minimal", lenient)
    if wanted == "representation":
        return Preferences("representation", lenient)
    if wanted == "operationoutcome":
        return Preferences("OperationOutcome", lenient)
    return Preferences("", lenient)


def _parse_media(text: str) -> _Media:
    name, *rest = text.split(";")
    parameters = {}
    for part in rest:
        key, _, value = part.partition("=")
        parameters[key.strip().lower()] = value.strip().strip('"')
    return _Media(name.strip().lower(), parameters)


def _by_preference(accept: str) -> list[_Media]:
    """Media types of an Accept header, the preferred first, the excluded left out."""
    weighted = []
    for part in accept.split(","):
        media = _parse_media(part)
        try:
            weight = float(media.parameters.get("q", "1"))
        except ValueError:
            weight = 0.0
        if weight > 0:
            # Between equals the more specific one counts. Source: RFC 9110 section 12.5.1
            weighted.append((weight, -media.name.count("*"), media))
    return [media for _, _, media in sorted(weighted, key=lambda item: item[:2], reverse=True)]


def _is_our_version(media: _Media) -> bool:
    return media.parameters.get("fhirversion", "4.0") in _VERSIONS


def _pretty(text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidContent(Issue("invalid", "_pretty must be true or false."))
    return text == "true"


def _not_acceptable(where: str) -> NotAcceptable:
    known = f"{FHIR_JSON}, {JSON}, {FHIR_XML} or {XML}"
    return NotAcceptable(Issue("not-supported", f"{where} asks for a format other than {known}."))
