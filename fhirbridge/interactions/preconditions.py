"""If-Match, If-None-Match and If-Modified-Since.

Source: R4 http.html#concurrency, http.html#cread; RFC 9110 section 13
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from fhirbridge.errors import InvalidContent, Issue, PreconditionFailed
from fhirbridge.interactions.messages import FhirRequest
from fhirbridge.storage.history import Newest
from fhirbridge.storage.versions import ResourceVersion

# A bare version id is none, but fhirpy sends it, and on a read there is nothing to lose.
_READ_TAG = re.compile(r'(?:W/)?"([A-Za-z0-9\-.]{1,64})"|([0-9]{1,18})')
_ETAG = re.compile(r'(?:W/)?"([A-Za-z0-9\-.]{1,64})"')


def check_if_match(request: FhirRequest, current: ResourceVersion | None) -> None:
    """Refuse to change anything but the version that the caller has seen.

    Raises PreconditionFailed if the current version is another one or there is none, and
    InvalidContent if the header cannot be read. `If-None-Match: *` asks that there be none.
    """
    exists = current is not None and not current.deleted
    wanted = request.conditions.get("if-match")
    if wanted is not None:
        tags = _etags(wanted, "If-Match")
        if current is None or not exists or not ("*" in tags or str(current.version_id) in tags):
            raise PreconditionFailed(
                Issue("conflict", "If-Match does not name the current version; nothing is written.")
            )
    if request.conditions.get("if-none-match", "").strip() == "*" and exists:
        raise PreconditionFailed(
            Issue("conflict", "If-None-Match asks that there be no such resource, but there is.")
        )


def is_not_modified(request: FhirRequest, version: ResourceVersion) -> bool:
    """True if the caller already has this version, so that 304 is the answer.

    If-None-Match wins over If-Modified-Since. A date that cannot be read is ignored.
    Raises InvalidContent for an ETag that cannot be read.
    """
    if not request.conditions:
        return False
    tags = request.conditions.get("if-none-match")
    if tags is not None:
        known = _etags(tags, "If-None-Match", _READ_TAG)
        return "*" in known or str(version.version_id) in known
    since = _date(request.conditions.get("if-modified-since", ""))
    # HTTP dates have no fraction of a second.
    return since is not None and version.last_updated.replace(microsecond=0) <= since


def is_unchanged_history(request: FhirRequest, newest: Newest | None) -> bool:
    """True if nothing was added to a history since the answer that the caller already has.

    Whoever polls with a date gets a version of that very second again: another one may have been
    written in the same second since. Raises InvalidContent for an ETag that cannot be read.
    """
    tags = request.conditions.get("if-none-match")
    if tags is not None:
        known = _etags(tags, "If-None-Match", _READ_TAG)
        return newest is not None and ("*" in known or str(newest.seq) in known)
    since = _date(request.conditions.get("if-modified-since", ""))
    return since is not None and newest is not None and newest.last_updated < since


def _etags(header: str, name: str, form: re.Pattern[str] = _ETAG) -> frozenset[str]:
    if header.strip() == "*":
        return frozenset({"*"})
    tags = [form.fullmatch(part.strip()) for part in header.split(",")]
    if not all(tags):
        raise InvalidContent(
            Issue("invalid", f'{name} must be an ETag such as W/"3", or a list of them.')
        )
    return frozenset(tag[tag.lastindex or 1] for tag in tags if tag)


def _date(text: str) -> datetime | None:
    """An HTTP date, or the instant that a Bundle entry has in its place."""
    try:
        moment = datetime.fromisoformat(text) if text[:1].isdigit() else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
