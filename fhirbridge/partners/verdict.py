"""What an answer means for a delivery: Delivered, Retry, Refused or Unknown. Pure.

Texts of the partner are never repeated, because they may quote the record: only issue codes,
expressions and statuses are kept. Source: R4 http.html#transaction-response; RFC 9110.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from fhirbridge.errors import InvalidContent, TooLarge
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.http import Answer, Exchange, NoAnswer


@dataclass(frozen=True, slots=True)
class Finding:
    """One issue of a partner, without its text. `entry` is the place in what was sent, or -1."""

    code: str
    severity: str = "error"
    expression: tuple[str, ...] = ()
    entry: int = -1


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one entry is now: its relative reference, and its version ("" if it was not said)."""

    location: str
    created: bool
    version: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Everything asked for is there; `placed` has one item per entry, in order."""

    placed: tuple[Placed, ...] = ()
    status: int = 200


@dataclass(frozen=True, slots=True)
class Retry:
    """Certainly not done; to be tried again."""

    error_class: str
    status: int | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly not done, and trying again would not help; `hint` says what may."""

    error_class: str
    status: int
    hint: str
    findings: tuple[Finding, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been done: the partner has to be asked first."""

    error_class: str
    status: int | None = None
    retry_after_seconds: float | None = None


Verdict = Delivered | Retry | Refused | Unknown

_LONGEST_SECONDS = 30 * 86_400.0
_HINTS: dict[int, tuple[str, str]] = {
    400: ("invalid", "The partner found the content invalid; see the findings."),
    401: ("not-authenticated", "The partner asks for credentials; check its registration."),
    403: ("forbidden", "The partner does not allow it; ask for the right to write."),
    404: ("not-a-fhir-base", "There is no FHIR server at this address; check the partner's URL."),
    405: ("not-supported", "The partner does not offer this interaction; fetch its capabilities."),
    406: ("not-acceptable", "The partner does not answer in FHIR JSON."),
    410: ("gone", "The partner's server is closed; ask for its new address."),
    412: ("several-matches", "The partner holds several resources with one identifier."),
    413: ("too-large", "The partner does not take Bundles of this size."),
    415: ("unsupported-media", "The partner does not take FHIR JSON."),
    422: ("unprocessable", "The content breaks a rule of the partner; see the findings."),
    501: ("not-supported", "The partner does not offer this interaction; fetch its capabilities."),
}


def read_body(answer: Answer) -> Resource | None:
    """The resource in an answer, or None when there is none or it cannot be read."""
    try:
        resource = wire.parse(answer.body, max_bytes=50_000_000) if answer.body else None
    except (InvalidContent, TooLarge):
        return None
    return resource if resource and isinstance(resource.get("resourceType"), str) else None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds of a Retry-After header, given as seconds or as a date; None without one.

    At most a month: whatever a partner asks for, there is an instant to try again.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), _LONGEST_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_SECONDS)


def findings_of(outcome: Resource | None, entry: int = -1) -> tuple[Finding, ...]:
    """The issues of an OperationOutcome, without texts; the entry is read from the expression."""
    if not outcome or outcome.get("resourceType") != "OperationOutcome":
        return ()
    found = []
    for issue in outcome.get("issue") or []:
        if not isinstance(issue, dict) or issue.get("severity") not in ("fatal", "error"):
            continue
        places = [text for text in issue.get("expression") or [] if isinstance(text, str)]
        expression = tuple(text for text in places if _is_plain_path(text))
        place = entry if entry >= 0 else _entry_of(expression)
        code = issue.get("code")
        found.append(
            Finding(
                code
                if isinstance(code, str) and re.fullmatch(r"[a-z-]{1,40}", code)
                else "unknown",
                str(issue["severity"]),
                expression,
                place,
            )
        )
    return tuple(found)


def _is_plain_path(text: str) -> bool:
    """A FHIRPath that names elements only: one with a literal might quote the record."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.\[\]]{0,200}", text) is not None


def _entry_of(expression: Sequence[str]) -> int:
    for text in expression:
        match = re.match(r"Bundle\.entry\[(\d{1,5})\]", text)
        if match:
            return int(match.group(1))
    return -1


def relative(location: str) -> str:
    """`Type/id` out of a Location, absolute or relative, with or without `_history`; else ""."""
    match = re.search(
        r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/?#]+)?/?$", location.strip()
    )
    return f"{match.group(1)}/{match.group(2)}" if match else ""


def version_of(location: str, etag: str) -> str:
    """The version id in a Location or an ETag, "" if neither has one.

    Source: R4 http.html#versioning
    """
    match = re.search(r"/_history/([A-Za-z0-9\-.]{1,64})/?$", location.strip()) or re.fullmatch(
        r'(?:W/)?"([A-Za-z0-9\-.]{1,64})"', etag.strip()
    )
    return match.group(1) if match else ""


def _placed(response: JsonObject, created: bool) -> Placed:
    location = str(response.get("location") or "")
    version = version_of(location, str(response.get("etag") or ""))
    return Placed(relative(location), created, version)


def judge(exchange: Exchange, *, entries: int, now: datetime) -> Verdict:
    """Judge the answer to a transaction of so many entries."""
    if not isinstance(exchange, Answer):
        return _judge_silence(exchange)
    if exchange.status not in (200, 201):
        return judge_failure(exchange, now=now)
    answers = _responses(exchange, "transaction-response")
    if answers is None:
        return Unknown("unreadable-answer", exchange.status)
    if len(answers) != entries:
        return Unknown("answer-incomplete", exchange.status)
    placed = []
    for response in answers:
        code = _status_of(response)
        if code not in (200, 201, 204):
            return Unknown("answer-incomplete", exchange.status)
        placed.append(_placed(response, code == 201))
    return Delivered(tuple(placed), exchange.status)


def judge_batch(exchange: Exchange, *, entries: int, now: datetime) -> Verdict | list[Verdict]:
    """Judge the answer to a batch: one verdict per entry, or one for the whole request."""
    if not isinstance(exchange, Answer):
        return _judge_silence(exchange)
    if exchange.status not in (200, 201):
        return judge_failure(exchange, now=now)
    answers = _responses(exchange, "batch-response")
    if answers is None or len(answers) != entries:
        return Unknown("unreadable-answer", exchange.status)
    verdicts: list[Verdict] = []
    for index, response in enumerate(answers):
        code = _status_of(response)
        if code in (200, 201, 204):
            verdicts.append(Delivered((_placed(response, code == 201),), code))
        else:
            outcome = response.get("outcome")
            part = Answer(code, {}, wire.dump(outcome) if isinstance(outcome, dict) else b"")
            verdicts.append(judge_failure(part, now=now, entry=index))
    return verdicts


def judge_create(exchange: Exchange, *, now: datetime, location: str = "") -> Verdict:
    """Judge the answer to one create or update; `location` is where it was sent, if known."""
    if not isinstance(exchange, Answer):
        return _judge_silence(exchange)
    if exchange.status not in (200, 201, 204):
        return judge_failure(exchange, now=now)
    said = exchange.headers.get("Location") or exchange.headers.get("Content-Location") or ""
    place = relative(said)
    version = version_of(said, exchange.headers.get("ETag", ""))
    if not place and not location:
        body = read_body(exchange)
        if body and body["resourceType"] != "OperationOutcome" and isinstance(body.get("id"), str):
            place = f"{body['resourceType']}/{body['id']}"
    placed = Placed(place or location, exchange.status == 201, version)
    return Delivered((placed,), exchange.status)


def judge_failure(answer: Answer, *, now: datetime, entry: int = -1) -> Verdict:
    """Judge any answer that is not a success.

    409 and the 5xx leave open whether something was done; 429 and 503 certainly did nothing.
    """
    status = answer.status
    wait = retry_after(answer.headers, now)
    if status in (425, 429, 503):
        return Retry("too-busy", status, wait)
    if status == 409:
        return Unknown("conflict", status, wait)
    if status == 408 or (status >= 500 and status not in _HINTS):
        return Unknown("partner-failed", status, wait)
    if 300 <= status < 400:
        hint = "The partner sends us to another address; register that one."
        return Refused("redirected", status, hint)
    if status >= 400 or status in _HINTS:
        error_class, hint = _HINTS.get(status, ("refused", "The partner refuses it."))
        return Refused(error_class, status, hint, findings_of(read_body(answer), entry))
    return Unknown("unreadable-answer", status)


def _judge_silence(silence: NoAnswer) -> Verdict:
    return Unknown(silence.error_class) if silence.sent else Retry(silence.error_class)


def _responses(
    answer: Answer, kind: Literal["transaction-response", "batch-response"]
) -> list[JsonObject] | None:
    bundle = read_body(answer)
    if not bundle or bundle.get("resourceType") != "Bundle" or bundle.get("type") != kind:
        return None
    entries = bundle.get("entry") or []
    if not isinstance(entries, list):
        return None
    return [
        entry["response"]
        if isinstance(entry, dict) and isinstance(entry.get("response"), dict)
        else {}
        for entry in entries
    ]


def _status_of(response: JsonObject) -> int:
    match = re.match(r"\d{3}", str(response.get("status") or ""))
    return int(match.group()) if match else 500
