"""Redis from outside: each listener's state, and a time to live on all that is kept."""

import json
from typing import Final

from redis.asyncio import Redis

from storm.findings import Findings, Invariant
from storm.reference import Reference

SESSION: Final = b"musicrec:session:"
EXPIRING: Final = (b"musicrec:lists:", b"musicrec:answer:", b"musicrec:embedded:")


async def check_redis(redis: Redis, reference: Reference, findings: Findings) -> int:
    """Compare all keys with what the listeners did; return how many keys there are."""
    states: dict[str, tuple[int, list[str]]] = {}
    count = 0
    async for key in redis.scan_iter(count=1_000):
        count += 1
        ttl_ms = await redis.pttl(key)
        if key.startswith(SESSION):
            user_id = key.removeprefix(SESSION).decode()
            stored = await redis.hmget(key, "revision", "state")
            state = json.loads(stored[1])
            states[user_id] = int(stored[0]), [event[1] for event in state[3]]
            person = reference.people.get(user_id)
            # Whoever blocks something or has set a dial is remembered for ever.
            if ttl_ms < 0 and not (person and (person.blocked or person.dial)):
                findings.add(Invariant.BOUNDED, f"{key.decode()} has no time to live")
        elif not key.startswith(EXPIRING) or ttl_ms < 0:
            findings.add(Invariant.BOUNDED, f"{key.decode(errors='replace')} is not known, or has no time to live")
    for user_id, person in reference.people.items():
        revision, kept = states.pop(user_id, (0, []))
        if revision != person.revision:
            what = f"{user_id} has revision {revision} in Redis and {person.revision} applied events"
            findings.add(Invariant.NOTHING_TWICE if revision > person.revision else Invariant.NOTHING_LOST, what)
        order = [event.event_id for event in person.order]
        # Feedback of sessions that are forgotten may be forgotten on its own: a subsequence, and the newest event.
        if kept and (kept[-1:] != order[-1:] or len(set(kept)) < len(kept) or not set(kept) <= set(order)):
            findings.add(Invariant.SESSIONS, f"{user_id}: Redis does not hold the newest events, each once")
    for user_id in states:
        findings.add(Invariant.ISOLATION, f"{user_id} has a state and no events")
    return count
