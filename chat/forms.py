"""The forms of the pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import PasswordChangeForm, UserCreationForm
from django.contrib.auth.models import User
from django.http import HttpRequest


class SignUpForm(UserCreationForm):  # type: ignore[type-arg]  # no generic at run time
    """A new account: a name and a password, given twice."""

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = ""  # what a name may not have is said where it has it
        self.fields["password1"].help_text = "At least 8 characters, and not one that many use."
        self.fields["password2"].help_text = ""


def _is_own_password(request: HttpRequest, password: str) -> bool:
    """Whether it is the password of who is asking; guesses count as those at the door do, and lock the same."""
    return authenticate(request, username=request.user.get_username(), password=password) is not None


class ChangePasswordForm(PasswordChangeForm):
    """The old password and a new one, given twice."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_old_password(self) -> str:
        password: str = self.cleaned_data["old_password"]
        if not _is_own_password(self._request, password):
            raise forms.ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return password


class DeleteAccountForm(forms.Form):
    """The password once more, so that an open page alone deletes nothing."""

    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_password(self) -> Any:
        password = self.cleaned_data["password"]
        if not _is_own_password(self._request, password):
            raise forms.ValidationError("This is not your password.")
        return password


class TokenForm(forms.Form):
    """A name for a new token."""

    name = forms.CharField(max_length=100)

    def clean_name(self) -> Any:
        return " ".join(self.cleaned_data["name"].split())
