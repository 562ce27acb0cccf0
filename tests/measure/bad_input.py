"""A good event directly behind a bad message on the same partition: how long does it wait for its list?

For each kind of bad message, and for none, some tens of good events, each of a listener who is new, one kind after the
other in turn, so that a noisy machine is noisy for all of them.
"""

import itertools
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import reach_tests  # noqa: F401
from aiokafka import AIOKafkaConsumer, TopicPartition
from live_path import LivePath, partition_of
from probe import NOW_MS, play
from stage import Stage, arguments_of, run, say, show

from musicrec.contracts import DeadLetter
from musicrec.topics import LISTENS, USER_PARTITIONS

WARM_UP = 50
ANSWER_DEADLINE_S = 60.0
NOTHING = "nothing"
BAD = "bad listener"
HOUR_MS = 3_600_000


class Bad(NamedTuple):
    """A message that is refused, and the reason that its dead letter gives."""

    reason: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def kinds() -> dict[str, Bad]:
    """Return a message of each kind; `BAD` has played track 1 and 2 before."""
    key, good = BAD.encode(), play(BAD, "t", 3).encode()
    late = play(BAD, "t", 4, occurred_at_ms=NOW_MS - HOUR_MS).encode()
    return {
        "not JSON": Bad("malformed", key, b"{not json"),
        "bad UTF-8 in the value": Bad("malformed", key, good.replace(b'"t"', b'"\xff"')),
        "bad UTF-8 in the key": Bad("key_mismatch", b"\xff\xfe", good),
        "deep nesting": Bad("malformed", key, b'{"a":' * 1_600 + b"1" + b"}" * 1_600),
        "a number of 9,000 digits": Bad("malformed", key, good.replace(b"170000", b"9" * 9_000)),
        "NaN": Bad("invalid", key, good.replace(b"170000", b"NaN")),
        "a field is missing": Bad("invalid", key, good.replace(b'"ms_played":170000,', b"")),
        "all fields are wrong": Bad("invalid", key, b'{"event_id":1,"user_id":2,"type":3,"occurred_at_ms":"x"}'),
        "no value": Bad("empty", key, None),
        "an empty value": Bad("empty", key, b""),
        "11 kB": Bad("too_large", key, b" " * 11_000),
        "900 kB": Bad("too_large", key, b" " * 900_000),
        "another listener's key": Bad("key_mismatch", b"somebody else", good),
        "no key": Bad("key_mismatch", None, good),
        "unsupported version": Bad("unsupported_version", key, good.replace(b'_version":1', b'_version":2')),
        "CloudEvents envelope": Bad("malformed", key, good, [("content-type", b"application/cloudevents+json")]),
        "in the future": Bad("in_the_future", key, play(BAD, "t", 5, occurred_at_ms=4_000_000_000_000).encode()),
        "too late": Bad("too_late", key, late),
        "conflicting duplicate": Bad("conflicting_duplicate", key, play(BAD, "another", 2).encode()),
    }


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Publish pairs, print a line for each kind, and count the dead letters."""
    await stage.start_all("session", "ranking")
    bad = kinds()
    async with LivePath.on(stage.stack.kafka) as path:
        place = partition_of(BAD)
        users = (u for u in (f"good {n}" for n in itertools.count()) if partition_of(u) == place)
        await path.publish("before", iter([play(BAD, "t", 1), play(BAD, "t", 2)]), count=2)
        say("warming up")
        for _ in range(WARM_UP):
            await _pair(path, "warm-up", None, next(users), place)
        say(f"{chosen.trials} times {len(bad)} kinds, {chosen.bad_before} bad messages before each good event")
        for _ in range(chosen.trials):
            for name, message in ((NOTHING, None), *bad.items()):
                await _pair(path, name, message, next(users), place, chosen.bad_before)
        show(f"{'before a good event':33}{'reason':20}{'median':>10}{'worst':>10}, ms to its list")
        for name in (NOTHING, *bad):
            took_ms = np.array([answer.took_s for answer in path.answers[name]]) * 1000
            reason = bad[name].reason if name in bad else ""
            show(f"  {name:31}{reason:20}{np.median(took_ms):10.1f}{took_ms.max():10.1f}")
        alone = np.median([answer.took_s for answer in path.answers[NOTHING]]) * 1000
        worst = max(bad, key=lambda name: float(np.median([a.took_s for a in path.answers[name]])))
        most = np.median([answer.took_s for answer in path.answers[worst]]) * 1000
        show(f"most that a bad message delays the next event, medians: {most - alone:.1f} ms ({worst})")
    expected = Counter[str]()
    for message in bad.values():
        expected[message.reason] += chosen.trials * chosen.bad_before
    found = await _letters(stage)
    show(f"dead letters: {dict(sorted(found.items()))}")
    assert found == expected, f"expected {dict(expected)}"


async def _pair(path: LivePath, group: str, bad: Bad | None, user: str, place: int, times: int = 1) -> None:
    for _ in range(times if bad is not None else 0):
        assert bad is not None
        await path.send_untimed(bad.value, key=bad.key, partition=place, headers=list(bad.headers))
    await path.publish(group, iter([play(user, "t", 1)]), count=1)
    await path.all_answered(ANSWER_DEADLINE_S)


async def _letters(stage: Stage) -> Counter[str]:
    """Return the dead letters by reason."""
    partitions = [TopicPartition(LISTENS.dead_letters, n) for n in range(USER_PARTITIONS)]
    found = Counter[str]()
    async with AIOKafkaConsumer(**stage.stack.kafka.client_options(), enable_auto_commit=False) as consumer:
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        while found.total() < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                found.update(DeadLetter.from_headers(list(record.headers)).reason.value for record in records)
    return found


def main() -> None:
    """Read the command line and measure."""
    parser = arguments_of(__doc__)
    parser.add_argument("--trials", type=int, default=30, help="good events per kind")
    parser.add_argument("--bad-before", type=int, default=1, help="bad messages before each good event")
    chosen = parser.parse_args()
    run(lambda stage: measure(stage, chosen), chosen.folder)


if __name__ == "__main__":
    main()
