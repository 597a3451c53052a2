"""What all tables share: the collection of tables, column types, and the columns of every row."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, MetaData

metadata = MetaData()

# SQLite makes a row id only of a column declared INTEGER.
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# PostgreSQL may sort text by language; FHIR ids, codes and URIs compare by code point.
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def custodian() -> Column[int]:
    """Whose row it is."""
    return Column("custodian_id", sa.Integer, ForeignKey("custodians.id"), nullable=False)


def scope() -> list[Column[Any]]:
    """What disclosure asks about a row: whose record it is of, and which class of content."""
    return [
        Column("patient_key", sa.BigInteger, nullable=False),  # keys.patient_key_of
        Column("content_class", Text, nullable=False, server_default=""),
    ]


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index of some rows of a custodian only; a query has to say `where` in these words."""
    condition = sa.text(where)
    return Index(name, "custodian_id", *columns, sqlite_where=condition, postgresql_where=condition)
