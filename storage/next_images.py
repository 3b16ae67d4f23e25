"""Which images come next to a person: their choice, and the reservation of what was chosen."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import CursorResult, Executable
from sqlalchemy.orm import Session

from storage import audit_draw, embeddings
from storage import queue_questions as questions
from storage.errors import InvalidInput, ProjectArchived
from storage.formats.embeddings import EmbeddingSet
from storage.leases import held_images, release
from storage.projects import no_such_project
from storage.queue_items import QueueItem, queue_items
from storage.settings import AnnotationSettings, ProjectSettings, read_settings
from storage.workspace import Workspace

AHEAD_LEASE_S = 120.0
"""An image that waits behind the one on a screen is reserved for so long, or half as long as that one where
that is less. Its page asks again every minute, and what one had that was closed is soon free for the next."""

_COMPARED = 1000
"""How many images without a score are compared with what is labelled, the most unlike to come first."""


def next_images(
    workspace: Workspace,
    project_id: int,
    annotator: str,
    count: int,
    holding: int | None = None,
    now: float | None = None,
    *,
    awaited: bool = False,
    displaced: Collection[int] = (),
) -> list[QueueItem]:
    """Reserve and return the next ``count`` images for a person, fewer when there are no more.

    Own drafts come first, then what was pinned to the front, begun by somebody or not, then audit images at
    the set rate between the pool by place in the current round, then the pool that is not scored (first what
    an older round saw and is unlike all labelled images, the most unlike leading, then in a seeded random
    order), then skipped images, and what somebody else has begun last. An image reserved for somebody else is
    never among them. What waits behind the image on the screen is reserved for :data:`AHEAD_LEASE_S`, unless
    it was for longer. Other reservations of this person that are as short end, and so do those of
    ``displaced``: a longer one may be of what is on the screen in another tab.

    Args:
        workspace: The workspace.
        project_id: The project.
        annotator: Name of the person.
        count: How many images, at least 1.
        holding: Id of the image on the person's screen; it stays reserved and is not returned.
        now: Epoch seconds.
        awaited: The first of them comes on the person's screen at once, and is reserved as long as that is.
        displaced: Ids of images that were on that screen before, and of which nothing was handed in.

    Raises:
        InvalidInput: ``count`` is below 1.
        ProjectArchived: the project is archived; reservations stay as they are.
        NotFound: there is no such project.
    """
    if count < 1:
        raise InvalidInput("Ask for at least one image.")
    now = time.time() if now is None else now
    asked = _Asked(project_id, annotator, count, holding, now, awaited, displaced)
    try:
        return _reserve(workspace, asked)
    except _EmbeddingsNeeded as needed:
        # Seldom so, and no file is read while others wait to write.
        seen = embeddings.newest_with(workspace, project_id, np.array(needed.image_ids, np.int64))
        return _reserve(workspace, asked, _Seen(seen))


@dataclass(frozen=True)
class _Asked:
    """What a person asks for, as :func:`next_images` has it."""

    project_id: int
    annotator: str
    count: int
    holding: int | None
    now: float
    awaited: bool
    displaced: Collection[int]


@dataclass(frozen=True)
class _Seen:
    """What was found where the embeddings of images without a score were looked for."""

    embeddings: EmbeddingSet | None


class _EmbeddingsNeeded(Exception):
    """Images without a score are to be put in order, and the embeddings have not been read yet."""

    def __init__(self, image_ids: Sequence[int]) -> None:
        super().__init__()
        self.image_ids = image_ids


def _reserve(workspace: Workspace, asked: _Asked, seen: _Seen | None = None) -> list[QueueItem]:
    with workspace.database.writing() as session:
        of_project = {"of_project": asked.project_id}
        project = session.connection().execute(questions.PROJECT, of_project).one_or_none()
        if project is None:
            raise no_such_project(asked.project_id)
        if project.archived_at is not None:
            raise ProjectArchived(
                f"The project {project.name} is archived, so no more of its images are handed out. "
                "What you painted is kept. Restore it on the Project page to go on."
            )
        settings = read_settings(ProjectSettings, project.settings).annotation
        round_id: int | None = project.current_round_id
        choice = _Choice(session, asked, round_id, settings, seen)
        chosen = choice.images(asked.count)
        _release_waiting(session, choice, asked.displaced)
        choice.ask(
            questions.RESERVE,
            first=chosen[0] if asked.awaited and chosen else None,
            until=asked.now + choice.lease_s,
            ahead_until=asked.now + choice.ahead_s,
        )
        return queue_items(session, round_id, chosen, asked.annotator, unlike=choice.unlike)


class _Choice:
    """The choice of the next images within one write transaction."""

    def __init__(
        self,
        session: Session,
        asked: _Asked,
        round_id: int | None,
        settings: AnnotationSettings,
        seen: _Seen | None,
    ) -> None:
        self.session = session
        self.connection = session.connection()
        self.asked = asked
        self.settings = settings
        self.lease_s = settings.lease_minutes * 60
        # Shorter than what is on a screen, or one could not tell the two.
        self.ahead_s = min(AHEAD_LEASE_S, self.lease_s / 2)
        self.seen = seen
        self.unlike: set[int] = set()
        self.taken: set[int] = {asked.holding} if asked.holding is not None else set()
        self.values = {
            "of_project": asked.project_id,
            "of_round": round_id,
            "person": asked.annotator,
            "holding": asked.holding,
            "now": asked.now,
        }

    def ask(self, question: Executable, **values: Any) -> CursorResult[Any]:
        """Ask one of :mod:`storage.queue_questions`."""
        return self.connection.execute(question, {**self.values, "taken": list(self.taken), **values})

    def images(self, count: int) -> list[int]:
        """Return the ids of the images, in their order; ``taken`` has them too then."""
        # So many are not taken yet, or all that there are.
        most = 2 * count + 1
        chosen: list[int] = []
        scored: list[int] = []
        for found in self.ask(questions.DRAFTS_PINNED_SCORED, most=most):
            if found.turn == questions.SCORED:
                scored.append(found.id)
            elif found.id not in self.taken and len(chosen) < count:
                chosen.append(found.id)
                self.taken.add(found.id)
        audit = _AuditDraw(self, count)
        if audit.draw_ahead():
            again = self.ask(questions.DRAFTS_PINNED_SCORED, most=most)
            scored = [found.id for found in again if found.turn == questions.SCORED]
        pool, put_off = self._pool(scored, most), self._put_off(most)
        while len(chosen) < count:
            image_id = audit.take(len(chosen)) or self._first_free(pool)
            image_id = image_id or audit.take_left_over() or self._first_free(put_off)
            if image_id is None:
                break
            chosen.append(image_id)
            self.taken.add(image_id)
        return chosen

    def _ids(self, question: Executable, most: int, **values: Any) -> Iterator[int]:
        yield from self.ask(question, most=most, **values).scalars().all()

    def _first_free(self, image_ids: Iterator[int]) -> int | None:
        return next((image_id for image_id in image_ids if image_id not in self.taken), None)

    def _pool(self, scored: Sequence[int], most: int) -> Iterator[int]:
        yield from scored
        for image_id in self._unlike_labelled(list(self._shuffled(_COMPARED))):
            self.unlike.add(image_id)
            yield image_id
        yield from self._shuffled(most)

    def _put_off(self, most: int) -> Iterator[int]:
        yield from self._ids(questions.SKIPPED, most)
        yield from self._ids(questions.BEGUN_BY_OTHERS, most)

    def _shuffled(self, most: int) -> Iterator[int]:
        start = questions.start_of_shuffle(self.settings.seed)
        for part in questions.UNSCORED:
            yield from self._ids(part, most, start=start)

    def _unlike_labelled(self, candidates: Sequence[int]) -> list[int]:
        """Return those of the images that are seen to be like nothing labelled, the most unlike first."""
        if not candidates:
            return []
        if self.seen is None:
            raise _EmbeddingsNeeded(candidates)
        seen = self.seen.embeddings
        if seen is None:
            return []
        waiting = np.array(candidates, np.int64)
        own = embeddings.positions(seen, waiting)
        labelled = self.ask(questions.TRAINED).scalars().all()
        others = embeddings.positions(seen, np.array(labelled, np.int64))
        waiting, own, others = waiting[own >= 0], own[own >= 0], others[others >= 0]
        if not len(own) or not len(others):
            return []
        nearest = (seen.vectors[own] @ seen.vectors[others].T).max(axis=1)
        farthest_first = np.argsort(nearest, kind="stable")
        return [int(waiting[at]) for at in farthest_first if nearest[at] <= seen.alike_from]


class _AuditDraw:
    """Audit images at the set rate, the first ones and those that are overdue twice as often.

    They are drawn ahead, as many as are due when all images of the project are labelled. Drawn one by one
    they would come from what the model has not asked for yet, which is easier with every label. Those drawn
    and still without a label come before new ones; one that was skipped has had its turn.
    """

    def __init__(self, choice: _Choice, count: int) -> None:
        self.choice = choice
        self.count = count
        now = choice.ask(questions.AUDIT_COUNTS).one()
        self.drawn: int = now.drawn
        labelled = now.drawn - now.waiting
        self.handed_out = labelled + now.with_others + now.begun + now.put_off
        self.submitted = labelled + now.trained + now.held
        self.left_over: list[int] = []
        if now.waiting > now.with_others + now.begun:
            self._find_left_over()

    def take(self, position: int) -> int | None:
        """Return the audit image due at this position of the batch; None when none is due or left."""
        every = self.choice.settings.audit_every
        if every == 0:
            return None
        count = self.submitted + position + 1
        due = self._due(count)
        # Imported labels make many due at once, and nobody wants to see nothing else.
        if self.handed_out >= due or (self.handed_out < due - 1 and count % self._overdue_every):
            return None
        image_id = self.take_left_over()
        if image_id is not None:
            self.handed_out += 1
        return image_id

    def take_left_over(self) -> int | None:
        """Return an audit image drawn earlier; None when there is none."""
        return self.left_over.pop(0) if self.left_over else None

    @property
    def _overdue_every(self) -> int:
        return min(self.choice.settings.audit_every, audit_draw.early_rate(self.choice.settings))

    def _due(self, labelled: int) -> int:
        return audit_draw.due(self.choice.settings, labelled)

    def draw_ahead(self) -> bool:
        """Draw images when more are due in this batch than were drawn; return whether any were."""
        choice, settings = self.choice, self.choice.settings
        if settings.audit_every == 0 or self._due(self.submitted + self.count) <= self.drawn:
            return False
        start = np.random.default_rng([settings.seed, self.drawn]).bytes(32).hex()
        enough = settings.audit_target * max(settings.audit_every, audit_draw.early_rate(settings))
        values = {"start": start, "most": enough, "screen_lease_from": choice.asked.now + choice.ahead_s}
        untouched = [
            image_id for part in questions.UNTOUCHED for image_id in choice.ask(part, **values).scalars()
        ]
        wanted = self._due(self.submitted + len(untouched)) - self.drawn
        drawn = untouched[: max(0, min(wanted, max(1, len(untouched) // self._overdue_every)))]
        if not drawn:
            return False
        choice.connection.execute(questions.TO_AUDIT, [{"drawn": image_id} for image_id in drawn])
        audit_draw.record(choice.session, choice.asked.project_id, choice.asked.annotator, drawn)
        self.drawn += len(drawn)
        self._find_left_over()
        return True

    def _find_left_over(self) -> None:
        self.left_over = list(self.choice.ask(questions.AUDIT_LEFT_OVER, most=self.count).scalars())


def _release_waiting(session: Session, choice: _Choice, displaced: Collection[int]) -> None:
    """End the reservations in the project but those of what is chosen, or on another tab's screen perhaps."""
    ended = [
        one.id
        for one in held_images(session, choice.asked.annotator)
        if one.project_id == choice.asked.project_id
        and one.id not in choice.taken
        and (one.id in displaced or (one.leased_until or 0.0) <= choice.asked.now + choice.ahead_s)
    ]
    release(session, ended)
