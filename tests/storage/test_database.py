"""SQLite runs by the rules, and migrations lead exactly to the schema."""

import threading
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

import storage.database
import storage.migrations
from storage import images, labels, projects, queue
from storage.database import Database
from storage.database import _prepare_sqlite as prepare_sqlite
from storage.errors import WorkspaceError
from storage.images import list_images
from storage.migrations import NEWEST_REVISION
from storage.projects import ClassSpec
from storage.schema import Base, Event, Image, Project
from storage.workspace import Workspace, open_workspace
from tests.storage.project_factory import make_project, publish_ranking, submit


def pragma(session: Session, name: str) -> object:
    return session.execute(text(f"PRAGMA {name}")).scalar()


@pytest.fixture
def as_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open databases as no other test does, to which waiting for the disk means nothing."""
    monkeypatch.setattr(storage.database, "_prepare_sqlite", prepare_sqlite)


@pytest.mark.usefixtures("as_shipped")
def test_every_connection_follows_the_rules(workspace: Workspace) -> None:
    found = []

    def look() -> None:
        for transaction in (workspace.database.reading, workspace.database.writing):
            with transaction() as session:
                names = ("journal_mode", "synchronous", "foreign_keys")
                found.append([pragma(session, name) for name in names])
                assert int(str(pragma(session, "busy_timeout"))) >= 10_000

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["wal", 2, 1]] * 8, "2 is FULL: what is saved outlives a power cut"


def test_foreign_keys_are_kept(workspace: Workspace) -> None:
    with pytest.raises(IntegrityError), workspace.database.writing() as session:
        session.add(Event(project_id=99, at=0.0, actor="ada", kind="import", detail={}))


def test_writers_begin_immediate_and_readers_do_not(workspace: Workspace) -> None:
    seen: list[str] = []
    engine = workspace.database.engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    with workspace.database.writing() as session:
        session.execute(text("SELECT 1"))
    with workspace.database.reading() as session:
        session.execute(text("SELECT 2"))
    assert seen == ["BEGIN IMMEDIATE", "SELECT 1", "BEGIN", "SELECT 2"]


def test_a_writer_does_not_stop_readers(workspace: Workspace) -> None:
    with workspace.database.writing() as writer:
        writer.add(Project(name="half", settings={}, labels_changed=0, created_at=0.0))
        writer.flush()
        with workspace.database.reading() as reader:
            assert reader.query(Project).count() == 0
    with workspace.database.reading() as reader:
        assert reader.query(Project).count() == 1


def test_a_database_in_use_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.database, "_BUSY_TIMEOUT_MS", 20)
    project = projects.create_project(workspace, "fields", [ClassSpec("ground")], "ada")
    hurried = open_workspace(workspace.path)
    with workspace.database.writing() as writer:
        writer.execute(text("SELECT 1"))
        with pytest.raises(WorkspaceError, match=r"was in use for over.*Nothing was changed: try again"):
            projects.change_settings(hurried, project.id, {}, "ada", name="meadows")
    hurried.close()


def test_an_error_undoes_the_whole_transaction(workspace: Workspace) -> None:
    def add_half() -> None:
        with workspace.database.writing() as session:
            session.add(Project(name="half", settings={}, labels_changed=0, created_at=0.0))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        add_half()
    with workspace.database.reading() as session:
        assert session.query(Project).count() == 0


def test_migrations_lead_to_the_schema(workspace: Workspace) -> None:
    with workspace.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_newest_revision_is_the_head() -> None:
    folder = Path(storage.migrations.__file__).parent
    assert ScriptDirectory(str(folder)).get_heads() == [NEWEST_REVISION]


def test_the_schema_compiles_for_postgresql() -> None:
    for table in Base.metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=postgresql.dialect()))


def test_an_empty_database_is_upgraded(tmp_path: Path) -> None:
    (tmp_path / "qualm.sqlite").touch()
    workspace = open_workspace(tmp_path)
    with workspace.database.reading() as session:
        assert session.query(Image).count() == 0
        assert session.execute(text("SELECT version_num FROM alembic_version")).scalar() == NEWEST_REVISION


def columns_at(workspace: Workspace, version: str, table: str) -> list[str]:
    """Turn the database back to a version and return the columns that a table has there."""
    config = Config()
    config.set_main_option("script_location", str(Path(storage.migrations.__file__).parent))
    with workspace.database.writing_connection() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, version)
        return [column["name"] for column in inspect(connection).get_columns(table)]


def test_a_database_of_the_first_version_keeps_its_rows(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    project = make_project(workspace, images=2)
    submit(workspace, 1)
    before = list_images(workspace, project.id)
    assert workspace.database.engine.dialect.name == "sqlite"
    assert "source_blob" not in columns_at(workspace, "0001", "image")
    workspace.close()

    workspace = open_workspace(tmp_path)
    assert list_images(workspace, project.id) == before
    assert [image.source for image in before] == [None, None]
    assert labels.read(workspace, 1)[1] == 1
    with workspace.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_ranking_of_the_second_version_keeps_its_order(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    project = make_project(workspace, images=4, size=(2, 2))
    submit(workspace, 1)
    publish_ranking(workspace, project.id, [3, 2, 4])
    assert "place" not in columns_at(workspace, "0002", "prediction")
    workspace.close()

    workspace = open_workspace(tmp_path)
    shown, _ = queue.ranked_images(workspace, project.id, image_ids=[2, 3, 4])
    assert [(item.image.id, item.rank, item.place, item.like) for item in shown] == [
        (3, 1, 1.0, None),
        (2, 2, 2.0, None),
        (4, 3, 3.0, None),
    ]
    assert shown[0].scores == {}
    with workspace.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_images_excluded_by_the_third_version_come_back_to_where_they_were(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    project = make_project(workspace, images=3, size=(2, 2))
    images.set_split(workspace, [1, 2], "audit", "ada")
    images.set_split(workspace, [1, 2, 3], "excluded", "ada")
    images.set_split(workspace, [2], "pool", "ada")
    images.set_split(workspace, [2], "pool", "ada")
    images.set_split(workspace, [2], "excluded", "ada")
    assert "excluded_from" not in columns_at(workspace, "0003", "image")
    workspace.close()

    workspace = open_workspace(tmp_path)
    images.bring_back(workspace, [1, 2, 3], "ada")
    assert [one.split for one in list_images(workspace, project.id)] == ["audit", "pool", "pool"]
    with workspace.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_projects_of_the_fourth_version_are_not_archived(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    project = make_project(workspace, images=1, size=(2, 2))
    assert "archived_at" not in columns_at(workspace, "0004", "project")
    workspace.close()

    workspace = open_workspace(tmp_path)
    assert projects.list_projects(workspace) == [project]
    assert project.archived_at is None
    with workspace.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_many_openers_migrate_once(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def opener() -> None:
        try:
            open_workspace(tmp_path).close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=opener) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_current_database_opens_at_once(workspace: Workspace) -> None:
    def seconds() -> float:
        # Of this thread alone: what else the machine does is not counted.
        start = time.thread_time()
        open_workspace(workspace.path).close()
        return time.thread_time() - start

    assert min(seconds() for _ in range(5)) < 0.1


def test_a_newer_database_is_refused(workspace: Workspace) -> None:
    with workspace.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WorkspaceError, match=r"newer version of Qualm.*Update Qualm"):
        open_workspace(workspace.path)


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "qualm.sqlite").write_bytes(b"this is no database " * 100)
    with pytest.raises(WorkspaceError, match=r"damaged.*backup"):
        open_workspace(tmp_path)


def test_the_url_is_kept() -> None:
    assert Database("sqlite:////tmp/some.sqlite").url == "sqlite:////tmp/some.sqlite"
