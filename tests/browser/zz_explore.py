from __future__ import annotations
import asyncio, os
from playwright.async_api import expect
OUT="/tmp/browser/"
LONG='''# A heading of the first rank

Some *text* with `code`, a [link](https://docs.example.org/a?b=c) and averyveryveryveryverylongwordwithoutanyspacewhatsoeverthatgoesonandonandonandonandonandonandonandonandonandon.

| Column one | Column two | Column three | Column four | Column five | Column six | Column seven | Eight |
|---|--:|---|---|---|---|---|---|
| some words here | 1,000 | more words in it | again words | and yet more words | words | words | x |
| some words here | 22 | more words in it | again words | and yet more words | words | words | x |

```python
def a_function_with_a_long_name(first_argument, second_argument, third_argument, fourth_argument, fifth):
    return first_argument  # comment
```

> A quote
> over lines

1. One
2. Two
   - nested

- [x] done
- [ ] open
'''
async def test_explore(site, fake_site, openai, device):
    ada = await fake_site.person()
    openai.script({"text": LONG, "when": "show me all"})
    openai.script({"status":401,"times":9,"when":"please fail"})
    openai.script({"text":"one two three four five six","pace":2,"when":"slow one"})
    d = await device(fake_site, ada)
    t = await d.open(); await t.hear("show me all"); await t.is_still(); await asyncio.sleep(.5)
    await t.page.screenshot(path=OUT+"long.png")
    tid = t.thread_id
    p = await device(fake_site, ada, phone=True, viewport={"width":360,"height":740})
    pt = await p.open(tid); await asyncio.sleep(.5); await pt.page.screenshot(path=OUT+"long360.png")
    await pt.page.locator(".scroller").evaluate("e=>e.scrollTop=0"); await asyncio.sleep(.3); await pt.page.screenshot(path=OUT+"long360top.png")
    await pt.page.locator("[data-act=drawer]").click(); await asyncio.sleep(.4); await pt.page.screenshot(path=OUT+"drawer360.png")
    w = await device(fake_site, ada, viewport={"width":1920,"height":1080})
    wt = await w.open(tid); await asyncio.sleep(.5); await wt.page.screenshot(path=OUT+"wide.png")
    t2 = await d.open(); await t2.say("please fail"); await expect(t2.page.locator(".note.bad")).to_be_visible(); await t2.page.screenshot(path=OUT+"fail.png")
    t3 = await d.open(); await t3.say("slow one"); await t3.writes(); await t3.say("queued one"); await asyncio.sleep(.4); await t3.page.screenshot(path=OUT+"queued.png")
    await d.context.set_offline(True); await asyncio.sleep(.6); await t3.say("offline one"); await asyncio.sleep(.3); await t3.page.screenshot(path=OUT+"offline.png"); await d.context.set_offline(False)
    await t3.stop.click()
    e404 = await d.new_tab("/threads/00000000-0000-0000-0000-000000000000/"); await e404.page.screenshot(path=OUT+"404.png")
    acc = await d.new_tab("/account/"); await acc.page.screenshot(path=OUT+"account.png")
    g = await d.new_tab("/images/"); await asyncio.sleep(.4); await g.page.screenshot(path=OUT+"gallery_empty.png")
    await d.new_tab("/login/")
    for i in range(60):
        await ada.thread(title=f"Thread number {i} with quite a long title that will not fit into the sidebar")
    m = await d.open(); await asyncio.sleep(.5); await m.page.screenshot(path=OUT+"many.png")
    await m.page.locator("[data-popover=backdrop-panel]").click(); await asyncio.sleep(.4); await m.page.screenshot(path=OUT+"panel.png")
    for x in (d,p,w): x.forgive()
