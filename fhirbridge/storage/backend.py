"""What the two kinds of databases do differently."""

from typing import Protocol

import sqlalchemy as sa

from fhirbridge.storage.session import Session


class Backend(Protocol):
    """Opens connections, and begins and ends what is done on them."""

    engine: sa.Engine

    def act_for(self, custodian_id: int) -> None:
        """Show connections the rows of this custodian from their next transaction on."""

    def writer(self) -> Session:
        """A new connection to write with."""

    def reader(self) -> Session:
        """A new connection to read with."""

    def migrator(self) -> Session:
        """A new connection to change tables with."""

    def begin_write(self, session: Session) -> None:
        """Wait for the turn of this process among all, and begin."""

    def end_write(self) -> None:
        """Let the next process in, after the commit."""

    def begin_read(self, session: Session) -> None:
        """Begin a snapshot."""

    def prepare_glance(self, session: Session) -> None:
        """Get ready for one statement outside of a snapshot."""

    def in_transaction(self, session: Session) -> bool:
        """True until it is committed or rolled back."""

    def is_lost(self, session: Session) -> bool:
        """True if the connection cannot be used any more."""

    def is_fault_of_database(self, error: BaseException) -> bool:
        """True if the database could not be used now, and may be later."""

    def before_migration(self, session: Session) -> None:
        """Make the tables ready to be changed."""

    def after_migration(self, session: Session) -> None:
        """Check and protect the tables as they are now."""

    def close(self) -> None:
        """Give everything back."""
