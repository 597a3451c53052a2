"""The floor of `python -m benchmarks --only rest`: bare WSGI over SQLite at full durability.

What nobody can do without in this language on this machine: HTTP, one query, one durable commit.
No validation, no negotiation, no conditions, no history but one row, five index rows a resource.
Writers share commits as those of fhirbridge do. With `--audit` every request also commits one
audit row before it is answered. `python -m benchmarks.floor FILE PORT [--audit]`
"""

import fcntl
import os
import sqlite3
import sys
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from fhirbridge.web.server import BLOCKING_THREADS

WORKERS = 2
INDEX_ROWS = 5
_FILE, _AUDIT = "FLOOR_FILE", "FLOOR_AUDIT"
_TABLES = """
CREATE TABLE IF NOT EXISTS resource (
  key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, patient TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS version (
  key INTEGER PRIMARY KEY, id TEXT NOT NULL, version INTEGER NOT NULL, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS entry (
  parameter INTEGER, value INTEGER, key INTEGER, PRIMARY KEY (parameter, value, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS of_patient ON resource (patient);
CREATE TABLE IF NOT EXISTS audit (key INTEGER PRIMARY KEY, caller TEXT, what TEXT, at INTEGER);
"""
_HEADERS = [("Content-Type", "application/fhir+json")]
Start = Callable[[str, list[tuple[str, str]]], object]


class Floor:
    """The WSGI application."""

    def __init__(self, path: str, *, audit: bool) -> None:
        self._path = path
        self._audit = audit
        self._readers: deque[sqlite3.Connection] = deque()
        self._writer = self._connect()
        self._writer.executescript(_TABLES)
        self._lock_file = os.open(f"{path}.writer", os.O_RDWR | os.O_CREAT, 0o600)
        self._turn = threading.Lock()
        self._count_lock = threading.Lock()
        self._waiting = 0
        self._group: threading.Event | None = None

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "POST":
            posted = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            made = self._store(posted)
            start("200 OK" if posted["resourceType"] == "Bundle" else "201 Created", _HEADERS)
            return [made]
        if environ["QUERY_STRING"]:
            found = self._search(environ["QUERY_STRING"])
        else:
            found = self._read(path.rpartition("/")[2])
        if self._audit:
            self._write(lambda writer: _note(writer, path))
        start("200 OK", _HEADERS)
        return [found]

    def _connect(self) -> sqlite3.Connection:
        made = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        made.execute("PRAGMA busy_timeout=30000")
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("PRAGMA synchronous=FULL")
        return made

    def _query(self, sql: str, *parameters: object) -> list[Any]:
        try:
            reader = self._readers.pop()
        except IndexError:
            reader = self._connect()
        try:
            return reader.execute(sql, parameters).fetchall()
        finally:
            self._readers.append(reader)

    def _read(self, resource_id: str) -> bytes:
        found: bytes = self._query("SELECT content FROM resource WHERE id = ?", resource_id)[0][0]
        return found

    def _search(self, query: str) -> bytes:
        patient = query.rpartition("=")[2]
        rows = self._query("SELECT content FROM resource WHERE patient = ? LIMIT 20", patient)
        entries = b",".join(b'{"resource":' + row[0] + b"}" for row in rows)
        return b'{"resourceType":"Bundle","type":"searchset","entry":[' + entries + b"]}"

    def _store(self, posted: dict[str, Any]) -> bytes:
        if posted["resourceType"] != "Bundle":
            stored = _stored(posted, str(uuid.uuid4()))
            self._write(lambda writer: self._insert(writer, [stored]))
            return stored[2]
        ids = {entry["fullUrl"]: str(uuid.uuid4()) for entry in posted["entry"]}
        resources = []
        for entry in posted["entry"]:
            subject = entry["resource"].get("subject")
            if subject:
                subject["reference"] = f"Patient/{ids[subject['reference']]}"
            resources.append(_stored(entry["resource"], ids[entry["fullUrl"]]))
        self._write(lambda writer: self._insert(writer, resources))
        answers = [{"response": {"status": "201 Created", "location": r[0]}} for r in resources]
        return orjson.dumps({"resourceType": "Bundle", "entry": answers})

    def _insert(self, writer: sqlite3.Connection, rows: list[tuple[str, str, bytes]]) -> None:
        for resource_id, patient, content in rows:
            key = writer.execute(
                "INSERT INTO resource (id, patient, content) VALUES (?, ?, ?)",
                (resource_id, patient, content),
            ).lastrowid
            writer.execute(
                "INSERT INTO version (id, version, content) VALUES (?, 1, ?)",
                (resource_id, content),
            )
            entries = [(n, hash((n, patient)) >> 1, key) for n in range(INDEX_ROWS)]
            writer.executemany("INSERT INTO entry VALUES (?, ?, ?)", entries)
        if self._audit:
            _note(writer, "create")

    def _write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do it inside the open transaction; the last of those who wait commits for all."""
        with self._count_lock:
            self._waiting += 1
        with self._turn:
            with self._count_lock:
                self._waiting -= 1
            if self._group is None:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX)
                self._writer.execute("BEGIN IMMEDIATE")
                self._group = threading.Event()
            group = self._group
            work(self._writer)
            if self._waiting == 0:
                self._writer.execute("COMMIT")
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
                self._group = None
                group.set()
        group.wait()


def _stored(resource: dict[str, Any], resource_id: str) -> tuple[str, str, bytes]:
    """id, patient and content of a new resource."""
    resource["id"] = resource_id
    resource["meta"] = {"versionId": "1"}
    patient = resource.get("subject", {}).get("reference", "")
    return resource_id, patient, orjson.dumps(resource)


def _note(writer: sqlite3.Connection, what: str) -> None:
    writer.execute("INSERT INTO audit (caller, what, at) VALUES ('floor', ?, 0)", (what,))


def load() -> Floor:
    """The application of one worker."""
    return Floor(os.environ[_FILE], audit=bool(os.environ.get(_AUDIT)))


def main(path: str, port: int, *, audit: bool) -> None:
    """Serve until SIGTERM."""
    os.environ[_FILE] = path
    os.environ[_AUDIT] = "1" if audit else ""
    load()
    Granian(
        "benchmarks.floor:load",
        factory=True,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=WORKERS,
        blocking_threads=BLOCKING_THREADS,
        websockets=False,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), audit="--audit" in sys.argv)
