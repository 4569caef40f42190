"""A wire that is cut between any two bytes: who comes back with the last number holds what the others hold."""

from __future__ import annotations

from tests.client import Person
from tests.conftest import StartServer
from tests.reliability.proxy import Proxy
from tests.reliability.watching import Watcher, agree
from tests.services.databases import Database
from tests.soak.figures import report


async def test_a_client_whose_wire_is_cut_again_and_again_ends_with_the_same_text(
    server: StartServer, database: Database, ada: Person
) -> None:
    web = await server("daphne", DEMO_TOKENS_PER_SECOND="60")
    direct = await Watcher(ada.at(web.url), await ada.at(web.url).thread()).connect()
    assert direct.tab
    async with Proxy(web.port, seed=4, cut_after_bytes=2500) as proxy:
        cut = [await Watcher(ada.at(proxy.url), direct.thread_id).connect() for _ in range(4)]
        ack = await direct.tab.say("count to 180")
        for watcher in cut:
            await watcher.state_of(ack["run_id"], seconds=60)
        await direct.state_of(ack["run_id"])
        await agree([direct, *cut], ada.at(web.url))
        for watcher in cut:
            watcher.check_order()
        assert proxy.cuts >= 8
        report("cut wires", cuts=proxy.cuts, lost=0, doubled=0)
    assert direct.tab.state.texts[-1] == " ".join(str(number) for number in range(1, 181))
