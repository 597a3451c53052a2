"""History: the versions of one resource, of one type, or of all, newest first.

Source: R4 http.html#history
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.storage import tables
from fhirbridge.storage.instants import from_millis, to_millis
from fhirbridge.storage.session import Session, Statement
from fhirbridge.storage.versions import COLUMNS, ResourceVersion, version_of

# Above this number of versions the total is left out.
MAX_COUNTED = 1000

_EVER = 2**62

_r = tables.resources.c
_v = tables.resource_versions.c
_later = tables.resource_versions.alias("later")
# The sum keeps an index by time from being used, which would sort all versions for one page.
_written_at = _v.last_updated + sa.literal_column("0")
_WRITTEN = (
    _v.seq >= bindparam("first"),
    _written_at >= bindparam("since", type_=sa.BigInteger),
    _written_at <= bindparam("until", type_=sa.BigInteger),
    # still current at `ended_after`: its successor was written later, or there is none
    sa.or_(
        bindparam("ended_after", type_=sa.BigInteger) <= -_EVER,
        ~sa.exists().where(
            _later.c.resource_key == _v.resource_key,
            _later.c.version_id == _v.version_id + 1,
            _later.c.last_updated <= bindparam("ended_after", type_=sa.BigInteger),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Whose history: of one resource, with `resource_id` "" of a type, without both of all."""

    custodian_id: int
    resource_type: str = ""
    resource_id: str = ""

    @property
    def level(self) -> str:
        """`instance`, `type` or `system`."""
        if self.resource_id:
            return "instance"
        return "type" if self.resource_type else "system"

    def parameters(self) -> dict[str, Any]:
        """The parameters of the statements of this level."""
        named = {"resource_type": self.resource_type, "resource_id": self.resource_id}
        given = {name: value for name, value in named.items() if value}
        return {"custodian_id": self.custodian_id, **given}


@dataclass(frozen=True, slots=True)
class Span:
    """Which versions: written at `since` or later; current at some time in [low, high]."""

    since: datetime | None = None
    low: datetime | None = None
    high: datetime | None = None

    def parameters(self) -> dict[str, int]:
        """The parameters of the statements."""
        return {
            "since": to_millis(self.since) if self.since else -_EVER,
            "until": to_millis(self.high) if self.high else _EVER,
            "ended_after": to_millis(self.low) if self.low else -_EVER,
        }


@dataclass(frozen=True, slots=True)
class Newest:
    """The last version of a history: its number, and when it was written."""

    seq: int
    last_updated: datetime


class _Level:
    """The statements of one level."""

    def __init__(self, source: Any, *where: Any) -> None:
        written = (*where, *_WRITTEN)
        self.page = Statement(
            sa.select(*COLUMNS)
            .select_from(source)
            .where(*written, _v.seq < bindparam("before"))
            .order_by(_v.seq.desc())
            .limit(bindparam("count", type_=sa.Integer))
        )
        counted = sa.select(_v.seq).select_from(source).where(*written)
        limited = counted.limit(bindparam("limit", type_=sa.Integer)).subquery()
        self.total = Statement(sa.select(sa.func.count()).select_from(limited))
        self.newest = Statement(
            sa.select(_v.seq, _v.last_updated)
            .select_from(source)
            .where(*where)
            .order_by(_v.seq.desc())
            .limit(bindparam("limit", type_=sa.Integer))
        )


_OF_TYPE = (
    _v.custodian_id == bindparam("custodian_id"),
    _v.resource_type == bindparam("resource_type"),
)
_LEVELS = {
    # In the order of the numbers; the sum again keeps out an index with another order.
    "system": _Level(
        tables.resource_versions,
        _v.custodian_id + sa.literal_column("0") == bindparam("custodian_id", type_=sa.Integer),
    ),
    "type": _Level(tables.resource_versions, *_OF_TYPE),
    "instance": _Level(
        sa.join(tables.resources, tables.resource_versions, _v.resource_key == _r.key),
        _r.custodian_id == bindparam("custodian_id"),
        _r.resource_type == bindparam("resource_type"),
        _r.resource_id == bindparam("resource_id"),
    ),
}
_ANY_TIME = Span()
_recent = (
    sa.select(_v.seq)
    .where(_v.custodian_id == bindparam("custodian_id"), _v.last_updated >= bindparam("since"))
    .limit(bindparam("limit", type_=sa.Integer))
    .subquery()
)
_FIRST = Statement(sa.select(sa.func.min(_recent.c.seq), sa.func.count()).select_from(_recent))
_FEW = 10_000


def versions(
    session: Session,
    place: Place,
    *,
    count: int,
    before: int | None = None,
    span: Span = _ANY_TIME,
) -> list[ResourceVersion]:
    """Versions whose `seq` is below `before`, newest first, at most `count`."""
    rows = session.rows(
        _LEVELS[place.level].page,
        before=_EVER if before is None else before,
        count=count,
        first=_first(session, place, span),
        **place.parameters(),
        **span.parameters(),
    )
    return [version_of(row) for row in rows]


def total(session: Session, place: Place, *, span: Span = _ANY_TIME) -> int | None:
    """How many versions the history has on all its pages; None above MAX_COUNTED."""
    row = session.row(
        _LEVELS[place.level].total,
        limit=MAX_COUNTED + 1,
        first=_first(session, place, span),
        **place.parameters(),
        **span.parameters(),
    )
    found = int(row[0]) if row else 0
    return found if found <= MAX_COUNTED else None


def newest(session: Session, place: Place) -> Newest | None:
    """The last version that was written; None where there never was one."""
    row = session.row(_LEVELS[place.level].newest, limit=1, **place.parameters())
    return Newest(int(row[0]), from_millis(row[1])) if row else None


def _first(session: Session, place: Place, span: Span) -> int:
    """A number that no version of the span is below, so that polling reads only what is new.

    Clocks may be set back, so the order of times is not that of the numbers.
    """
    if span.since is None or place.resource_id:
        return 0
    since = span.parameters()["since"]
    row = session.row(_FIRST, custodian_id=place.custodian_id, since=since, limit=_FEW)
    if row is None or row[1] >= _FEW:  # nearly everything is new: any page is found at once
        return 0
    return int(row[0] or 0)
