"""The forms of the pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User


class SignUpForm(UserCreationForm):  # type: ignore[type-arg]  # no generic at run time
    """A new account: a name and a password, given twice."""

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username",)


class TokenForm(forms.Form):
    """A name for a new token."""

    name = forms.CharField(max_length=100)

    def clean_name(self) -> Any:
        return " ".join(self.cleaned_data["name"].split())
