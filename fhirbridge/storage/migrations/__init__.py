"""The schema as steps from each version to the next, carried out by Alembic. See README.md.

A fresh database takes all the steps too, so that there is one way to a schema.
"""

from pathlib import Path

import sqlalchemy as sa

from fhirbridge.errors import Issue, Misconfigured
from fhirbridge.storage.session import Session

_FOLDER = Path(__file__).parent
# A revision is named by its file, and their order is that of the names.
REVISIONS = tuple(sorted(path.stem for path in (_FOLDER / "versions").glob("v*.py")))
HEAD = REVISIONS[-1]

_VERSION = sa.table("alembic_version", sa.column("version_num"))
# Before Alembic, the number of the schema stood in a table of its own.
_OLD_VERSION = sa.table("schema_info", sa.column("version"))
_BEFORE_ALEMBIC = {1: "v0003_handoffs"}


def revision_of(session: Session) -> str:
    """The revision of the schema, "" if there is none."""
    inspector = sa.inspect(session.connection)
    if inspector.has_table(_VERSION.name):
        return session.execute(sa.select(_VERSION.c.version_num)).scalar() or ""
    if inspector.has_table(_OLD_VERSION.name):
        number = session.execute(sa.select(_OLD_VERSION.c.version)).scalar()
        return _BEFORE_ALEMBIC.get(number or 0, str(number))
    return ""


def check(session: Session) -> None:
    """Raise Misconfigured unless the schema is there and the one that this program needs."""
    found = revision_of(session)
    _refuse_unknown(found)
    if not found:
        raise _misconfigured("The database has no schema. Run `fhirbridge db upgrade`.")
    if found != HEAD:
        raise _misconfigured(
            f"The database has schema {found}, this program needs {HEAD}."
            " Run `fhirbridge db upgrade`."
        )


def upgrade(session: Session, target: str = HEAD) -> None:
    """Take the steps that are missing up to `target`.

    Raises Misconfigured if the schema is a newer one.
    """
    # Alembic is slow to import, and most starts have no step to take.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    found = revision_of(session)
    _refuse_unknown(found)
    script = ScriptDirectory(str(_FOLDER))
    environment = EnvironmentContext(
        Config(), script, fn=lambda revision, _: script._upgrade_revs(target, revision)
    )
    environment.configure(connection=session.connection)
    if found in _BEFORE_ALEMBIC.values():
        environment.get_context().stamp(script, found)
    environment.run_migrations()


def _refuse_unknown(found: str) -> None:
    if found and found not in REVISIONS:
        raise _misconfigured(
            f"The database has schema {found}, which this program does not know: it is made for"
            f" {HEAD}. Install the version of fhirbridge that wrote it, or a newer one."
        )


def _misconfigured(text: str) -> Misconfigured:
    return Misconfigured(Issue("exception", text))
