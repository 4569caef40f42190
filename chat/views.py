"""The pages and the private files. Thin: they ask the same functions as the sockets and the API."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.defaults import page_not_found, server_error

from chat import access, accounts, commands, configured, history, images
from chat.errors import ChatError, InternalError, NotFound
from chat.forms import ChangePasswordForm, DeleteAccountForm, SignUpForm, TokenForm
from chat.models import Image, Thread, Token

RECENT_IMAGES = 8


def _page(request: HttpRequest, thread: Thread | None = None) -> dict[str, Any]:
    """What the page's scripts know before they ask anything."""
    user = request.user
    return {
        "user": {"name": user.get_username(), "is_staff": user.is_staff} if user.is_authenticated else None,
        "thread_id": str(thread.id) if thread else None,
        "thread": thread.as_object().model_dump(mode="json") if thread else None,
        "model": configured.description(),
        "limits": {
            "text_max": commands.TEXT_MAX,
            "upload_max_bytes": settings.UPLOAD_BYTES_MAX,
            "images_max": commands.ATTACHMENTS_MAX,
        },
        "recent_images": [
            image.as_object().model_dump(mode="json") for image in images.find(user, limit=RECENT_IMAGES)
        ]
        if user.is_authenticated
        else [],
        "first_account": accounts.is_first() if not user.is_authenticated else False,
        "signup": accounts.may_sign_up() if not user.is_authenticated else False,
    }


@require_GET
@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """A new thread; it is made when the first message is sent."""
    return render(request, "chat/thread.html", {"page": _page(request)})


@require_GET
@never_cache
@login_required
def thread(request: HttpRequest, thread_id: UUID) -> HttpResponse:
    try:
        found = history.get_thread(request.user, thread_id)
    except NotFound:
        raise Http404 from None
    return render(request, "chat/thread.html", {"page": _page(request, found)})


@require_GET
@never_cache
@login_required
def gallery(request: HttpRequest) -> HttpResponse:
    return render(request, "chat/gallery.html", {"page": _page(request)})


@require_GET
@never_cache
@login_required
def account(request: HttpRequest) -> HttpResponse:
    return _account(request)


def _account(
    request: HttpRequest,
    new_token: str | None = None,
    deletion: DeleteAccountForm | None = None,
    status: int = 200,
) -> HttpResponse:
    mine = Token.objects.owned_by(request.user).order_by("-created_at")
    context = {
        "page": _page(request),
        "tokens": mine,
        "new_token": new_token,
        "deletion": deletion or DeleteAccountForm(request),
    }
    return render(request, "chat/account.html", context, status=status)


@require_POST
@login_required
def make_token(request: HttpRequest) -> HttpResponse:
    """Make a token and show it, this once."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _account(request, status=422)
    _, text = access.make_token(request.user, form.cleaned_data["name"])
    return _account(request, new_token=text)


@require_POST
@login_required
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    deleted, _ = Token.objects.owned_by(request.user).filter(id=token_id).delete()
    if not deleted:
        raise Http404
    return redirect("account")


@require_POST
@login_required
@sensitive_post_parameters()
def delete_account(request: HttpRequest) -> HttpResponse:
    """Delete the person's account and all that is theirs, with their password once more."""
    form = DeleteAccountForm(request, request.POST)
    if form.is_valid():
        try:
            accounts.delete(cast(User, request.user))
        except ChatError as problem:
            form.add_error(None, problem.message)
        else:
            logout(request)
            return redirect("login")
    return _account(request, deletion=form, status=422)


class ChangePassword(PasswordChangeView):
    """A new password for who knows the old one."""

    form_class = ChangePasswordForm
    success_url = "/account/"

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}


class SignIn(LoginView):
    """The door. Before there is any account, it leads to making the first one."""

    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if accounts.is_first():
            return redirect("signup")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"page": _page(self.request)}


def locked(
    request: HttpRequest, response: HttpResponse | None = None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """The door after too many wrong passwords, here or at the admin's own: it stays shut for a while."""
    wait = settings.AXES_COOLOFF_TIME
    page = render(
        request, "registration/locked.html", {"minutes": int(wait.total_seconds() // 60)}, status=429
    )
    page["Retry-After"] = str(int(wait.total_seconds()))
    return page


@require_http_methods(["GET", "POST"])
@never_cache
def sign_up(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("home")
    if not accounts.may_sign_up():
        return redirect("login")
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = accounts.sign_up(form.save(commit=False))
        except ChatError as problem:
            form.add_error(None, problem.message)
        else:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return redirect("home")
    return render(request, "chat/signup.html", {"form": form, "page": _page(request)})


@require_GET
def image_file(request: HttpRequest, image_id: UUID) -> HttpResponse:
    image = _visible_image(request, image_id)
    return _private(image.file, image.mime)


@require_GET
def image_thumbnail(request: HttpRequest, image_id: UUID) -> HttpResponse:
    image = _visible_image(request, image_id)
    return _private(image.thumbnail, image.mime)


@require_GET
def preview(request: HttpRequest, thread_id: UUID, name: str) -> HttpResponse:
    """A partial picture of a run at work."""
    user = _user(request)
    if user is None or not Thread.objects.owned_by(user).filter(id=thread_id).exists():
        raise Http404
    return _private(images.preview_path(thread_id, name), "image/jpeg")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """No route: a page for people, and the API's own words for programs."""
    if request.path.startswith("/api/"):
        nothing = NotFound("There is no such thing.")
        return JsonResponse(nothing.as_dict(), status=nothing.status)
    return page_not_found(request, exception)


def failed(request: HttpRequest) -> HttpResponse:
    """An error of ours, which Django has logged: whoever asked learns that it was one, and nothing of what it was."""
    if request.path.startswith("/api/"):
        problem = InternalError("Something went wrong here. Try again.")
        return JsonResponse(problem.as_dict(), status=problem.status)
    return server_error(request)


def _visible_image(request: HttpRequest, image_id: UUID) -> Image:
    """The picture, to its owner and to staff."""
    user = _user(request)
    if user is None:
        raise Http404
    found = Image.objects.all() if user.is_staff else Image.objects.owned_by(user)
    image: Image | None = found.filter(id=image_id).first()
    if image is None:
        raise Http404
    return image


def _user(request: HttpRequest) -> Any | None:
    token = access.bearer(request.headers.get("Authorization"))
    if token is not None:
        return access.user_of_token(token)
    return request.user if request.user.is_authenticated else None


def _private(name: str, mime: str) -> HttpResponse:
    """A file for one person's browser: kept there, for the name never means other bytes, and by no box in between."""
    if settings.MEDIA_ACCEL:
        response = HttpResponse(content_type=mime)
        response["X-Accel-Redirect"] = f"{settings.MEDIA_ACCEL}/{quote(name)}"
    else:
        try:
            with default_storage.open(name) as file:
                response = HttpResponse(file.read(), content_type=mime)
        except FileNotFoundError:
            raise Http404 from None
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    # A browser that shows a picture by itself lays it out with a style of its own.
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return response
