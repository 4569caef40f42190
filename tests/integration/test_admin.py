"""The administrator's pages: what they show, that nothing is edited there, and that what is deleted is gone."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import PIL.Image
import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from chat import access, events, images, log
from chat.models import Event, Image, Message, Run, Thread, Token, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", password="Fox-9-hills")


@pytest.fixture
def bert() -> User:
    return User.objects.create_user("bert", password="Fox-9-hills")


@pytest.fixture
def admin(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def page(client: Client, view: str, *args: Any, **query: str) -> str:
    response = client.get(reverse(f"admin:{view}", args=args), query)
    assert response.status_code == 200, response.content
    return response.content.decode()


def make_image(owner: User, prompt: str, **fields: Any) -> Image:
    data = io.BytesIO()
    PIL.Image.new("RGB", (48, 32), "#b45309").save(data, "PNG")
    with images.keeping(images.encode(data.getvalue()), owner=owner, prompt=prompt, **fields) as image:
        image.save()
    return image


def make_thread(
    owner: User, title: str, asked: str = "Paint a fox.", answered: str = "There it is."
) -> Thread:
    """A thread of one turn, with a run of two attempts, a tool call, a picture and a log."""
    thread = Thread.objects.create(owner=owner, title=title)
    prompt = Message.objects.create(thread=thread, role="user", text=asked)
    now = timezone.now()
    run = Run.objects.create(
        thread=thread,
        prompt=prompt,
        status="completed",
        attempt=2,
        attempts=[
            {
                "attempt": 1,
                "worker": "host-one:7",
                "started_at": now.isoformat(),
                "ended_at": (now + timedelta(seconds=9)).isoformat(),
                "outcome": "lost",
            },
            {"attempt": 2, "worker": "host-two:8", "started_at": (now + timedelta(seconds=9)).isoformat()},
        ],
        usage={"input_tokens": 1234, "output_tokens": 56},
        started_at=now,
        ended_at=now + timedelta(seconds=12),
    )
    answer = Message.objects.create(thread=thread, parent=prompt, run=run, role="assistant", text=answered)
    run.answer = answer
    run.save()
    call = ToolCall.objects.create(
        run=run,
        message=answer,
        tool_call_id="call_1",
        name="generate_image",
        args={"prompt": f"a fox for {title}"},
        status="succeeded",
        result="Painted.",
        started_at=now,
        duration_ms=1800,
    )
    make_image(
        owner, f"a fox for {title}", thread=thread, run=run, message=answer, tool_call_id=call.tool_call_id
    )
    thread.head = answer
    thread.save(update_fields=["head"])
    happened: list[events.Event] = [
        events.RunQueued(run=run.as_object()),
        events.ToolCallCompleted(tool_call=call.as_object()),
        events.ThreadUpdated(thread=thread.as_object()),
    ]
    log.record(thread.id, happened, run_id=run.id)
    return thread


LISTS = ["index", *(f"chat_{name}_changelist" for name in ("image", "thread", "run", "event", "token"))]


def test_the_door_is_the_site_s_own_and_stays_shut_for_others(client: Client, bert: User) -> None:
    thread = make_thread(bert, "A fox")
    paths = [reverse(f"admin:{view}") for view in LISTS] + [
        reverse("admin:chat_thread_events", args=[thread.id])
    ]
    for path in paths:
        response = client.get(path, follow=True)
        assert response.redirect_chain[-1][0].startswith(f"/login/?next={path}")
    client.force_login(bert)
    for path in paths:
        assert client.get(path, follow=True).status_code == 403


def test_staff_see_only_what_they_may(client: Client, bert: User) -> None:
    thread = make_thread(bert, "A fox")
    staff = User.objects.create_user("chidi", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_image"))
    client.force_login(staff)
    assert "a fox for A fox" in page(client, "chat_image_changelist")
    front = page(client, "index")
    assert "Pictures" in front
    assert "Runs today" not in front
    assert "Events" not in front
    for path in (
        reverse("admin:chat_event_changelist"),
        reverse("admin:chat_thread_events", args=[thread.id]),
        reverse("admin:chat_thread_change", args=[thread.id]),
        reverse("admin:chat_image_delete", args=[Image.objects.get().id]),
    ):
        assert client.get(path).status_code == 403


def test_the_gallery_links_each_picture_to_its_thread_its_run_and_its_file(admin: Client, bert: User) -> None:
    thread = make_thread(bert, "A fox")
    shown = page(admin, "chat_image_changelist")
    image = Image.objects.get()
    for path in (
        image.thumbnail_url,
        image.url,
        reverse("admin:chat_thread_change", args=[thread.id]),
        reverse("admin:chat_run_change", args=[image.run_id]),
        reverse("admin:chat_image_change", args=[image.id]),
    ):
        assert f'"{path}"' in shown
    assert admin.get(image.thumbnail_url).status_code == 200  # another person's, shown to an administrator
    assert f'src="{image.url}"' in page(admin, "chat_image_change", image.id)


def test_the_gallery_is_searched_by_prompt_and_filtered_by_user_and_date(
    admin: Client, ada: User, bert: User
) -> None:
    make_image(ada, "a lighthouse in a storm")
    old = make_image(bert, "a green forest")
    Image.objects.filter(id=old.id).update(created_at=timezone.now() - timedelta(days=400))

    def shown(**query: str) -> tuple[bool, bool]:
        text = page(admin, "chat_image_changelist", **query)
        return "a lighthouse in a storm" in text, "a green forest" in text

    assert shown() == (True, True)
    assert shown(q="STORM lighthouse") == (True, False)
    assert shown(q="nothing of the kind") == (False, False)
    assert shown(owner=str(bert.id)) == (False, True)
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    assert shown(created_at__gte=today.isoformat()) == (True, False)
    year = (timezone.localtime() - timedelta(days=400)).year
    assert shown(created_at__year=str(year)) == (False, True)


def test_threads_are_found_by_what_was_said_in_them(admin: Client, bert: User) -> None:
    make_thread(bert, "A fox", asked="Where do foxes sleep?")
    other = make_thread(bert, "Harbour")

    def found(query: str) -> list[str]:
        text = page(admin, "chat_thread_changelist", q=query)
        return [title for title in ("A fox", "Harbour") if f">{title}</a>" in text]

    assert found("sleep where") == ["A fox"]
    assert found("harbour") == ["Harbour"]
    assert found(str(other.id)) == ["Harbour"]
    assert found("harbour sleep") == []


def test_a_thread_s_page_is_its_transcript(admin: Client, bert: User) -> None:
    thread = make_thread(bert, "A fox", asked="Paint <b>a fox</b>.", answered="Before.\n\nAfter.")
    ToolCall.objects.update(text_offset=len("Before."))
    run = Run.objects.get()
    Message.objects.create(
        thread=thread, parent=run.prompt, run=run, role="assistant", text="Another.", sibling_index=1
    )
    failed = Message.objects.create(
        thread=thread, parent=thread.head, role="user", text="Later", status="queued"
    )
    shown = page(admin, "chat_thread_change", thread.id)
    assert "Paint &lt;b&gt;a fox&lt;/b&gt;." in shown
    assert (
        shown.index("Before.") < shown.index("generate_image") < shown.index("After.") < shown.index("Later")
    )
    assert "of 2</span>" in shown
    assert "Another." not in shown
    assert 'data-state="queued"' in shown
    assert reverse("admin:chat_thread_events", args=[thread.id]) in shown
    failed.delete()

    other = Message.objects.get(text="Another.")
    aside = page(admin, "chat_thread_change", thread.id, through=str(other.id))
    assert "Another." in aside
    assert "After." not in aside
    assert "another path" in aside


def test_a_long_transcript_comes_in_pages_and_the_last_one_first(admin: Client, bert: User) -> None:
    thread = make_thread(bert, "A fox")
    for number in range(60):
        thread.head = Message.objects.create(
            thread=thread,
            parent=thread.head,
            role="assistant" if number % 2 else "user",
            text=f"Word {number:02}.",
        )
    thread.save(update_fields=["head"])
    assert "Word 59." in (last := page(admin, "chat_thread_change", thread.id))
    assert "Word 00." not in last
    assert "Word 00." in page(admin, "chat_thread_change", thread.id, page="1")


def test_runs_are_filtered_and_tell_of_attempts_timing_tokens_and_errors(admin: Client, bert: User) -> None:
    thread = make_thread(bert, "A fox")
    run = Run.objects.get()
    shown = page(admin, "chat_run_change", run.id)
    for told in (
        "host-one:7",
        "lost",
        "host-two:8",
        "9.0 s",
        "12.0 s",
        "1234",
        "56",
        "generate_image",
        "1.8 s",
    ):
        assert told in shown
    assert f"{reverse('admin:chat_thread_events', args=[thread.id])}?run={run.id}" in shown
    assert "1,234 + 56" in page(admin, "chat_run_changelist")
    assert "1,234 + 56" not in page(admin, "chat_run_changelist", state="failed")
    error = {"code": "model_unreachable", "message": "The model server did not answer.", "retryable": True}
    Run.objects.update(status="failed", error=error)
    assert "model_unreachable" in page(admin, "chat_run_changelist", state="failed")
    assert "did not answer" in page(admin, "chat_run_change", run.id)
    assert "did not answer" in page(admin, "index")
    assert "model_unreachable" in page(admin, "chat_run_changelist", q="answer fox")


def test_a_run_that_another_attempt_goes_on_with_says_so_and_why(admin: Client, bert: User) -> None:
    make_thread(bert, "A fox")
    run = Run.objects.get()
    assert "Its worker died" in page(admin, "chat_run_change", run.id)
    assert ">recovered<" not in page(admin, "chat_run_changelist")
    run.attempts[0]["outcome"] = "handed_over"
    run.status = "running"
    run.save()
    shown = page(admin, "chat_run_change", run.id)
    for told in (">handed over<", "Its worker was told to stop.", ">recovered<"):
        assert told in shown
    assert ">recovered<" in page(admin, "chat_run_changelist")


def test_a_log_is_read_by_type_and_by_run(admin: Client, bert: User) -> None:
    thread = make_thread(bert, "A fox")
    run = Run.objects.get()
    assert "A fox" in page(admin, "chat_event_changelist")
    whole = page(admin, "chat_thread_events", thread.id)
    for seq, type_ in enumerate(("run_queued", "tool_call_completed", "thread_updated"), 1):
        assert f'id="seq-{seq}"' in whole
        assert f"<b>{type_}</b>" in whole
    assert "<b>run_queued</b>" not in page(admin, "chat_thread_events", thread.id, type="tool_call_completed")
    of_run = page(admin, "chat_thread_events", thread.id, run=str(run.id))
    assert "<b>run_queued</b>" in of_run
    assert "<b>thread_updated</b>" not in of_run
    path = reverse("admin:chat_thread_events", args=[thread.id])
    assert admin.get(path, {"run": "nonsense"}).status_code == 404
    assert admin.post(path).status_code == 405
    assert Event.objects.count() == 3


def test_nothing_of_history_is_added_or_changed_by_hand(admin: Client, bert: User) -> None:
    thread = make_thread(bert, "A fox")
    token, _ = access.make_token(bert, "laptop")
    rows = {"image": Image.objects.get(), "thread": thread, "run": Run.objects.get(), "token": token}
    for name, row in rows.items():
        assert admin.get(reverse(f"admin:chat_{name}_add")).status_code == 403
        assert admin.post(reverse(f"admin:chat_{name}_add"), {}).status_code == 403
        path = reverse(f"admin:chat_{name}_change", args=[row.pk])
        assert admin.post(path, {"title": "Mine", "prompt": "mine", "name": "mine"}).status_code == 403
    assert (
        admin.post(reverse("admin:chat_run_delete", args=[rows["run"].pk]), {"post": "yes"}).status_code
        == 403
    )
    thread.refresh_from_db()
    assert thread.title == "A fox"


def test_a_token_s_secret_is_never_shown(admin: Client, bert: User) -> None:
    token, text = access.make_token(bert, "laptop")
    shown = page(admin, "chat_token_changelist") + page(admin, "chat_token_change", token.id)
    assert "laptop" in shown
    assert token.digest not in shown
    assert text not in shown
    admin.post(reverse("admin:chat_token_delete", args=[token.id]), {"post": "yes"})
    assert not Token.objects.exists()


def files() -> list[str]:
    return [name for image in Image.objects.all() for name in (image.file, image.thumbnail)]


def confirm(admin: Client, path: str, **fields: Any) -> HttpResponse:
    response = admin.post(path, {"post": "yes", **fields})
    assert response.status_code == 302
    return response  # type: ignore[return-value]


def delete_one(model: str) -> Callable[[Client], Any]:
    def delete(admin: Client) -> Any:
        row = (Image if model == "image" else Thread)._default_manager.get()
        path = reverse(f"admin:chat_{model}_delete", args=[row.pk])
        assert "Are you sure" in admin.get(path).content.decode()
        confirm(admin, path)

    return delete


def delete_selected(model: str) -> Callable[[Client], Any]:
    def delete(admin: Client) -> Any:
        row = (Image if model == "image" else Thread)._default_manager.get()
        path = reverse(f"admin:chat_{model}_changelist")
        confirm(admin, path, action="delete_selected", _selected_action=[str(row.pk)])

    return delete


def delete_owner(admin: Client) -> None:
    confirm(admin, reverse("admin:auth_user_delete", args=[User.objects.get(username="bert").pk]))


@pytest.mark.parametrize(
    ("delete", "left"),
    [
        (delete_one("image"), 1),
        (delete_selected("image"), 1),
        (delete_one("thread"), 0),
        (delete_selected("thread"), 0),
        (delete_owner, 0),
    ],
    ids=["a picture", "chosen pictures", "a thread", "chosen threads", "a person"],
)
def test_what_is_deleted_goes_with_its_files(
    admin: Client,
    bert: User,
    delete: Callable[[Client], Any],
    left: int,
    django_capture_on_commit_callbacks: Any,
) -> None:
    make_thread(bert, "A fox")
    names = files()
    assert all(default_storage.exists(name) for name in names)
    with django_capture_on_commit_callbacks(execute=True):
        delete(admin)
    assert not any(default_storage.exists(name) for name in names)
    assert not Image.objects.exists()
    assert Thread.objects.count() == Run.objects.count() == left
    assert Event.objects.exists() is bool(left)
