"""Which resources each document made, and what it states about those that it shares.

A statement is what one document says about a resource that other documents may speak of too. Equal
statements have equal hashes, so that a facility named by ten thousand documents costs one look-up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.storage import tables
from fhirbridge.storage.instants import from_millis
from fhirbridge.storage.session import Session, Statement

_l = tables.document_resources.c

OWN = 0  # the statement of a resource that no other document speaks of

_ABOUT = (
    _l.custodian_id == bindparam("custodian_id"),
    _l.resource_type == bindparam("resource_type"),
    _l.resource_id == bindparam("resource_id"),
    _l.document_id != bindparam("except_of"),
)
# Both walk the index of statements, so that the number of documents does not count.
_NEXT_STATEMENT = Statement(
    sa.select(_l.statement)
    .where(*_ABOUT, _l.statement > bindparam("last"))
    .order_by(_l.statement)
    .limit(1)
)
_NEWEST_HOLDER = Statement(
    sa.select(_l.document_id, _l.updated_at)
    .where(*_ABOUT, _l.statement == bindparam("stated"))
    .order_by(_l.updated_at.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that a document has, or had: then it is `withdrawn`."""

    resource_type: str
    resource_id: str
    statement: int = OWN
    withdrawn: bool = False

    @property
    def reference(self) -> str:
        """`Type/id`."""
        return f"{self.resource_type}/{self.resource_id}"


@dataclass(frozen=True, slots=True)
class Holder:
    """The newest document that makes a statement."""

    statement: int
    document_id: int
    updated_at: datetime


def made_by(session: Session, document_id: int) -> list[Made]:
    """Every resource that a document has made."""
    query = sa.select(_l.resource_type, _l.resource_id, _l.statement, _l.withdrawn).where(
        _l.document_id == document_id
    )
    return [
        Made(row.resource_type, row.resource_id, row.statement, bool(row.withdrawn))
        for row in session.execute(query)
    ]


def others_hold(session: Session, custodian_id: int, document_id: int, reference: str) -> bool:
    """True if another document also made this resource and still has it."""
    query = (
        sa.select(_l.document_id)
        .where(*_about(custodian_id, reference), _l.document_id != document_id)
        .where(_l.withdrawn.is_(False))
    )
    return session.execute(query.limit(1)).first() is not None


def is_made(session: Session, custodian_id: int, reference: str) -> bool:
    """True if a document made this resource."""
    query = sa.select(_l.document_id).where(*_about(custodian_id, reference))
    return session.execute(query.limit(1)).first() is not None


def statements_about(
    session: Session, custodian_id: int, reference: str, *, except_of: int = 0, limit: int = 50
) -> list[Holder]:
    """The different statements about a resource with their newest holders, newest first.

    `except_of` is a document that is not asked; `limit` bounds how many statements are looked at.
    """
    resource_type, _, resource_id = reference.partition("/")
    about = {
        "custodian_id": custodian_id,
        "resource_type": resource_type,
        "resource_id": resource_id,
        "except_of": except_of,
    }
    found: list[Holder] = []
    last = OWN
    while len(found) < limit and (row := session.row(_NEXT_STATEMENT, last=last, **about)):
        last = row[0]
        newest = session.row(_NEWEST_HOLDER, stated=last, **about)
        if newest is not None:
            found.append(Holder(last, newest[0], from_millis(newest[1])))
    return sorted(found, key=lambda holder: (holder.updated_at, holder.statement), reverse=True)


def link(
    session: Session,
    custodian_id: int,
    document_id: int,
    made: Iterable[Made],
    *,
    updated_at: datetime,
) -> None:
    """Say which resources a document has now, and which it had."""
    session.execute(sa.delete(tables.document_resources).where(_l.document_id == document_id))
    rows = [
        {
            "document_id": document_id,
            "resource_type": one.resource_type,
            "resource_id": one.resource_id,
            "custodian_id": custodian_id,
            "withdrawn": one.withdrawn,
            "statement": one.statement,
            "updated_at": updated_at,
        }
        for one in made
    ]
    if rows:
        session.execute(sa.insert(tables.document_resources), rows)


def _about(custodian_id: int, reference: str) -> tuple[sa.ColumnElement[bool], ...]:
    resource_type, _, resource_id = reference.partition("/")
    return (
        _l.custodian_id == custodian_id,
        _l.resource_type == resource_type,
        _l.resource_id == resource_id,
    )
