"""What a proxy in front of the site says of a request, believed only where the proxy is one of TRUSTED_PROXIES.

And what it asks for itself: a load balancer that looks whether a process is well knows its address and no name for it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

UNIX = "unix"
"""In TRUSTED_PROXIES: whoever connects to a Unix socket, which has no address."""
SAID = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(names: list[str]) -> list[Network]:
    """The addresses and networks of TRUSTED_PROXIES. Raises ValueError."""
    return [ipaddress.ip_network(name, strict=False) for name in names if name != UNIX]


@sync_and_async_middleware
def middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """REMOTE_ADDR is the client's own address, and X-Forwarded-* says nothing that a stranger made up."""
    trusted = networks(settings.TRUSTED_PROXIES)
    trusts_unix = UNIX in settings.TRUSTED_PROXIES

    def settle(request: HttpRequest) -> None:
        if request.path in settings.PROBES:
            request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0]
        peer = request.META.get("REMOTE_ADDR")
        if not (_is_in(peer, trusted) if peer else trusts_unix):
            for name in SAID:
                request.META.pop(name, None)
            return
        # From the right, where the nearest proxy writes: what stands left of the first stranger, he may have made up.
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        while hops and (not peer or _is_in(peer, trusted)):
            hop = hops.pop().strip()
            if not _is_address(hop):
                break
            peer = hop
        if peer:
            request.META["REMOTE_ADDR"] = peer

    if iscoroutinefunction(get_response):

        async def settled(request: HttpRequest) -> HttpResponseBase:
            settle(request)
            return await cast(Awaitable[HttpResponseBase], get_response(request))

        return settled

    def settled_now(request: HttpRequest) -> HttpResponseBase:
        settle(request)
        return cast(HttpResponseBase, get_response(request))

    return settled_now


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(address: str, trusted: list[Network]) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in network for network in trusted)
