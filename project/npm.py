"""The browser's libraries: served from node_modules as npm installed them, file by file from an allow-list.

Owns which files of which package a browser may fetch, under which names JavaScript imports them, and the import map
that says so. Our own modules are in the map too, so that they keep their bare names where static files are hashed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.contrib.staticfiles.utils import matches_patterns
from django.core import checks
from django.core.files.storage import FileSystemStorage
from django.templatetags.static import static

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NODE_MODULES = Path(__file__).resolve().parents[1] / "node_modules"
OWN_MODULES = Path(__file__).resolve().parents[1] / "static" / "chat" / "js"
PREFIX = "npm"


@dataclass(frozen=True)
class Package:
    """One npm package: `name` is what JavaScript imports, `main` the module it gets, `files` what may be served."""

    name: str
    folder: str
    main: str
    files: tuple[str, ...]

    @property
    def prefix(self) -> str:
        return f"{PREFIX}/{self.folder}"

    @property
    def path(self) -> Path:
        return NODE_MODULES / self.folder


# A module's source map is in the list because hashed storage follows the reference to it.
PACKAGES = (
    Package("marked", "marked", "lib/marked.esm.js", ("lib/marked.esm.js", "lib/marked.esm.js.map")),
    Package("dompurify", "dompurify", "dist/purify.es.mjs", ("dist/purify.es.mjs", "dist/purify.es.mjs.map")),
    Package(
        "highlight.js",
        "@highlightjs/cdn-assets",
        "es/highlight.min.js",
        ("es/highlight.min.js", "es/languages/*.min.js"),
    ),
    Package("idiomorph", "idiomorph", "dist/idiomorph.esm.js", ("dist/idiomorph.esm.js",)),
    Package(
        "katex", "katex", "dist/katex.mjs", ("dist/katex.mjs", "dist/katex.min.css", "dist/fonts/KaTeX_*")
    ),
)
LATER_STYLES = ("formulas.css",)
"""Of our own style sheets those that a module fetches when it needs them: by `chat/<name>` of the import map."""


class NpmFinder(BaseFinder):
    """A staticfiles finder for the allowed files of PACKAGES, as `npm/<package>/<file>`."""

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        missing = [package.folder for package in PACKAGES if not (package.path / package.main).is_file()]
        if not missing:
            return []
        return [
            checks.Error(
                f"The npm packages {', '.join(missing)} are not installed: run `npm ci`.", id="npm.E001"
            )
        ]

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        for package in PACKAGES:
            name = path.removeprefix(package.prefix + "/")
            if name != path and _is_allowed(package, name) and (package.path / name).is_file():
                found = str(package.path / name)
                return [found] if find_all else found
        return []

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, FileSystemStorage]]:
        for package in PACKAGES:
            storage = FileSystemStorage(location=package.path)
            storage.prefix = package.prefix  # type: ignore[attr-defined]  # where collectstatic puts the files
            for pattern in package.files:
                for file in sorted(package.path.glob(pattern)):
                    name = file.relative_to(package.path).as_posix()
                    if not matches_patterns(name, ignore_patterns or ()):
                        yield name, storage


def import_map() -> str:
    """The import map as JSON that may stand in a `<script>`: each package and each of our modules as `chat/...`."""
    return _import_map.__wrapped__() if settings.DEBUG else _import_map()


@cache
def _import_map() -> str:
    imports = {package.name: static(f"{package.prefix}/{package.main}") for package in PACKAGES}
    for module in sorted(OWN_MODULES.rglob("*.js")):
        name = module.relative_to(OWN_MODULES).as_posix()
        imports[f"chat/{name}"] = static(f"chat/js/{name}")
    imports |= {f"chat/{name}": static(f"chat/css/{name}") for name in LATER_STYLES}
    return json.dumps({"imports": imports}, separators=(",", ":")).replace("<", "\\u003c")


def _is_allowed(package: Package, name: str) -> bool:
    return any(
        fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for pattern in package.files
    )
