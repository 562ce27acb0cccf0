"""The listens topic, its dead letters and the sessions topic: each event applied once, or refused with its reason."""

from collections.abc import Mapping

from aiokafka import ConsumerRecord

from musicrec.contracts import SessionSnapshot
from storm.findings import Findings, Invariant
from storm.reference import SHOWN, SURELY_KEPT, Expected, Fate, Reference, View
from storm.traffic import NUMBER_HEADER, Sent


def place(record: ConsumerRecord) -> str:
    """Return where a record stands, for people."""
    return f"{record.topic}[{record.partition}]@{record.offset}"


class Events:
    """What was published, and what became of it."""

    def __init__(self, sent: Mapping[int, Sent], findings: Findings) -> None:
        """Begin with the messages that the broker acknowledged, by number."""
        self._sent = sent
        self._findings = findings
        self.reference = Reference()
        self.expected: dict[tuple[int, int], Expected] = {}
        """By partition and offset of the listens topic."""
        self.applied: dict[tuple[str, str], Expected] = {}
        """Events that should be applied, by listener and event id."""
        self.lettered: dict[tuple[int, int], str] = {}
        """Reason of each dead letter, by the place of its message."""
        self.emitted: dict[tuple[str, int], int] = {}
        """Hash of each snapshot, by listener and revision."""
        self.emitted_again = 0
        self._seen: set[int] = set()

    def take_listen(self, record: ConsumerRecord) -> None:
        """Take one record of the listens topic; of a partition in order, and all before the other topics."""
        number = int(dict(record.headers)[NUMBER_HEADER])
        sent = self._sent[number]
        self._seen.add(number)
        if (record.key, record.value) != (sent.key, sent.value):
            self._findings.add(Invariant.NOTHING_LOST, f"message {number} is not what was published", place(record))
        fate = self.reference.fate(sent, partition=record.partition, offset=record.offset, at_ms=record.timestamp)
        self.expected[record.partition, record.offset] = fate
        if fate.fate is Fate.APPLIED:
            self.applied[fate.user_id, fate.event_id] = fate

    def take_letter(self, record: ConsumerRecord) -> None:
        """Take one record of the dead-letter topic."""
        headers = {name: value.decode() for name, value in record.headers if name.startswith("dlq-")}
        at = int(headers["dlq-original-partition"]), int(headers["dlq-original-offset"])
        reason = headers["dlq-reason"]
        expected = self.expected.get(at)
        if expected is None:
            self._findings.add(Invariant.LETTERS, f"a letter of {at}, where no message stands", place(record))
            return
        original = [(name, value) for name, value in record.headers if not name.startswith("dlq-")]
        sent = expected.sent
        value = b"" if sent.key is None and sent.value is None else sent.value
        if (record.key, record.value, original) != (sent.key, value, sent.headers):
            self._findings.add(Invariant.LETTERS, f"the letter of {at} is not the message", place(record))
        if self.lettered.setdefault(at, reason) != reason:
            self._findings.add(Invariant.LETTERS, f"{at} refused as {self.lettered[at]} and as {reason}", place(record))
        if expected.fate is Fate.APPLIED:
            what = f"{expected.event_id} is to be applied and was refused as {reason}: {headers['dlq-error-message']}"
            self._findings.add(Invariant.NOTHING_LOST, what, place(record), expected.at_ms)
        elif reason not in expected.reasons:
            what = f"message {sent.number} ({sent.label}) was refused as {reason}, not as {expected.reasons}"
            self._findings.add(Invariant.LETTERS, what, place(record), expected.at_ms)

    def take_session(self, record: ConsumerRecord) -> None:
        """Take one record of the sessions topic."""
        snapshot = SessionSnapshot.decode(record.value)
        trigger = snapshot.trigger
        revision = snapshot.user_id, snapshot.revision
        digest = hash(record.value)
        if revision in self.emitted:
            self.emitted_again += 1
            if self.emitted[revision] != digest:
                what = f"{revision} was emitted with two contents"
                self._findings.add(Invariant.NOTHING_TWICE, what, place(record), trigger.published_at_ms)
            return
        self.emitted[revision] = digest
        expected = self.expected.get((trigger.partition, trigger.offset))
        if expected is None or expected.fate is not Fate.APPLIED:
            fate = "no message" if expected is None else f"a message to be {expected.fate}"
            what = f"{revision} was applied from {trigger.partition}@{trigger.offset}, where there is {fate}"
            self._findings.add(Invariant.NOTHING_TWICE, what, place(record), trigger.published_at_ms)
            return
        if (expected.user_id, expected.event_id) != (snapshot.user_id, trigger.event_id):
            what = f"{revision} names {trigger.event_id}; at its place stands {expected.event_id}"
            self._findings.add(Invariant.ISOLATION, what, place(record), expected.at_ms)
        if expected.revision != snapshot.revision:
            what = f"{trigger.event_id} made revision {snapshot.revision}; it is event {expected.revision}"
            self._findings.add(Invariant.NOTHING_TWICE, what, place(record), expected.at_ms)
        if {*snapshot.blocked_tracks, *snapshot.blocked_artists} != expected.blocked:
            what = f"{trigger.event_id}: blocked are not {sorted(expected.blocked)}"
            self._findings.add(Invariant.ISOLATION, what, place(record), expected.at_ms)
        if snapshot.discovery != expected.dial:
            what = f"{trigger.event_id}: the dial stands at {snapshot.discovery} and not at {expected.dial}"
            self._findings.add(Invariant.ISOLATION, what, place(record), expected.at_ms)
        if expected.session is not None and (differs := difference(snapshot, expected.session)):
            what = f"{trigger.event_id}, revision {snapshot.revision}: {differs}"
            self._findings.add(Invariant.SESSIONS, what, place(record), expected.at_ms)

    def finish(self) -> None:
        """Look for what is missing, all records being taken."""
        for number in self._sent.keys() - self._seen:
            self._findings.add(Invariant.NOTHING_LOST, f"message {number} was acknowledged and is not on the topic")
        for at, expected in self.expected.items():
            where = f"musicrec.listens.v1[{at[0]}]@{at[1]}"
            if expected.fate is Fate.APPLIED and (expected.user_id, expected.revision) not in self.emitted:
                what = f"{expected.event_id} was not applied"
                self._findings.add(Invariant.NOTHING_LOST, what, where, expected.at_ms)
            if expected.fate is Fate.REFUSED and at not in self.lettered:
                what = f"message {expected.sent.number} ({expected.reasons}) has no dead letter"
                self._findings.add(Invariant.NOTHING_LOST, what, where, expected.at_ms)


def difference(snapshot: SessionSnapshot, session: View) -> str:
    """Return how a snapshot differs from what it should show; nothing if it does not."""
    ends = (snapshot.started_at_ms, snapshot.last_ended_at_ms)
    if ends != (session.started_at_ms, session.ended_at_ms):
        return f"the session lies at {ends}, not at {(session.started_at_ms, session.ended_at_ms)}"
    entries = tuple((entry.track_id, entry.listens, entry.ended_at_ms) for entry in snapshot.entries)
    if session.listens <= SURELY_KEPT:
        return "" if entries == session.entries else f"its tracks are {entries}, not {session.entries}"
    newest = [(track, ended_ms) for track, _, ended_ms in entries[-SHOWN // 10 :]]
    wanted = [(track, ended_ms) for track, _, ended_ms in session.entries[-SHOWN // 10 :]]
    return "" if newest == wanted else f"its newest tracks are {newest}, not {wanted}"
