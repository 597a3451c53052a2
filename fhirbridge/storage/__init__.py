"""The database. Functions take the session first and never commit; SQLAlchemy lives here only."""
