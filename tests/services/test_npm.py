"""The browser gets its libraries by an import map, and nothing else of node_modules."""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest
from django.contrib.staticfiles import finders
from django.template import Context, Template
from django.test import RequestFactory

from project import npm


def test_every_module_of_the_import_map_is_served() -> None:
    for name, url in json.loads(npm.import_map())["imports"].items():
        assert finders.find(unquote(url).removeprefix("/static/")), name


def test_the_import_map_names_the_libraries_and_our_own_modules() -> None:
    assert {"marked", "dompurify", "highlight.js", "idiomorph", "chat/store.js"} <= set(
        json.loads(npm.import_map())["imports"]
    )


def test_what_is_collected_can_be_found() -> None:
    listed = [f"{vars(storage)['prefix']}/{name}" for name, storage in npm.NpmFinder().list([])]
    assert "npm/marked/lib/marked.esm.js.map" in listed
    assert all(finders.find(path) for path in listed)


@pytest.mark.parametrize(
    "path",
    [
        "npm/marked/package.json",
        "npm/marked/lib/../package.json",
        "npm/katex/dist/contrib/copy-tex.mjs",
        "npm/typescript/package.json",
        "npm/@highlightjs/cdn-assets/es/languages/../highlight.js",
        "npm/../package.json",
    ],
)
def test_nothing_else_is_served(path: str) -> None:
    assert not finders.find(path)


def test_the_tag_carries_the_nonce_of_the_request() -> None:
    request = RequestFactory().get("/")
    request.csp_nonce = "abc"  # type: ignore[attr-defined]
    shown = Template("{% load importmap %}{% importmap %}").render(Context({"request": request}))
    assert shown.startswith('<script type="importmap" nonce="abc">{"imports":{"marked":"/static/npm/marked/')
