"""What a model says may be an attack: nothing of it runs, nothing is fetched for it, nothing of its text is lost."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenDevice
from tests.fakes.openai_server import FakeOpenAI
from tests.site import Site

if TYPE_CHECKING:
    from tests.browser.pages import Tab

EVIL = "https://evil.example"
RUN = "window.canary=1"

# Each with words that must be readable afterwards.
CORPUS: dict[str, tuple[str, list[str]]] = {
    "scripts": (
        f"first <script>{RUN}</script> <img src=x onerror={RUN}> <svg onload={RUN}><script>{RUN}</script></svg> last",
        ["first", "last", f"<script>{RUN}</script>"],
    ),
    "a block of html": (
        (f"<div onclick={RUN} style=position:fixed;inset:0>\n<script src={EVIL}/s.js></script>\nwords inside\n</div>"
        "\n\nlast"),
        ["words inside", "last"],
    ),
    "links that run": (
        (f"[one](javascript:{RUN}) [two](JaVaScRiPt:{RUN}) [three](data:text/html,<script>{RUN}</script>)"
        f" [four](vbscript:x) [five](&#106;avascript:{RUN}) [six](java&Tab;script:{RUN}) <javascript:{RUN}>"),
        ["one", "two", "three", "four", "five", "six"],
    ),
    "links to elsewhere": (
        (f"[one](//evil.example/x) [two](\\\\evil.example) [three](/\\evil.example) {EVIL}/auto www.evil.example"
        f" mail@evil.example [four]({EVIL}/?q=1 'title\" onmouseover=\"{RUN}')"),
        ["one", "two", "three", "auto", "www.evil.example", "four"],
    ),
    "links to nowhere": (
        "[one](http://[) https://a} [two](https://%) ![three](https://[::1/i.png) <http://[x]> [four](https:) last",
        ["one", "two", "three", "four", "last"],
    ),
    "pictures from elsewhere": (
        (f"![one]({EVIL}/i.png) ![two](//evil.example/j.png) ![three](/images/../logout/)"
        " ![four](data:image/svg+xml,<svg/>)"
        f" ![five\" onerror=\"{RUN}]({EVIL}/k.png \"x\\\" onerror=\\\"{RUN}\") ![]({EVIL}/l.png)"),
        ["one", "two", "three", "five"],
    ),
    "frames, styles and forms": (
        (f"<iframe src={EVIL}></iframe><object data={EVIL}></object><embed src={EVIL}>"
        f"<style>@import '{EVIL}/c.css'; body {{ display: none }}</style><link rel=stylesheet href={EVIL}/c.css>"
        f"<form action={EVIL}><input autofocus onfocus={RUN}><button formaction={EVIL}>press</button></form>"
        f"<base href={EVIL}/><meta http-equiv=refresh content='0;url={EVIL}'>"
        f"<video poster={EVIL}/p.png src={EVIL}/v></video> last"),
        ["last", "press"],
    ),
    "foreign markup": (
        (f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={RUN}&gt;'>"
        f"<svg><animate onbegin={RUN} attributeName=x dur=1s><a xlink:href=javascript:{RUN}><text>t</text></a></svg>"
        f"<details open ontoggle={RUN}><summary>sum</summary>deep</details><![CDATA[<img src=x onerror={RUN}>]]> last"),
        ["sum", "deep", "last"],
    ),
    "clobbered names": (
        ("<a id=page name=page></a><form id=announcer name=body><input name=attributes></form><img name=getElementById>"
        "\n\n[toString][] [constructor] [__proto__] [hasOwnProperty]\n\n"
        "```__proto__\nx = 1\n```\n\n```constructor\ny = 2\n```\n\n"
        "| __proto__ | toString |\n|---|---|\n| a | b |\n\nlast"),
        ["toString", "constructor", "__proto__", "x = 1", "y = 2", "last"],
    ),
    "a fence that tries to leave": (
        (f'```html" onload="{RUN}\n<script>{RUN}</script>\n<img src=x onerror={RUN}>\n```\n\nlast\n\n'
        "```js\nnever closed <b>\n"),
        [f"<script>{RUN}</script>", "last", "never closed <b>"],
    ),
    "depth": (
        ">" * 200 + " deepest\n\n" + "".join("  " * at + "- item\n" for at in range(60)) + "\nlast",
        ["deepest", "last"],
    ),
    "brackets": ("[" * 400 + "*" * 400 + "`" * 7 + "_" * 300 + " last", ["last"]),
    "a huge table": (
        "| a | b | c |\n|---|---|---|\n"
        + "".join(f"| row {at} | x | <b onmouseover={RUN}>y</b> |\n" for at in range(150))
        + "\nlast",
        ["row 0", "row 149", "last"],
    ),
    "odd characters": (
        "\x1b[31mred\x1b[0m \x07bell \u202eevil\u202c \u2066iso\u2069 \u200bzero e\u0301 👩‍👩‍👧‍👦 \ufffd \ufeffbom"
        " &lt;b&gt; &amp;amp; &#x3c;script&#x3e; &nbsp;&copy; " + "longword" * 60 + " " + "👍" * 40 + " last",
        ["red", "evil", "zero", "👩‍👩‍👧‍👦", "<b>", "&amp;", "<script>", "last"],
    ),
    "lines": ("one\r\ntwo\r\n\r\n- a\r\n- b\r\n\r\n***\r\nlast  \r\nline", ["one", "two", "last", "line"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ["at once", "in bytes"])
async def test_an_attack_in_an_answer_does_nothing(
    fake_site: Site, openai: FakeOpenAI, device: OpenDevice, name: str
) -> None:
    eve = await fake_site.person()
    browser = await device(fake_site, eve)
    tab = await browser.open()
    everything = "\n\n".join(text for text, _ in CORPUS.values())
    openai.script(
        {"text": everything, "when": name, "pace": 0 if name == "at once" else 400, "split_bytes": 7}
    )
    await tab.hear(name)
    await _stands(tab, [word for _, words in CORPUS.values() for word in words])
    streamed = await tab.shown()
    await tab.page.reload()
    await tab.is_done()
    await _stands(tab, [])
    assert await tab.shown() == streamed


async def test_every_text_is_drawn_the_same_however_it_is_cut(fake_site: Site, device: OpenDevice) -> None:
    browser = await device(fake_site, await fake_site.person())
    tab = await browser.open()
    for name, (text, words) in CORPUS.items():
        drawn = await tab.page.evaluate(
            """async (text) => {
              const { Prose } = await import("chat/markdown.js");
              const host = document.querySelector(".messages");
              const [grown, whole] = [document.createElement("div"), document.createElement("div")];
              for (const made of [grown, whole]) made.className = "prose";
              host.replaceChildren(grown, whole);
              const prose = new Prose(grown);
              const step = Math.ceil(text.length / 1200); // the short ones at every character
              for (let end = 1; end < text.length; end += step) prose.update(text.slice(0, end), true);
              prose.update(text, false);
              new Prose(whole).update(text, false);
              await import("highlight.js"); // both have their colours a moment later
              await new Promise(requestAnimationFrame);
              return [grown.isEqualNode(whole), grown.innerHTML, whole.innerHTML, whole.textContent];
            }""",
            text,
        )
        is_equal, grown, whole, shown = drawn
        assert is_equal, (name, grown, whole)
        for word in words:
            assert word in shown, (name, word, shown)
    await _is_harmless(tab)


async def test_a_link_to_elsewhere_shows_its_address_before_it_opens(
    fake_site: Site, openai: FakeOpenAI, device: OpenDevice
) -> None:
    browser = await device(fake_site, await fake_site.person())
    tab = await browser.open()
    openai.script({"text": f"[your bank]({EVIL}/login?next=1) and [here](/images/)", "when": "links"})
    answer = await tab.hear("links")
    await answer.get_by_role("link", name="your bank").click()
    await expect(tab.dialog).to_contain_text(f"{EVIL}/login?next=1")
    await expect(tab.dialog.get_by_role("button", name="Stay")).to_be_focused()
    await tab.page.keyboard.press("Enter")
    await expect(tab.dialog).to_have_count(0)
    await expect(answer.get_by_role("link", name="your bank")).to_be_focused()
    assert len(browser.context.pages) == 1
    async with browser.context.expect_page() as opened:
        await answer.get_by_role("link", name="your bank").click(modifiers=["Control"])
        await tab.dialog.get_by_role("button", name="Open it").click()
    assert await (await opened.value).evaluate("() => window.opener") is None
    assert browser.foreign == [f"{EVIL}/login?next=1"]
    browser.foreign.clear()
    browser.forgive()


async def _stands(tab: Tab, words: list[str]) -> None:
    """The page is unharmed and usable, and the words can be read."""
    await _is_harmless(tab)
    text = await tab.answer.locator(".body").evaluate("(body) => body.textContent")
    for word in words:
        assert word in text, (word, text)
    await expect(tab.field).to_be_visible()
    await tab.field.fill("still here")
    await expect(tab.send).to_be_enabled()
    await tab.field.fill("")
    width = await tab.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]


async def _is_harmless(tab: Tab) -> None:
    found: dict[str, Any] = await tab.page.evaluate(
        """() => {
          const prose = [...document.querySelectorAll(".prose, .prose *")];
          return {
            canary: window.canary ?? null,
            tags: [...new Set(prose.map((one) => one.localName))],
            attributes: [...new Set(prose.flatMap((one) => one.getAttributeNames()))],
            links: prose.filter((one) => one.href !== undefined && one.hasAttribute("href")).map((one) => one.href),
            sources: prose.flatMap((one) => one.getAttribute("src") ?? []),
            polluted: ({}).x ?? null,
          };
        }"""
    )
    assert found["canary"] is None
    assert found["polluted"] is None
    assert found["sources"] == []
    bad = {
        "script",
        "iframe",
        "object",
        "embed",
        "style",
        "link",
        "form",
        "base",
        "meta",
        "svg",
        "math",
        "video",
    }
    assert not bad & set(found["tags"]), found["tags"]
    assert not [name for name in found["attributes"] if re.match(r"on|style$|id$|name$", name)], found[
        "attributes"
    ]
    for link in found["links"]:
        assert re.match(r"https?://|mailto:", link), json.dumps(found["links"])
