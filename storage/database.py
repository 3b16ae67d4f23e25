"""Connections to the workspace database: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

from storage.errors import DiskFull, WorkspaceBusy, WorkspaceError

_BUSY_TIMEOUT_MS = 30_000
_CACHE_KIB = 32 * 1024
"""Pages a connection may keep: re-ordering a hundred thousand images touches about so many."""
_LITTLE_SPACE = 256 * 1024


class Database:
    """One engine and the two kinds of transaction on it. Safe to share between threads."""

    def __init__(self, url: str | URL) -> None:
        """Prepare an engine for ``url``, such as ``sqlite:////data/qualm.sqlite``; nothing connects yet."""
        self.engine: Engine = create_engine(url, pool_size=20, max_overflow=30, pool_timeout=60)
        self.url: str = self.engine.url.render_as_string(hide_password=False)
        self._sqlite_file: Path | None = None
        if self.engine.dialect.name == "sqlite":
            self._sqlite_file = Path(self.engine.url.database or "")
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(will_write=True)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that sees one state of the database and writes nothing."""
        with self._sentences(), Session(self.engine) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session in a write transaction, committed at the end, rolled back on an error.

        On SQLite it begins with ``BEGIN IMMEDIATE``: it waits for its turn at the start, never in the middle.

        Raises:
            DiskFull: the database cannot grow.
            WorkspaceBusy: others kept writing for 30 seconds.
            WorkspaceError: the database is read-only or damaged.
        """
        with self._sentences(), Session(self._writer) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def writing_connection(self) -> Iterator[Connection]:
        """Yield a connection in a write transaction, for migrations."""
        with self._sentences(), self._writer.begin() as connection:
            yield connection

    @property
    def sqlite_file(self) -> Path | None:
        """The file of a SQLite database; None of any other."""
        return self._sqlite_file

    def copy_to(self, file: Path) -> None:
        """Copy a SQLite database, as it is at one moment, into a new file; others go on writing meanwhile.

        Raises:
            DiskFull: there is no space for the copy.
            WorkspaceError: the database is damaged, or the copy cannot be written.
        """
        with self._sentences(), self.engine.connect() as connected:
            source = connected.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)
            try:
                with contextlib.closing(sqlite3.connect(file)) as copy:
                    # In one step, which sees one state: between steps a writer would make it begin anew.
                    source.backup(copy)
                    found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            except sqlite3.Error as error:
                if "disk is full" in str(error) or self._does_not_fit(file.parent):
                    raise DiskFull("the copy") from error
                raise WorkspaceError(
                    f"{self._where()} could not be copied ({error}). Check both disks and try again."
                ) from error
        if found != "ok":
            raise WorkspaceError(
                f"{self._where()} is damaged ({found}), so nothing was copied. Restore it from an earlier "
                "backup."
            )

    def close(self) -> None:
        """Close every idle connection."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            reason = str(error.orig)
            growing = isinstance(error, OperationalError)
            if "disk is full" in reason or "No space left" in reason or (growing and self._out_of_space()):
                raise DiskFull(self._where()) from error
            if "readonly database" in reason or "unable to open database file" in reason:
                raise WorkspaceError(
                    f"{self._where()} cannot be written to. Allow writing there, or choose another workspace."
                ) from error
            if "is locked" in reason:
                raise WorkspaceBusy(self._where(), _BUSY_TIMEOUT_MS // 1000) from error
            if "malformed" in reason or "not a database" in reason:
                raise WorkspaceError(
                    f"{self._where()} is damaged ({reason}). "
                    "Restore it from a backup, or choose another workspace."
                ) from error
            raise

    def _where(self) -> str:
        return str(self._sqlite_file) if self._sqlite_file else "the database"

    def _does_not_fit(self, folder: Path) -> bool:
        """Tell whether a copy of the database has no place in a folder; some disks say only “I/O error”."""
        if self._sqlite_file is None:
            return False
        try:
            return shutil.disk_usage(folder).free < self._sqlite_file.stat().st_size + _LITTLE_SPACE
        except OSError:
            return False

    def _out_of_space(self) -> bool:
        if self._sqlite_file is None:
            return False
        try:
            return shutil.disk_usage(self._sqlite_file.parent).free < _LITTLE_SPACE
        except OSError:
            return False


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver would begin transactions at moments of its own; _begin_sqlite does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # With NORMAL a power cut could take back the last half minute of labels that the screen calls saved.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    will_write = connection.get_execution_options().get("will_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if will_write else "BEGIN")
