"""The feed of changes: versions in the order of their commit, and who has read how far."""

from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.storage.session import Session, Statement
from fhirbridge.storage.tables import feed_positions, resource_versions
from fhirbridge.storage.versions import COLUMNS, ResourceVersion, version_of

_v = resource_versions.c
_p = feed_positions.c


@lru_cache(maxsize=8)
def _after(types: tuple[str, ...]) -> Statement:
    return Statement(
        sa.select(*COLUMNS)
        .select_from(resource_versions)
        .where(
            _v.custodian_id == bindparam("custodian_id"),
            _v.seq > bindparam("seq"),
            sa.or_(*(_v.resource_type == sa.literal_column(f"'{each}'") for each in types)),
        )
        .order_by(_v.seq)
        .limit(bindparam("count", type_=sa.Integer))
    )


def after(
    session: Session, custodian_id: int, seq: int, *, types: tuple[str, ...], limit: int = 100
) -> list[ResourceVersion]:
    """Versions of these resource types behind a number, oldest first."""
    rows = session.rows(_after(types), custodian_id=custodian_id, seq=seq, count=limit)
    return [version_of(row) for row in rows]


def newest(session: Session, custodian_id: int, *, types: tuple[str, ...]) -> int:
    """The number of the last version of these types; 0 if there is none."""
    query = sa.select(sa.func.max(_v.seq)).where(
        _v.custodian_id == custodian_id, _v.resource_type.in_(types)
    )
    return int(session.execute(query).scalar() or 0)


def position(session: Session, custodian_id: int, reader: str) -> int:
    """How far a reader has come; 0 if it never read."""
    mine = (_p.custodian_id == custodian_id) & (_p.reader == reader)
    return int(session.execute(sa.select(_p.seq).where(mine)).scalar() or 0)


def advance(session: Session, custodian_id: int, reader: str, *, known: int, seq: int) -> bool:
    """Note how far a reader has come; False if another process was there first."""
    mine = (_p.custodian_id == custodian_id) & (_p.reader == reader)
    moved = sa.update(feed_positions).where(mine & (_p.seq == known)).values(seq=seq)
    if session.execute(moved).rowcount:
        return True
    if session.execute(sa.select(_p.seq).where(mine)).scalar() is not None:
        return False
    session.execute(
        sa.insert(feed_positions).values(custodian_id=custodian_id, reader=reader, seq=seq)
    )
    return True
