"""TeX in an answer is drawn as a formula, also while it is written; hostile TeX does nothing, and money stays money."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browser.conftest import OpenDevice
from tests.browser.test_access import AXE, UNMEASURED
from tests.fakes.openai_server import FakeOpenAI
from tests.site import Site

if TYPE_CHECKING:
    from tests.browser.pages import Tab

# All that KaTeX draws by pictures or by styles of its own, which the Content-Security-Policy must not meet.
SIGNS = (
    r"\(\vec{F} = m\vec a\) \(\widehat{abc}\) \(\overrightarrow{AB}\) \(\oiint\) \(\pmb{x}\) \(\color{red}y\)"
    r" \(\boxed{z}\) \(\cancel{5}\) \(\sqrt[3]{\frac{1}{2}}\) \(\colorbox{aqua}{$a$}\) \(\underbrace{b}_c\)"
    r" \(\phase{9}\) \[\left\{\begin{matrix}" + r"a & b\\ " * 12 + r"\end{matrix}\right. \tag{1}\] last"
)
EULER = (
    r"It is \(e^{i\pi} + 1 = 0\), and $\vec{x}^2$ costs $5 or $10."
    "\n\n$$\n\\sum_{k=1}^n k\n= \\frac{n(n+1)}{2}\n$$\n"
)

# Each with what must be readable afterwards.
HOSTILE: dict[str, tuple[str, list[str]]] = {
    "links and pictures": (
        (r"\(\href{javascript:window.canary=1}{one}\) \(\url{https://evil.example}\) "
        r"\(\includegraphics[width=9em]{https://evil.example/i.png}\) last"),
        ["last"],
    ),
    "attributes": (
        (r"\(\htmlStyle{position:fixed;inset:0}{one}\) \(\htmlId{page}{two}\) \(\htmlClass{app}{three}\)"
        r" \(\htmlData{x=1}{four}\) last"),
        ["last"],
    ),
    "markup": (
        (r"\(</tex-formula><script>window.canary=1</script><img src=x onerror=window.canary=1>\) "
        r"\(\text{<img src=x onerror=window.canary=1>}\) <tex-formula display>x</tex-formula> last"),
        ["<tex-formula display>x</tex-formula>", "last"],
    ),
    "definitions without end": (
        r"\(\def\a{\a\a}\a\) \(\newcommand{\b}{\b\b}\b\) \(\let\c\d\c\) \(\gdef\e{xxxxxxxxxx}\e\e\e\) last",
        [r"\def\a{\a\a}\a", "last"],
    ),
    "no TeX": (r"\(\frac{1}\) \(}{\) \(\nosuchthing\) \[\begin{matrix} a \] $$%$$ last", [r"\frac{1}", "}{", "last"]),
    "depth": (r"\(" + "{" * 900 + "x" + "}" * 900 + r"\) \(" + r"\frac{" * 300 + r"\) last", ["last"]),
    "far away": (
        r"\(\rule{900em}{900em}\) \(\kern900em x\) \(\raisebox{900em}{y}\) \(\hspace{-900em}z\) \(\mathllap{"
        + "w" * 300 + r"}\) last",
        ["last"],
    ),
    "never ended": ("first \\(a_1 and \\[b\n\n$$\nc_1 *d*\n- e\n\nlast", ["first", "last", "c_1"]),
    "many": (r"\(x\) $y$ " * 150 + "\n\n" + "$$\\frac{a}{b}$$\n\n" * 30 + "last", ["last"]),
}  # fmt: skip


async def test_a_formula_is_drawn_while_the_answer_is_written_and_after_a_reload(
    fake_site: Site, openai: FakeOpenAI, device: OpenDevice
) -> None:
    ada = await fake_site.person()
    browser = await device(fake_site, ada)
    tab = await browser.open()
    asked: list[str] = []
    browser.context.on("request", lambda request: asked.append(request.url))
    openai.script({"text": "Plain words for $5.", "when": "plain"})
    await tab.hear("plain")
    assert not [url for url in asked if "katex" in url]  # fetched when it is needed

    openai.script({"text": EULER + "\n" + "and so on " * 60, "when": "euler", "pace": 60})
    await tab.say("euler")
    await expect(tab.answers.nth(1).locator(".katex")).to_have_count(3)
    await expect(tab.answers.nth(1)).to_have_attribute("data-status", "streaming")
    await tab.is_done()
    await _shows_euler(tab)
    assert {"KaTeX_Main-Regular", "KaTeX_Math-Italic"} <= {
        match[1] for url in asked if (match := re.search(r"/(KaTeX_[\w-]+?)(?:\.[0-9a-f]+)?\.woff2$", url))
    }
    streamed = await tab.shown()
    await tab.page.reload()
    await tab.is_done()
    await _shows_euler(tab)
    assert await tab.shown() == streamed
    # And for an administrator, who reads it in a transcript.
    fake_site.database.query(
        "UPDATE auth_user SET is_staff = true, is_superuser = true WHERE id = %s", ada.id
    )
    admin = await browser.new_tab(f"/admin/chat/thread/{tab.thread_id}/change/")
    await expect(admin.page.locator(".transcript .katex")).to_have_count(3)


async def _shows_euler(tab: Tab) -> None:
    prose = tab.answer.locator(".prose")
    await expect(prose.locator(".katex")).to_have_count(3)
    await expect(prose.locator(".katex-display")).to_have_count(1)
    await expect(prose.locator("math annotation").first).to_have_text(r"e^{i\pi} + 1 = 0")  # what is read out
    arrow = await prose.locator(".katex svg").bounding_box()
    assert arrow is not None
    assert 2 < arrow["width"] < 20
    await expect(prose).to_contain_text("costs $5 or $10.")
    box = await prose.locator(".katex-display").bounding_box()
    whole = await prose.bounding_box()
    assert box is not None
    assert whole is not None
    assert whole["x"] <= box["x"]
    assert box["x"] + box["width"] <= whole["x"] + whole["width"] + 1
    assert box["height"] > 40  # its fraction stands in two lines: the style sheet is there


async def test_hostile_tex_does_nothing_and_is_drawn_the_same_however_it_is_cut(
    fake_site: Site, device: OpenDevice
) -> None:
    browser = await device(fake_site, await fake_site.person())
    tab = await browser.open()
    corpus = {"signs": (SIGNS, ["last"]), "euler": (EULER, ["costs $5"]), **HOSTILE}
    for name, (text, words) in corpus.items():
        is_equal, grown, whole, shown, outside, canary = await tab.page.evaluate(
            """async (text) => {
              const { Prose } = await import("chat/markdown.js");
              const host = document.querySelector(".messages");
              const [grown, whole] = [document.createElement("div"), document.createElement("div")];
              for (const made of [grown, whole]) made.className = "prose";
              host.replaceChildren(grown, whole);
              new Prose(whole).update("\\\\(x\\\\)", false);
              while (!whole.querySelector(".katex")) await new Promise(requestAnimationFrame); // it is loaded now
              whole.replaceChildren();
              const prose = new Prose(grown);
              const step = Math.ceil(text.length / 1200); // the short ones at every character
              for (let end = 1; end < text.length; end += step) prose.update(text.slice(0, end), true);
              prose.update(text, false);
              new Prose(whole).update(text, false);
              await new Promise(requestAnimationFrame);
              const bad = "script, img, a, iframe, style, link, [data-style], .katex [id], .katex [onerror]";
              return [grown.isEqualNode(whole), grown.innerHTML, whole.innerHTML, whole.textContent,
                host.querySelectorAll(bad).length, window.canary ?? null];
            }""",
            text,
        )
        assert is_equal, (name, grown[:2000], whole[:2000])
        assert (outside, canary) == (0, None), (name, whole)
        for word in words:
            assert word in shown, (name, word, shown)
        width = await tab.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], name


async def test_a_wide_formula_can_be_read_on_a_phone_and_with_the_keyboard(
    fake_site: Site, openai: FakeOpenAI, device: OpenDevice
) -> None:
    browser = await device(fake_site, await fake_site.person(), phone=True)
    await browser.context.add_init_script(path=AXE)
    tab = await browser.open()
    openai.script(
        {"text": "$$" + " + ".join(f"x_{{{at}}}" for at in range(40)) + "$$\n\nlast", "when": "wide"}
    )
    answer = await tab.hear("wide")
    await expect(answer.locator(".katex")).to_have_count(1)
    width = await tab.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    scroller = answer.locator(".katex-display")
    await scroller.focus()
    await tab.page.keyboard.press("ArrowRight")
    await tab.until(lambda: scroller.evaluate("(one) => one.scrollLeft"), lambda left: left > 0, "scrolling")
    found = await tab.page.evaluate("(options) => axe.run(document, options)", UNMEASURED)
    assert [violation["id"] for violation in found["violations"]] == []
    assert all(
        "axe.min.js" in problem for problem in browser.problems
    )  # it copies elements with their styles
    browser.forgive()


async def test_ink_of_a_formula_stays_in_its_own_text(
    fake_site: Site, openai: FakeOpenAI, device: OpenDevice
) -> None:
    browser = await device(fake_site, await fake_site.person())
    tab = await browser.open()
    openai.script({"text": r"\(\smash{" + r"\rule[4em]{20em}{4em}" * 3 + r"}\) up", "when": "cover me"})
    openai.script({"text": "first answer " * 30, "when": "first"})
    await tab.hear("first")
    clean = await _over(tab)
    answer = await tab.hear("cover me")
    await expect(answer.locator(".katex")).to_have_count(1)
    assert await _over(tab) == clean == "bubble"


async def _over(tab: Tab) -> str:
    """What a click on the newest question would meet."""
    met: str = await tab.questions.last.locator(".bubble").evaluate(
        """(bubble) => {
          const { left, top, width, height } = bubble.getBoundingClientRect();
          return document.elementFromPoint(left + width / 2, top + height / 2)?.className ?? "";
        }"""
    )
    return met
