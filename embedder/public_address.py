"""Which addresses the embedder may connect to: those of the public internet, whatever name led to them.

A URI comes from outside, so a host name in it may be made to resolve to a metadata service or to a neighbour in the
cluster.  The name is resolved once, every address of the answer is checked, and the connection goes to those very
addresses: there is no second look-up that could answer differently (DNS rebinding).
"""

import asyncio
import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from musicrec.errors import BadInput, DeadLetterReason

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Return whether an address literal is one of the public internet.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64) is as public as that one.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        carried = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if carried is None and parsed in _NAT64:
            carried = ipaddress.IPv4Address(parsed.packed[-4:])
        if carried is not None:
            return is_public(str(carried))
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


class CheckedResolver(AbstractResolver):
    """Resolves names for aiohttp, and refuses an answer that holds any address that is not public."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            BadInput: one of them is not public.
            OSError: the name does not resolve.
        """
        loop = asyncio.get_running_loop()
        answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        self.check(host, [str(answer[4][0]) for answer in answers])
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in answers
        ]

    def check(self, host: str, addresses: list[str]) -> None:
        """Refuse a host one of whose addresses is not public.

        Raises:
            BadInput: with the address.
        """
        private = [address for address in addresses if not is_public(address)]
        if private and not self._allow_private:
            raise BadInput(
                f"host {host!r} has the address {private[0]}, which is not public; for audio in your own network set "
                "MUSICREC_EMBEDDER_ALLOW_PRIVATE_ADDRESSES",
                DeadLetterReason.URI_FORBIDDEN,
            )

    async def close(self) -> None:
        """Nothing is held."""
