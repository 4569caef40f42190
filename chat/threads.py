"""A person's threads: make, list, search, rename, archive, set the background, delete. The writes that are not runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.lookups import IsNull
from django.utils import timezone

from chat import configured, cursors, db, events, history, images, log, table
from chat.agent.tools import css
from chat.errors import InvalidField, NotFound
from chat.models import Event, HonouredCommand, Image, Message, Run, Thread, ToolCall

TITLE_MAX = 200
PAGE = 50


def create(user: Any, title: str = "") -> Thread:
    """Make an empty thread. Raises InvalidField."""
    with transaction.atomic():
        thread = Thread.objects.create(
            owner=user, title=_title(title), model=configured.description()["name"]
        )
        log.list_changed(thread.owner_id, thread.id)
    return thread


THREADS = table.Table(Thread)

_LOCK = table.statement(
    """
SELECT {thread} FROM chat_thread AS thread WHERE id = %s AND owner_id = %s FOR UPDATE
""",
    thread=THREADS,
)


def lock(user: Any, thread_id: UUID) -> Thread:
    """The person's own thread, locked until the transaction ends: who decides by what it holds must hold it.

    The lock is the strong one (FOR UPDATE): it waits for the checkpoint writes of a run at work, and they for it.
    Raises NotFound.
    """
    found = table.read(_LOCK, [thread_id, user.pk], THREADS)
    if not found:
        raise NotFound("There is no such thread.")
    thread: Thread = found[0][0]
    return thread


def rename(thread: Thread, title: str) -> None:
    """Name the thread, and tell every tab. Needs the lock. Raises InvalidField."""
    thread.title = _title(title)
    _save(thread, "title")


def archive(thread: Thread, archived: bool) -> None:
    """Put the thread away, or take it out again. Needs the lock."""
    thread.archived = archived
    _save(thread, "archived")


def set_background(thread: Thread, background: dict[str, Any] | None, fence: log.Fence | None = None) -> None:
    """Set what lies behind the thread: `{kind: image, image_id}`, `{kind: color | gradient, value}` or nothing.

    Needs the lock. Raises InvalidField for what is no colour or gradient of CSS, NotFound for a picture that is not
    the owner's, RunLost where the fence does not hold.
    """
    if background is None:
        thread.background = None
    elif background.get("kind") == "image":
        thread.background = _image_background(thread.owner_id, str(background.get("image_id")))
    elif background.get("kind") in ("color", "gradient"):
        kind, value = background["kind"], str(background.get("value"))
        try:
            checked = css.color(value) if kind == "color" else css.gradient(value)
        except ValueError as error:
            raise InvalidField(str(error), field="background") from None
        thread.background = {"kind": kind, "value": checked}
    else:
        raise InvalidField("A background is an image, a color, a gradient or null.", field="background")
    _save(thread, "background", fence=fence)


def _image_background(owner_id: int, image_id: str) -> dict[str, Any]:
    try:
        image = Image.objects.filter(owner_id=owner_id, id=UUID(image_id)).first()
    except ValueError:
        image = None
    if image is None:
        raise NotFound("There is no such picture.")
    return {"kind": "image", "image_id": str(image.id), "url": image.url, "accent": image.accent}


def delete(user: Any, thread_id: UUID) -> None:
    """Delete the thread with its messages, runs, pictures, files and the agent's memory. Raises NotFound."""
    with transaction.atomic():
        thread = lock(user, thread_id)
        thread.active_run = None
        thread.head = None
        thread.background = None
        thread.save(update_fields=["active_run", "head", "background"])
        for rows in (
            Event.objects.filter(thread=thread),
            HonouredCommand.objects.filter(thread=thread),
            ToolCall.objects.filter(run__thread=thread),
            Message.attachments.through.objects.filter(message__thread=thread),
            # Django's cascade would first set each `parent` to null, and siblings of nothing must differ.
            Message.objects.filter(thread=thread),
        ):
            rows._raw_delete(
                rows.db
            )  # nothing that stays hangs on these rows; a month's log need not be loaded to go
        _delete_images(list(Image.objects.filter(thread=thread)))
        thread.delete()
        db.execute("DELETE FROM checkpoint_writes WHERE thread_id = %s", [str(thread_id)])
        db.execute("DELETE FROM checkpoint_blobs WHERE thread_id = %s", [str(thread_id)])
        db.execute("DELETE FROM checkpoints WHERE thread_id = %s", [str(thread_id)])
        log.end(thread_id)
        log.list_changed(thread.owner_id, thread_id)
        transaction.on_commit(lambda: _delete_previews(thread_id))


def delete_image(user: Any, image_id: UUID) -> None:
    """Delete the person's picture with its files, and tell the threads that show it. Raises NotFound."""
    with transaction.atomic():
        _delete_images([images.get(user, image_id)])


def _delete_images(gone: list[Image]) -> None:
    """Delete pictures of one person; they go from the messages they stand in and from behind their threads."""
    if not gone:
        return
    ids = [image.id for image in gone]
    inside = Message.objects.filter(Q(images__in=ids) | Q(attachments__in=ids))
    behind = Thread.objects.filter(
        owner_id=gone[0].owner_id, background__image_id__in=[str(id_) for id_ in ids]
    )
    places = {*inside.values_list("thread_id", flat=True), *behind.values_list("id", flat=True)}
    held = list(Thread.objects.select_for_update().filter(id__in=places).order_by("id"))
    # An answer that is being written says what is in it when it is whole.
    changed = set(inside.exclude(status=Message.Status.STREAMING).values_list("id", flat=True))
    images.delete(gone)
    for thread in held:
        for message in history.shown(thread, changed):
            run_id = UUID(message.run_id) if message.run_id else None
            log.record(thread.id, [events.MessageCompleted(message=message)], run_id=run_id)
        if thread.background is not None and thread.background.get("image_id") in map(str, ids):
            set_background(thread, None)


def _delete_previews(thread_id: UUID) -> None:
    folder = images.preview_path(thread_id, "")
    if default_storage.exists(folder):
        for name in default_storage.listdir(folder)[1]:
            default_storage.delete(folder + name)
        default_storage.delete(folder)


def entries(
    user: Any, *, query: str = "", archived: bool = False, cursor: str = "", limit: int = PAGE
) -> dict[str, Any]:
    """A page of the person's threads, the latest first: `{threads: [thread + running], cursor}`.

    With a query, those whose title or messages have all its words. `cursor` is what the page before gave; null at the
    end. Raises InvalidField for a cursor that is none.
    """
    found = Thread.objects.owned_by(user).filter(archived=archived)
    for word in query.split()[:8]:
        # Not Exists: for that Postgres may read everybody's messages first, and then look for this person's among them.
        said = Message.objects.filter(thread=OuterRef("pk"), text__icontains=word).values("pk")[:1]
        found = found.filter(Q(title__icontains=word) | IsNull(Subquery(said), False))
    if cursor:
        updated_at, id_ = cursors.place(cursor)
        found = found.filter(updated_at__lte=updated_at).exclude(updated_at=updated_at, id__gte=id_)
    rows = list(_with_running(found).order_by("-updated_at", "-id")[: limit + 1])
    last = rows[limit - 1] if len(rows) > limit else None
    return {
        "threads": [entry(row) for row in rows[:limit]],
        "cursor": cursors.cursor(last.updated_at, last.id) if last is not None else None,
    }


def entry(thread: Thread) -> dict[str, Any]:
    """A thread as the list shows it; the row must come from `find_entry` or `entries`."""
    return {**thread.as_object().model_dump(mode="json"), "running": thread.running}  # type: ignore[attr-defined]


def find_entry(user: Any, thread_id: UUID) -> dict[str, Any] | None:
    """The list's entry for one of the person's threads, or None where it is gone or archived."""
    row = _with_running(Thread.objects.owned_by(user).filter(archived=False, id=thread_id)).first()
    return entry(row) if row is not None else None


def _with_running(found: Any) -> Any:
    return found.annotate(
        running=Exists(Run.objects.filter(thread=OuterRef("pk"), status__in=Run.UNFINISHED))
    )


def touch(thread: Thread, *changed: str) -> None:
    """Bring the thread to the top of the list, and save the fields that were changed. Needs the lock."""
    table.write(touched(thread, *changed))


def touched(thread: Thread, *changed: str) -> table.Update:
    """What `touch` does, to be written together with other rows."""
    thread.updated_at = timezone.now()
    log.list_changed(thread.owner_id, thread.id)
    return table.Update(thread, ("updated_at", *changed))


def _save(thread: Thread, field: str, fence: log.Fence | None = None) -> None:
    thread.updated_at = timezone.now()
    thread.save(update_fields=[field, "updated_at"])
    log.record(
        thread.id,
        [events.ThreadUpdated(thread=thread.as_object())],
        run_id=fence.run_id if fence else None,
        fence=fence,
    )
    log.list_changed(thread.owner_id, thread.id)


def _title(title: str) -> str:
    clean = " ".join(title.replace("\x00", "").split())
    if len(clean) > TITLE_MAX:
        raise InvalidField(f"A title may have {TITLE_MAX} characters.", field="title")
    return clean
