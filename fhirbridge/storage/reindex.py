"""Rebuild what is derived from the current versions: index rows, patients, references."""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.storage import resources, tables
from fhirbridge.storage.database import Database
from fhirbridge.storage.resources import Circumstances
from fhirbridge.storage.session import Statement
from fhirbridge.storage.versions import COLUMNS, version_of

_BATCH = 200

_r = tables.resources.c
_v = tables.resource_versions.c
_AFTER = Statement(
    sa.select(*COLUMNS)
    .join_from(tables.resources, tables.resource_versions, _v.seq == _r.seq)
    .where(_r.custodian_id == bindparam("custodian_id"), _r.key > bindparam("after"))
    .order_by(_r.key)
    .limit(bindparam("count", type_=sa.Integer))
)


def reindex(
    database: Database, circumstances: Circumstances, *, report: Callable[[int], None]
) -> int:
    """Rebuild everything of one custodian in small transactions, so that writers get their turn.

    Calls `report` with the number of resources done; returns how many there are.
    """
    after, done = 0, 0
    while True:
        with database.transaction() as session:
            rows = session.rows(
                _AFTER, custodian_id=circumstances.custodian_id, after=after, count=_BATCH
            )
            for row in rows:
                resources.derive_again(session, circumstances, version_of(row))
        if not rows:
            return done
        after = rows[-1][0]
        done += len(rows)
        report(done)
