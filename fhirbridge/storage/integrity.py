"""References among resources of this server: kept on write, checked before the commit.

Source: R4 references.html#literal, http.html#delete; fhir-rest.md section 2, last paragraph
"""

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from itertools import islice

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import references
from fhirbridge.jsontypes import Resource
from fhirbridge.records import record
from fhirbridge.storage import tables
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session, Statement

# A record of what happened keeps its references, and never stands in the way of a deletion.
RECORDS = ("AuditEvent", "Provenance")

MAX_REFERRERS = 10

_r = tables.resources.c
_l = tables.local_references.c
_CLEAR = Statement(sa.delete(tables.local_references).where(_l.resource_key == bindparam("of_key")))
_INSERT = Statement(
    sa.insert(tables.local_references), columns=("target_key", "resource_key", "custodian_id")
)
_DANGLING = Statement(
    sa.select(_l.resource_key, _l.target_key).where(
        _l.resource_key.between(bindparam("first"), bindparam("last")),
        ~sa.exists().where(
            _r.custodian_id == _l.custodian_id,
            _r.reference_key == _l.target_key,
            _r.deleted == sa.false(),
        ),
    )
)
_REFERRERS = Statement(
    sa.select(_r.resource_type, _r.resource_id)
    .join_from(tables.local_references, tables.resources, _l.resource_key == _r.key)
    .where(
        _l.target_key == bindparam("target_key"),
        _l.custodian_id == bindparam("custodian_id"),
        _r.reference_key != _l.target_key,
        *(_r.resource_type != sa.literal_column(f"'{name}'") for name in RECORDS),
    )
    .limit(bindparam("most", type_=sa.Integer))
)
_MANY = 1_000_000

_v = tables.resource_versions.c
_VERSION = Statement(
    sa.select(_v.seq)
    .join_from(tables.resources, tables.resource_versions, _v.resource_key == _r.key)
    .where(
        _r.custodian_id == bindparam("custodian_id"),
        _r.resource_type == bindparam("resource_type"),
        _r.resource_id == bindparam("resource_id"),
        _v.version_id == bindparam("version_id"),
    )
)


@record()
class LocalReference:
    """A reference to a resource of this server, and the FHIRPath where it stands.

    `version_id` is "" unless the reference names a version.
    """

    path: str
    target: str
    version_id: str = ""


def local_references(resource: Resource, bases: tuple[str, ...]) -> Iterator[LocalReference]:
    """References to this server, in contained resources too, but not inside a stored Bundle.

    Raises InvalidContent for a conditional reference: only a transaction can resolve it.
    """
    if resource.get("resourceType") == "Bundle":
        return
    for found in references.walk(resource):
        text = found.reference.get("reference")
        if not isinstance(text, str):
            continue
        target = _target(text, bases)
        if target is None:
            raise InvalidContent(
                Issue(
                    "invalid",
                    "A conditional reference can only stand in a transaction.",
                    expression=(f"{found.path}.reference",),
                )
            )
        if target:
            version_id = references.parse(text).version_id
            yield LocalReference(f"{found.path}.reference", target, version_id)


def write(
    session: Session, key: int, custodian_id: int, resource: Resource, bases: tuple[str, ...]
) -> None:
    """Keep the local references of a resource's current version."""
    if resource.get("resourceType") == "Bundle":
        return
    targets = set()
    for text in set(references.literals(resource)):
        target = _target(text, bases)
        if target is None:  # it is refused, naming its place
            targets = {found.target for found in local_references(resource, bases)}
            break
        if target:
            targets.add(target)
    if targets:
        rows = [(target, key, custodian_id) for target in sorted(map(key_of, targets))]
        session.add(_INSERT, rows)


@lru_cache(maxsize=4096)
def _target(text: str, bases: tuple[str, ...]) -> str | None:
    """`Type/id` if it is a resource of this server, "" if not, None for a conditional reference."""
    reference = references.parse(text)
    if reference.kind == "conditional":
        return None
    is_local = reference.kind == "relative" or (
        reference.kind == "absolute"
        and reference.resource_id
        and reference.base.rstrip("/") in bases
    )
    return f"{reference.resource_type}/{reference.resource_id}" if is_local else ""


def clear(session: Session, key: int) -> None:
    """Forget the references of a resource."""
    session.rows(_CLEAR, of_key=key)


def dangling(session: Session, keys: Collection[int]) -> dict[int, set[int]]:
    """By the keys of resources: keys of targets that do not exist, or are deleted, now."""
    found: dict[int, set[int]] = {}
    for first, last in _runs(keys):
        for key, target in session.rows(_DANGLING, first=first, last=last):
            found.setdefault(key, set()).add(target)
    return found


def has_version(session: Session, custodian_id: int, reference: LocalReference) -> bool:
    """False if the reference names a version that never was."""
    number = reference.version_id
    if not number:
        return True
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return False
    name, _, resource_id = reference.target.partition("/")
    rows = session.rows(
        _VERSION,
        custodian_id=custodian_id,
        resource_type=name,
        resource_id=resource_id,
        version_id=int(number),
    )
    return bool(rows)


def _runs(keys: Collection[int]) -> Iterator[tuple[int, int]]:
    """First and last of what follows one another: resources written together do."""
    run: list[int] = []
    for key in sorted(keys):
        if run and key != run[-1] + 1:
            yield run[0], run[-1]
            run = []
        run.append(key)
    if run:
        yield run[0], run[-1]


def referrers(
    session: Session,
    custodian_id: int,
    target: str,
    *,
    seen: Callable[[str], bool] | None = None,
) -> list[str]:
    """Up to MAX_REFERRERS + 1 others that refer to `target` (`Type/id`), records left out.

    With `seen` only those count for which it is true: the rest must not be told of.
    """
    most = _MANY if seen else MAX_REFERRERS + 1
    rows = session.rows(_REFERRERS, custodian_id=custodian_id, target_key=key_of(target), most=most)
    names = (f"{row[0]}/{row[1]}" for row in rows)
    return sorted(islice((name for name in names if seen is None or seen(name)), MAX_REFERRERS + 1))
