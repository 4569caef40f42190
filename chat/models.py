"""The rows: a thread and all that belongs to it.

What the guarantee of docs/protocol.md needs is a constraint here, not a habit of the code: numbers are unique in a
thread, a command is honoured once, a tool call happens once in a run, one run at a time is at work in a thread.
Nothing is read but through `owned_by`. Rows know how they look to a client; what may be done with them is in
threads.py, runs.py and images.py.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from chat import objects as shapes

_Row = TypeVar("_Row", bound=models.Model)


class OwnedQuerySet(models.QuerySet[_Row]):
    """Rows that belong to a person; `owner_path` of the model says by which field."""

    def owned_by(self, user: Any) -> Self:
        return self.filter(**{self.model.owner_path: user})  # type: ignore[attr-defined]


class Thread(models.Model):
    """One conversation; its id is also LangGraph's `thread_id`.

    `last_seq` numbers the log: who raises it holds the row's lock until it commits, so numbers become visible in
    order and without holes. `kept_seq` is the last number whose event was let go: a client that saw less gets a
    snapshot. `active_run` and `active_attempt` are the fence: they name the one run, and the one execution of it,
    that may write to this thread.
    """

    owner_path = "owner"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="threads")
    title = models.CharField(max_length=200, blank=True)
    background = models.JSONField(null=True, blank=True)
    head = models.ForeignKey("Message", models.SET_NULL, null=True, blank=True, related_name="+")
    archived = models.BooleanField(default=False)
    model = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True)

    last_seq = models.BigIntegerField(default=0, editable=False)
    kept_seq = models.BigIntegerField(default=0, editable=False)
    active_run = models.ForeignKey("Run", models.SET_NULL, null=True, editable=False, related_name="+")
    active_attempt = models.PositiveIntegerField(default=0, editable=False)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["owner", "archived", "-updated_at", "-id"], name="thread_listing")]

    def __str__(self) -> str:
        return self.title or "New thread"

    def as_object(self) -> shapes.Thread:
        return shapes.Thread.model_validate(
            {
                "id": str(self.id),
                "title": self.title,
                "background": self.background,
                "head_id": str(self.head_id) if self.head_id else None,
                "archived": self.archived,
                "model": self.model,
                "created_at": self.created_at,
                "updated_at": self.updated_at,
            }
        )


class Message(models.Model):
    """One turn's text. Messages form a tree by `parent`; a thread shows the path that ends in its `head`.

    A queued user message hangs below nothing final yet: it gets its place when its run starts. `checkpoint_id` of an
    answer is the agent's memory right after it, from where a later turn goes on.
    """

    owner_path = "thread__owner"

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    class Status(models.TextChoices):
        STREAMING = "streaming"
        COMPLETE = "complete"
        STOPPED = "stopped"
        FAILED = "failed"
        QUEUED = "queued"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(Thread, models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")
    run = models.ForeignKey("Run", models.SET_NULL, null=True, blank=True, related_name="messages")
    role = models.CharField(max_length=9, choices=Role)
    text = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.COMPLETE)
    attachments: models.ManyToManyField[Image, Any] = models.ManyToManyField(
        "Image", blank=True, related_name="attached_to"
    )
    sibling_index = models.PositiveIntegerField(default=0)
    checkpoint_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["thread", "parent", "sibling_index"],
                condition=~Q(status="queued"),
                nulls_distinct=False,
                name="message_sibling_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["thread", "created_at"], condition=Q(status="queued"), name="message_queued"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80] or f"({self.status})"


class Run(models.Model):
    """One execution of the agent, started by `prompt`, answering in `answer`.

    `attempt` counts how often a worker has picked it up; `attempts` tells of each. `queued_seq` and `first_seq` are
    the log's number when it was asked for and when its first attempt began. A thread's runs come in the order of the
    first, whatever the clock says; what a run streamed lies after the second.
    """

    owner_path = "thread__owner"

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        INTERRUPTED = "interrupted"
        COMPLETED = "completed"
        FAILED = "failed"
        STOPPED = "stopped"

    class BrokenOff(models.TextChoices):
        """What an attempt comes to that ends without its run, so that another goes on."""

        LOST = "lost"
        HANDED_OVER = "handed_over"

    UNFINISHED = (Status.QUEUED, Status.RUNNING, Status.INTERRUPTED)
    ACTIVE = (Status.RUNNING, Status.INTERRUPTED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(Thread, models.CASCADE, related_name="runs")
    prompt = models.ForeignKey(Message, models.CASCADE, related_name="started_runs")
    answer = models.OneToOneField(Message, models.SET_NULL, null=True, related_name="answering_run")
    status = models.CharField(max_length=11, choices=Status, default=Status.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    attempts = models.JSONField(default=list)
    current_step = models.CharField(max_length=100, null=True, blank=True)
    interrupts = models.JSONField(default=list)
    error = models.JSONField(null=True, blank=True)
    usage = models.JSONField(null=True, blank=True)
    queued_seq = models.BigIntegerField(default=0)
    first_seq = models.BigIntegerField(default=0)
    job_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["thread"],
                condition=Q(status__in=["running", "interrupted"]),
                name="run_one_active_in_thread",
            )
        ]
        indexes = [
            models.Index(
                fields=["thread", "queued_seq"],
                condition=Q(status__in=["queued", "running", "interrupted"]),
                name="run_unfinished",
            ),
            models.Index(F("created_at").desc(), name="run_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.status} run of {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def elapsed_ms(self) -> int | None:
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0, (self.ended_at - self.started_at) // timedelta(milliseconds=1))

    @property
    def recovered(self) -> bool:
        """Whether it is at work again where an attempt before broke off; not where a person had it tried again."""
        if self.status != Run.Status.RUNNING or len(self.attempts) < 2:
            return False
        return self.attempts[-2].get("outcome") in Run.BrokenOff.values

    def as_object(self) -> shapes.Run:
        return shapes.Run.model_validate(
            {
                "id": str(self.id),
                "thread_id": str(self.thread_id),
                "message_id": str(self.answer_id) if self.answer_id else None,
                "status": self.status,
                "attempt": self.attempt,
                "recovered": self.recovered,
                "current_step": self.current_step,
                "interrupts": self.interrupts,
                "error": self.error,
                "usage": self.usage,
                "created_at": self.created_at,
                "started_at": self.started_at,
                "ended_at": self.ended_at,
            }
        )


class ToolCall(models.Model):
    """One call of a tool within a run; `tool_call_id` is the model's own id for it.

    `begun` says that somebody outside was asked to do something: done again, that is not done in silence.
    """

    owner_path = "run__thread__owner"

    class Status(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        REJECTED = "rejected"
        WAITING = "waiting"

    run = models.ForeignKey(Run, models.CASCADE, related_name="tool_calls")
    message = models.ForeignKey(Message, models.CASCADE, related_name="tool_calls")
    tool_call_id = models.CharField(max_length=200)
    name = models.CharField(max_length=100)
    args = models.JSONField(default=dict)
    status = models.CharField(max_length=9, choices=Status, default=Status.RUNNING)
    result = models.TextField(null=True, blank=True)
    error = models.TextField(null=True, blank=True)
    text_offset = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(null=True)
    begun = models.BooleanField(default=False, editable=False)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "tool_call_id"], name="tool_call_once_in_run")]

    def __str__(self) -> str:
        return f"{self.name} ({self.status})"

    def as_object(self) -> shapes.ToolCall:
        done = self.duration_ms is not None
        return shapes.ToolCall.model_validate(
            {
                "id": self.tool_call_id,
                "run_id": str(self.run_id),
                "message_id": str(self.message_id),
                "name": self.name,
                "args": self.args,
                "status": self.status,
                "progress": 1.0 if done and self.status == self.Status.SUCCEEDED else None,
                "text": "",
                "preview_url": None,
                "result": self.result,
                "error": self.error,
                "text_offset": self.text_offset,
                "started_at": self.started_at,
                "duration_ms": self.duration_ms,
            }
        )


class Image(models.Model):
    """One picture, painted in a run or uploaded by its owner; the files lie in private storage under its id.

    `announced` says that the log has its `image_ready`: a tool that runs again after a crash does not say it twice.
    """

    owner_path = "owner"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="images")
    thread = models.ForeignKey(Thread, models.CASCADE, null=True, blank=True, related_name="images")
    run = models.ForeignKey(Run, models.SET_NULL, null=True, blank=True, related_name="images")
    message = models.ForeignKey(Message, models.SET_NULL, null=True, blank=True, related_name="images")
    tool_call_id = models.CharField(max_length=200, blank=True)
    prompt = models.TextField(blank=True)
    file = models.CharField(max_length=200)
    thumbnail = models.CharField(max_length=200)
    mime = models.CharField(max_length=40)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    accent = models.JSONField(null=True, blank=True)
    announced = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "tool_call_id"], condition=Q(run__isnull=False), name="image_once_in_tool_call"
            )
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="image_gallery"),
            models.Index(F("created_at").desc(), name="image_newest"),
        ]

    def __str__(self) -> str:
        return self.prompt[:80] or "Uploaded picture"

    @property
    def url(self) -> str:
        return reverse("image-file", args=[self.id])

    @property
    def thumbnail_url(self) -> str:
        return reverse("image-thumbnail", args=[self.id])

    def as_object(self) -> shapes.Image:
        return shapes.Image.model_validate(
            {
                "id": str(self.id),
                "thread_id": str(self.thread_id) if self.thread_id else None,
                "run_id": str(self.run_id) if self.run_id else None,
                "tool_call_id": self.tool_call_id or None,
                "prompt": self.prompt,
                "url": self.url,
                "thumbnail_url": self.thumbnail_url,
                "width": self.width,
                "height": self.height,
                "accent": self.accent,
                "created_at": self.created_at,
            }
        )


class Event(models.Model):
    """One entry of a thread's log, written by log.py alone and read by replay.py.

    `body` is the frame as clients get it, but for its `seq`: text, so that it is encoded once and never again.
    """

    owner_path = "thread__owner"

    pk = models.CompositePrimaryKey("thread_id", "seq")
    thread = models.ForeignKey(Thread, models.CASCADE, related_name="events", db_index=False)
    seq = models.BigIntegerField()
    type = models.CharField(max_length=24)
    run_id = models.UUIDField(null=True)
    body = models.TextField()

    objects = OwnedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"


class HonouredCommand(models.Model):
    """A command that was carried out, with its answer: the same id again gets this and has no second effect."""

    owner_path = "thread__owner"

    thread = models.ForeignKey(Thread, models.CASCADE, related_name="+")
    command_id = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    answer = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["thread", "command_id"], name="command_once_in_thread")
        ]

    def __str__(self) -> str:
        return self.command_id


class Token(models.Model):
    """A bearer token of a person's program: only its digest is kept, so that a stolen table opens nothing."""

    owner_path = "owner"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = OwnedQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
