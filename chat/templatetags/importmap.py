"""`{% importmap %}`: the page's import map. It must stand before the first module script."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from project import npm

register = template.Library()


@register.simple_tag(takes_context=True)
def importmap(context: dict[str, Any]) -> SafeString:
    """The import map with the nonce of the request, without which the Content-Security-Policy forbids it."""
    return format_html(
        '<script type="importmap" nonce="{}">{}</script>',
        context["request"].csp_nonce,
        mark_safe(npm.import_map()),  # noqa: S308  # made of our own file names, and "<" is escaped in it
    )
