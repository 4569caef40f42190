"""Uploads: every picture is encoded again, so that only a picture is kept; all else is refused, in bounded memory."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import PIL.Image
import PIL.ImageCms
import PIL.PngImagePlugin
import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError
from django.test import Client
from pytest_django import Settings

from chat import access, images
from chat.errors import InvalidField
from chat.models import Image
from tests.services.databases import Database
from tests.services.process import ROOT

SECRET = b"51.5007N-0.1246W"
"""What a camera or an editor wrote into a file and nobody else is to read."""


def encoded(picture: PIL.Image.Image, format_: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, format_, **options)
    return out.getvalue()


def opened(kept: images.Encoded) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(kept.data)).convert("RGB")


def red() -> PIL.Image.Image:
    return PIL.Image.new("RGB", (60, 40), "#c81e1e")


def is_near(seen: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(seen, tuple)
    return all(abs(one - other) <= 12 for one, other in zip(seen, wanted, strict=True))


def chunks(webp: bytes) -> set[bytes]:
    """The kinds of chunks in a WebP file."""
    assert webp[:4] == b"RIFF"
    assert webp[8:12] == b"WEBP"
    kinds, at = set(), 12
    while at < len(webp):
        kinds.add(webp[at : at + 4])
        (size,) = struct.unpack("<I", webp[at + 4 : at + 8])
        at += 8 + size + size % 2
    return kinds


def _with_metadata(format_: str) -> bytes:
    exif = PIL.Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, object] = {"exif": exif, "icc_profile": profile + SECRET}
    match format_:
        case "JPEG":
            options |= {"comment": SECRET, "xmp": SECRET}
        case "PNG":
            info = PIL.PngImagePlugin.PngInfo()
            info.add_text("Location", SECRET.decode())
            info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
            options["pnginfo"] = info
        case "WEBP":
            options["xmp"] = SECRET
        case "GIF":
            options = {"comment": SECRET}
    return encoded(red(), format_, **options)


@pytest.mark.parametrize("format_", images.FORMATS)
def test_nothing_is_kept_but_the_picture(format_: str) -> None:
    data = _with_metadata(format_)
    assert SECRET in data
    kept = images.encode(data + b"<script>alert(1)</script>")
    for part in (kept.data, kept.thumbnail):
        assert SECRET not in part
        assert b"<script" not in part
        assert chunks(part) == {b"VP8 "}
    assert is_near(opened(kept).getpixel((30, 20)), (200, 30, 30))


REFUSED = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "html that begins like a GIF": b"GIF89a/*<script>alert(1)</script>*/=1;",
    "pdf": b"%PDF-1.7\n",
    "tiff": encoded(red(), "TIFF"),
    "bmp": encoded(red(), "BMP"),
    "ico": encoded(red(), "ICO"),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
    "nothing": b"",
    "noise": bytes(range(256)) * 40,
    "a truncated JPEG": encoded(red(), "JPEG")[:-200],
    "a truncated PNG": encoded(red(), "PNG")[:-30],
    "a truncated WebP": encoded(red(), "WEBP")[:-30],
    "a truncated GIF": encoded(red(), "GIF")[:20],
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_whole_picture_is_refused_by_a_code(what: str) -> None:
    with pytest.raises(InvalidField) as refused:
        images.encode(REFUSED[what])
    assert refused.value.details == {"field": "file"}


def _png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8, kind: int = 2) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*each) for each in chunks) + chunk(b"IEND", b"")


MEASURE = """
import resource, sys, time
from pathlib import Path
import django; django.setup()
from chat import images
from chat.errors import InvalidField
from chat.agent.painter import accent
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for name in sys.argv[1:]:
    began, said = time.process_time(), "kept"
    try:
        images.encode(Path(name).read_bytes())
    except InvalidField as error:
        said = error.code
    print(said, peak() - before, round(time.process_time() - began, 2))
"""


def test_bombs_cost_no_memory_and_the_largest_picture_a_bounded_amount(tmp_path: Path) -> None:
    zeros = zlib.compress(bytes(200 * 2**20), 9)
    bombs = {
        "huge.png": _png(60_000, 60_000, (b"IDAT", zeros)),
        "over.png": _png(40_000, 1_001, (b"IDAT", zeros)),
        "text.png": _png(8, 8, (b"iTXt", b"a\0\1\0\0\0" + zeros), (b"IDAT", zlib.compress(bytes(200)))),
        "profile.png": _png(8, 8, (b"iCCP", b"a\0\0" + zeros), (b"IDAT", zlib.compress(bytes(200)))),
        "more.png": _png(8, 8, (b"IDAT", zeros)),
        "huge.gif": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + bytes(6)
        + b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x4c\x01\x00;",
    }  # fmt: skip
    largest = encoded(PIL.Image.new("RGBA", (8_000, 5_000), (200, 30, 30, 128)), "PNG")
    for name, data in {**bombs, "largest.png": largest}.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *(str(tmp_path / name) for name in [*bombs, "largest.png"])],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = {
        name: line.split()
        for name, line in zip([*bombs, "largest.png"], done.stdout.splitlines(), strict=True)
    }
    for name in bombs:
        said, megabytes, seconds = told[name]
        assert said in ("invalid_field", "kept"), told  # small ones with a large tail are just small pictures
        assert int(megabytes) < 40, told
        assert float(seconds) < 2, told
    assert [told[name][0] for name in ("huge.png", "over.png", "huge.gif")] == ["invalid_field"] * 3, told
    said, megabytes, seconds = told["largest.png"]
    assert said == "kept", told
    assert int(megabytes) < 700, told
    assert float(seconds) < 15, told


MODES = {
    "palette": (encoded(red().quantize(), "PNG"), (200, 30, 30)),
    "palette with a transparent colour": (
        encoded(PIL.Image.new("P", (60, 40)), "PNG", transparency=0),
        (255, 255, 255),
    ),
    "transparent": (encoded(PIL.Image.new("RGBA", (60, 40), (9, 9, 9, 0)), "PNG"), (255, 255, 255)),
    "transparent WebP": (encoded(PIL.Image.new("RGBA", (60, 40), (9, 9, 9, 0)), "WEBP"), (255, 255, 255)),
    "grey with alpha": (encoded(PIL.Image.new("LA", (60, 40), (100, 255)), "PNG"), (100, 100, 100)),
    "16 bits of grey": (encoded(PIL.Image.new("I;16", (60, 40), 100 * 256), "PNG"), (100, 100, 100)),
    "16 bits a colour": (
        _png(60, 40, (b"IDAT", zlib.compress((b"\0" + b"\xc8\x00\x1e\x00\x1e\x00" * 60) * 40)), depth=16),
        (200, 30, 30),
    ),
    "black and white": (encoded(PIL.Image.new("1", (60, 40), 1), "PNG"), (255, 255, 255)),
    "CMYK": (encoded(PIL.Image.new("CMYK", (60, 40), (0, 0, 0, 155)), "JPEG"), (100, 100, 100)),
    "the first of an animation": (
        encoded(
            red().quantize(), "GIF", save_all=True, append_images=[PIL.Image.new("P", (60, 40))], duration=50
        ),
        (200, 30, 30),
    ),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_picture_looks_as_it_should(mode: str) -> None:
    data, colour = MODES[mode]
    kept = images.encode(data)
    assert (kept.width, kept.height) == (60, 40)
    assert is_near(opened(kept).getpixel((30, 20)), colour)
    assert getattr(PIL.Image.open(io.BytesIO(kept.data)), "n_frames", 1) == 1


def test_a_picture_that_was_taken_sideways_stands_upright() -> None:
    picture = red()
    picture.paste("#1e1ec8", (0, 0, 30, 40))  # blue on the left
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    kept = images.encode(encoded(picture, "JPEG", exif=exif, quality=95))
    assert (kept.width, kept.height) == (40, 60)
    assert is_near(opened(kept).getpixel((20, 10)), (30, 30, 200))


def test_a_long_thin_picture_is_made_smaller() -> None:
    kept = images.encode(encoded(PIL.Image.new("RGB", (30_000, 4)), "PNG"))
    assert (kept.width, kept.height) == (images.SIDE_MAX, 1)


def files() -> list[str]:
    return default_storage.listdir("images")[1] if default_storage.exists("images") else []


def test_files_whose_row_could_not_be_saved_are_deleted(database: Database) -> None:
    before = files()
    with pytest.raises(IntegrityError):
        images.upload(User(pk=4_000_000), encoded(red(), "PNG"), "fox.png")
    assert files() == before


@pytest.fixture
def ada(database: Database) -> User:
    return User.objects.create_user("ada")


def _browser_of(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {access.make_token(user, 'test')[1]}"})


def test_an_upload_comes_back_as_a_picture_and_as_nothing_else(ada: User) -> None:
    data = SimpleUploadedFile("fox.html", _with_metadata("JPEG"), "text/html")
    made = _browser_of(ada).post("/api/v1/images", {"file": data})
    assert made.status_code == 201, made.content
    for url in (made.json()["url"], made.json()["thumbnail_url"]):
        served = _browser_of(ada).get(url)
        assert served["Content-Type"] == "image/webp"
        assert served["X-Content-Type-Options"] == "nosniff"
        assert served["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
        assert served["Cache-Control"].startswith("private")
        assert chunks(served.content) == {b"VP8 "}


def test_an_upload_that_is_too_large_is_refused_by_a_code(ada: User, settings: Settings) -> None:
    data = SimpleUploadedFile("fox.png", bytes(settings.UPLOAD_BYTES_MAX + 1), "image/png")
    refused = _browser_of(ada).post("/api/v1/images", {"file": data})
    assert (refused.status_code, refused.json()["code"]) == (413, "frame_too_large")
    assert not Image.objects.exists()


def test_a_proxy_is_told_where_the_bytes_lie_and_only_for_their_owner(ada: User, settings: Settings) -> None:
    settings.MEDIA_ACCEL = "/protected"
    image = images.upload(ada, encoded(red(), "PNG"), "fox.png")
    for url, name in ((image.url, image.file), (image.thumbnail_url, image.thumbnail)):
        served = _browser_of(ada).get(url)
        assert served["X-Accel-Redirect"] == f"/protected/{name}"
        assert served.content == b""
        assert served["Content-Type"] == "image/webp"
        assert served["Cache-Control"].startswith("private")
        for browser in (_browser_of(User.objects.create_user(f"bob-{name}")), Client()):
            answer = browser.get(url)
            assert answer.status_code == 404
            assert "X-Accel-Redirect" not in answer
