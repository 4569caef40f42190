"""The other services of the tests are real ones too."""

from __future__ import annotations

from channels_redis.core import RedisChannelLayer
from playwright.async_api import Browser
from redis.asyncio import Redis

from tests.services.redis import RedisServer


async def test_the_channel_layer_speaks_to_redis(redis_url: str) -> None:
    layer = RedisChannelLayer(hosts=[{"address": redis_url, "socket_timeout": None}])
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await layer.group_send("room", {"type": "hello"})
    assert (await layer.receive(channel))["type"] == "hello"
    await layer.flush()
    await layer.close_pools()


async def test_a_redis_can_be_killed_and_started_again(redis_server: RedisServer) -> None:
    redis_server.kill()
    await redis_server.start()
    async with Redis.from_url(redis_server.url) as client:
        assert await client.ping()


async def test_the_browser_runs_modules(browser: Browser) -> None:
    page = await browser.new_page()
    await page.set_content("<script type=module>document.title = 'ran'</script>")
    await page.wait_for_function("document.title === 'ran'", timeout=10_000)
    await page.close()
