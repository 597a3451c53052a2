"""What reading a value needs besides the value: the zone, our own base, and the present."""

from dataclasses import field
from datetime import UTC, datetime, tzinfo

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir.terminology import Terminology
from fhirbridge.records import record


@record()
class SearchContext:
    """Settings of index and query; both sides must use the same `zone` and `bases`.

    `zone` is for dates without one, `bases` are the URLs of our own FHIR base: absolute
    references below them are local. `now` matters for the prefix `ap` only, `terminology` for
    the modifiers that look at value sets and code systems.
    """

    zone: tzinfo = UTC
    bases: tuple[str, ...] = ()
    now: datetime = field(default=datetime(1970, 1, 1, tzinfo=UTC))
    terminology: Terminology | None = None


def invalid_search(message: str, *, code: str = "invalid") -> InvalidContent:
    """The error for a search that cannot be understood: HTTP 400."""
    return InvalidContent(Issue(code, message))
