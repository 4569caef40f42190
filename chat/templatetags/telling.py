"""How the administrator's pages tell numbers and data."""

from __future__ import annotations

import json
from typing import Any

from django import template

from chat.admin import base

register = template.Library()
register.filter("duration", base.duration)
register.filter("moment", base.moment)
register.filter("state", base.state)


@register.filter
def pretty_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
