"""How often somebody may come: the generic cell rate algorithm, one number per key.

A key has an allowance of `per_minute` requests that refills evenly.  What is kept is the time at which it will be full
again, t; a request of cost c moves it to max(t, now) + c · 60 / per_minute, and is refused where that lies more than a
minute ahead.  Keys are bounded: with one more the one that was silent longest goes, which gives it a full allowance.
`limits` and its like keep every key of a window, as many as an attacker has addresses.

Source: ITU-T I.371, "Generic cell rate algorithm".
"""

import ipaddress
import math
from collections import OrderedDict
from typing import Final, NamedTuple

WINDOW_S: Final = 60.0
MOST_KEYS: Final = 100_000
"""Some 15 MB."""


class Allowance(NamedTuple):
    """Where a key stands after a request."""

    limit: int
    """Requests per minute."""
    remaining: int
    """Requests that would be let in at once."""
    reset_in_s: int
    """Until the allowance is full again."""
    retry_after_s: int | None = None
    """Where the request is refused: when it would be let in."""

    def headers(self) -> dict[str, str]:
        """Return it as ListenBrainz' headers, and where it is refused as HTTP's own."""
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset-In": str(self.reset_in_s),
        }
        return headers if self.retry_after_s is None else headers | {"Retry-After": str(self.retry_after_s)}


class RateLimits:
    """The allowances of all keys."""

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self._full_at_s: OrderedDict[str, float] = OrderedDict()
        self._most_keys = most_keys

    def take(self, key: str, per_minute: int, now_s: float, *, cost: int = 1) -> Allowance:
        """Take a request off a key's allowance.

        Args:
            key: who comes.
            per_minute: how many requests it may send.
            now_s: seconds, of a clock that never jumps.
            cost: requests that it counts as; more than a whole allowance count as one.
        """
        cost = min(cost, per_minute)
        before_s = max(self._full_at_s.get(key, now_s), now_s)
        after_s = before_s + cost * WINDOW_S / per_minute
        wait_s = after_s - WINDOW_S - now_s
        if wait_s > 1e-9:
            return _allowance(per_minute, before_s - now_s, max(1, math.ceil(wait_s)))
        self._full_at_s[key] = after_s
        self._full_at_s.move_to_end(key)
        if len(self._full_at_s) > self._most_keys:
            self._full_at_s.popitem(last=False)
        return _allowance(per_minute, after_s - now_s)


def address_key(host: str) -> str:
    """Return the key of an address: of IPv6 its network of 64 bits, which one household has.

    >>> address_key("203.0.113.7"), address_key("2001:db8:1:2:3:4:5:6")
    ('203.0.113.7', '2001:db8:1:2::/64')
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    if address.version == 4:
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.ip_network((int(address), 64), strict=False))


def _allowance(per_minute: int, taken_s: float, retry_after_s: int | None = None) -> Allowance:
    remaining = max(0, math.floor((WINDOW_S - taken_s) * per_minute / WINDOW_S + 1e-9))
    return Allowance(per_minute, remaining, max(0, math.ceil(taken_s - 1e-9)), retry_after_s)
