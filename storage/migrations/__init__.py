"""Steps that bring the database of an older version to :mod:`storage.schema`, run by Alembic."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock
from sqlalchemy import Connection, inspect, text

from storage.database import Database
from storage.errors import WorkspaceError

NEWEST_REVISION = "0009"
"""The revision that :mod:`storage.schema` describes."""


def stored_revision(connection: Connection) -> str | None:
    """Return the revision of the database behind ``connection``; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def bring_up_to_date(database: Database, lock: Path) -> None:
    """Run the migrations that ``database`` lacks, one process at a time by the file ``lock``.

    Raises:
        WorkspaceError: a newer version of Qualm made the database.
        DiskFull: there is no space for the tables.
    """
    if _revision(database) == NEWEST_REVISION:
        return
    with FileLock(lock):
        revision = _revision(database)
        if revision != NEWEST_REVISION:
            _upgrade(database, revision)


def _revision(database: Database) -> str | None:
    with database.reading() as session:
        return stored_revision(session.connection())


def _upgrade(database: Database, revision: str | None) -> None:
    # Alembic takes a quarter of a second to import, which an up-to-date workspace need not pay.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    if revision is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(revision)
        except CommandError as error:
            raise WorkspaceError(
                f"This workspace was made by a newer version of Qualm (database revision {revision}, "
                f"this version knows {NEWEST_REVISION}). Update Qualm, or choose another workspace."
            ) from error
    with database.writing_connection() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
