"""History: the versions of one resource, newest first.

Source: R4 http.html#history
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.storage import tables
from fhirbridge.storage.instants import to_millis
from fhirbridge.storage.session import Session, Statement
from fhirbridge.storage.versions import COLUMNS, ResourceVersion, version_of

_EVER = 2**62

_r = tables.resources.c
_v = tables.resource_versions.c
_later = tables.resource_versions.alias("later")
_WRITTEN = (
    _r.custodian_id == bindparam("custodian_id"),
    _r.resource_type == bindparam("resource_type"),
    _r.resource_id == bindparam("resource_id"),
    _v.last_updated >= bindparam("since"),
    _v.last_updated <= bindparam("until"),
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
_FROM = sa.join(tables.resources, tables.resource_versions, _v.resource_key == _r.key)
_PAGE = Statement(
    sa.select(*COLUMNS)
    .select_from(_FROM)
    .where(*_WRITTEN, _v.version_id < bindparam("before"))
    .order_by(_v.version_id.desc())
    .limit(bindparam("count", type_=sa.Integer))
)
_TOTAL = Statement(sa.select(sa.func.count()).select_from(_FROM).where(*_WRITTEN))


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


def history_instance(
    session: Session,
    custodian_id: int,
    resource_type: str,
    resource_id: str,
    *,
    count: int,
    before: int | None = None,
    span: Span | None = None,
) -> list[ResourceVersion]:
    """Versions with a number below `before`, newest first, at most `count`."""
    rows = session.rows(
        _PAGE,
        custodian_id=custodian_id,
        resource_type=resource_type,
        resource_id=resource_id,
        before=_EVER if before is None else before,
        count=count,
        **(span or Span()).parameters(),
    )
    return [version_of(row) for row in rows]


def history_total(
    session: Session,
    custodian_id: int,
    resource_type: str,
    resource_id: str,
    *,
    span: Span | None = None,
) -> int:
    """How many versions the history has on all its pages."""
    row = session.row(
        _TOTAL,
        custodian_id=custodian_id,
        resource_type=resource_type,
        resource_id=resource_id,
        **(span or Span()).parameters(),
    )
    return int(row[0]) if row else 0
