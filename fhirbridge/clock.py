"""Time and new ids. Both are passed in where they are used, so that tests can fix them."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
NewId: TypeAlias = Callable[[], str]


def now() -> datetime:
    """The present instant in UTC, in whole milliseconds (the precision of `meta.lastUpdated`)."""
    instant = datetime.now(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def new_id() -> str:
    """A fresh random id, valid as a FHIR `id`."""
    return str(uuid.uuid4())


def to_instant(moment: datetime) -> str:
    """Write an aware datetime as a FHIR `instant` in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
