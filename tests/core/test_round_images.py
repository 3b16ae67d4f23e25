"""What a round knows of its images before and beside the network's predictions."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sqlalchemy import event, update

import core.worker.images
from core.worker import vectors
from core.worker.images import RoundImages
from storage.formats.embeddings import decode_embeddings
from storage.schema import Image
from storage.settings import RoundSettings
from storage.workspace import Workspace
from tests.storage.project_factory import add_image, make_project


def claim_of(workspace: Workspace, project_id: int) -> Any:
    info = SimpleNamespace(project_id=project_id)
    return SimpleNamespace(
        workspace=workspace,
        info=info,
        settings=RoundSettings(),
        seed=0,
        pool_seed=0,
        check=lambda: None,
        stored=lambda store: store(),
    )


def test_frames_that_were_imported_later_stand_at_their_place(workspace: Workspace) -> None:
    project = make_project(workspace, images=0)
    by_number = {number: add_image(workspace, project.id, number) for number in (0, 6, 12, 3, 9)}
    frames = RoundImages(claim_of(workspace, project.id)).frames
    assert {frames[image].group for image in by_number.values()} == {"drive_0"}
    assert [frames[by_number[number]].position for number in (0, 3, 6, 9, 12)] == [0, 1, 2, 3, 4]


def test_of_a_large_project_no_whole_rows_are_read_and_few_names_put_in_order(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(workspace, images=0)
    scored = [add_image(workspace, project.id, number) for number in range(4)]
    for number in range(4, 10):
        add_image(workspace, project.id, number, split="excluded")
    with workspace.database.writing() as session:
        session.execute(update(Image).values(group="drive_0"))
        session.execute(update(Image).where(Image.id == scored[0]).values(group=None))
        session.execute(update(Image).where(Image.split == "excluded").values(group="drive_7"))
    loaded: list[Image] = []
    ordered: list[str] = []

    def note_loaded(row: Image, _: object) -> None:
        loaded.append(row)

    def note_ordered(name: str) -> str:
        ordered.append(name)
        return name

    monkeypatch.setattr(core.worker.images, "natural_order", note_ordered)
    event.listen(Image, "load", note_loaded)
    try:
        found = RoundImages(claim_of(workspace, project.id))
    finally:
        event.remove(Image, "load", note_loaded)
    assert len(found.by_id) == 10
    assert loaded == []
    assert len(ordered) == 3, "nobody asks where the others are"
    assert [found.frames[image] for image in scored] == [
        (None, 0),
        *(("drive_0", place) for place in range(3)),
    ]


def test_one_in_a_hundred_pairs_of_the_stored_vectors_are_alike(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Cosines of vectors that were made shorter are higher than they were.
    monkeypatch.setattr(vectors, "plane", lambda short, seed, before: torch.zeros(len(short), 2))
    project = make_project(workspace, images=0)
    drawn = F.normalize(torch.randn(300, 320, generator=torch.Generator().manual_seed(0)), dim=1)
    copies = drawn[:1].expand(100, -1)
    pool = set(range(1, 301))
    key = vectors.stored_embeddings(
        claim_of(workspace, project.id), dict(enumerate(torch.cat([drawn, copies]), start=1)), pool
    )
    assert key is not None
    stored = decode_embeddings(workspace.blobs.get(key))
    of_pool = torch.from_numpy(stored.vectors[:300])
    cosines = (of_pool @ of_pool.T)[torch.triu_indices(300, 300, 1).unbind()]
    assert (cosines > stored.alike_from).float().mean().item() == pytest.approx(0.01, abs=0.002)
    assert stored.alike_from > torch.quantile(
        (drawn @ drawn.T)[torch.triu_indices(300, 300, 1).unbind()], 0.99
    )
