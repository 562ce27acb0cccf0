"""The rows of the fault catalogue, in our words: what goes wrong, and what is seen of it from outside."""

from typing import Final, NamedTuple


class Row(NamedTuple):
    """One fault or bad input."""

    number: int
    fault: str
    seen: str
    """What the user sees, as Markdown: reason of the letter, status, line, metric."""
    not_shown: str = ""
    """Why no test shows it, or which part of it none shows."""


ROWS: Final = (
    Row(
        1,
        "Kafka away for a while, killed or restarted",
        '`/livez` stays 200; `/readyz` is 503 with `Kafka:` and why; `musicrec_server_up{server="kafka"}` is 0; a '
        "line of the client per kind and ten seconds. All goes on by itself when it is back; what starts meanwhile "
        "waits for it, `trying again`.",
    ),
    Row(
        2,
        "leader or group coordinator moves to another broker",
        "Nothing.",
        "the embedded Kafka is one broker, whose leaders and coordinators have nowhere to move; the client answers "
        "a move as it answers the restarts of row 1, by asking who leads now.",
    ),
    Row(
        3,
        "Kafka refuses a message: no right, too large, too few replicas",
        "A line `Kafka does not take what goes to TOPIC:` with the error, and for a size the setting to raise; "
        "`musicrec_retries_total` grows, nothing is acknowledged. It goes on when the topic takes it; after "
        "`MUSICREC_AGENT__RETRY_DEADLINE_S` status 70. A publisher's command ends with status 2.",
        "too few replicas, which one broker never has; the client tries that again by itself, with a line that "
        "names the topic, and the watchdog ends the worker where it lasts.",
    ),
    Row(
        4,
        "Kafka refuses a commit, or no longer knows the member",
        "It joins again, or ends: status 70 and `the client of the group ... has given up:` as last line of the "
        "log, with the instance id where another worker took it. No worker stays that does nothing.",
    ),
    Row(
        5,
        "rebalance without end, an event loop or a batch that hangs",
        "`/livez` is 503 with the sentence, then status 70 with that sentence as last line, after the stacks of "
        "threads and tasks.",
    ),
    Row(
        6,
        "Redis killed, restarted, away",
        "A line `Redis does not give` or `does not take`, and `trying again`; `musicrec_retries_total`, `/readyz` "
        '503, `musicrec_server_up{server="redis"}` 0; no commit meanwhile. Away beyond '
        "`MUSICREC_AGENT__RETRY_DEADLINE_S`: status 70, and the next start waits for it. An embedder alone goes on: a "
        "line, `musicrec_embedding_memory_failures_total`, and unchanged audio is embedded anew.",
    ),
    Row(
        7,
        "Redis fails over to a replica",
        "As row 6 until the replica answers. The last events of a listener that it had not been sent are missing in "
        "the session from then on: they were applied and answered, their snapshots stay on the topic. Bounded by "
        "how far the replica was behind; the README says so under what is not promised.",
    ),
    Row(
        8,
        "Redis answers late, or applies a save whose answer is lost",
        "A line `trying again`, `musicrec_retries_total`; the save that comes again finds itself done.",
    ),
    Row(
        9,
        "Redis out of memory, read-only, without a right, or with a key of another kind",
        "Memory, read-only, a right taken away: the answer of Redis in the line of row 6, the worker goes on when "
        "it is mended; one that starts while the memory is full begins and tries. A right that is missing at the "
        "start: one line that names it, status 2. A key that cannot be read: letters `unreadable_state` for its "
        "listener alone, with the key to delete; a listen is joined with no list.",
    ),
    Row(
        10,
        "kill -9 after any step of a batch",
        "Nothing, beyond `musicrec_duplicates_total`: the same messages again, byte for byte, or none.",
    ),
    Row(
        11,
        "SIGTERM in the middle of work, SIGTERM twice, a process suspended beyond its session timeout",
        "Status 0 once what was in flight is finished; a second signal changes nothing. One that wakes up joins "
        "again, and what it still holds is refused where another was ahead (`changed by another worker meanwhile`).",
    ),
    Row(
        12,
        "workers come and go, more workers than partitions",
        "`musicrec_rebalances_total`; `/readyz` of one without work: `ready; no partitions: the group has more "
        "workers than there are partitions`.",
    ),
    Row(
        13,
        "the handler fails on a message",
        "A line `cannot handle TOPIC[PARTITION]@OFFSET` with the traceback, a letter `handler_error`; all others go "
        "on. More than ten in a row: status 70, nothing of the last acknowledged.",
    ),
    Row(
        14,
        "an event twice; the same id with another body",
        "Twice: `musicrec_duplicates_total`. Another body: a letter `conflicting_duplicate`.",
    ),
    Row(
        15,
        "out of order, late, ahead of time",
        "Within the grace: its place in the session. Later: a letter `too_late`; further ahead of the broker's "
        "clock than the tolerance: `in_the_future`.",
    ),
    Row(
        16,
        "ties, clock changes of the season, leap seconds, times without a zone",
        "Times are integers, milliseconds since 1970 in UTC: anything else is a letter `invalid` that names "
        "`occurred_at_ms`. Ties are ordered by event id, whatever arrives first.",
    ),
    Row(
        17,
        "the clock of a worker jumps",
        "Nothing, but what is stamped with it: `generated_at_ms`, `timings` and the age of a metric. Deadlines read "
        "a clock that does not jump; sessions know event time and the broker's alone. A ranking worker that is "
        "ahead by more than `MUSICREC_RANKING__STALE_AFTER_MS` takes every event for stale: outcome `stale`, no "
        "list.",
    ),
    Row(
        18,
        "no JSON, deep JSON, a wrong type, a missing field, NaN, huge numbers, a byte order mark",
        "A letter: `empty`, `malformed`, or `invalid` with field and rule, never the payload. `musicrec_dlq_total`.",
    ),
    Row(
        19,
        "ids with NUL, right-to-left marks, `:`, `{}`, `*`; bytes that are no UTF-8; ids without end",
        "No UTF-8: `malformed`; more than 256 characters: `invalid`. All others are ids like any other: each has "
        "one session, and no id reaches another one's key.",
    ),
    Row(
        20,
        "no value, no key, another key, the events of a listener on two partitions",
        "`empty` and `key_mismatch`; a tombstone removes a track from all lists. On another partition an event "
        "counts as any other, by its id.",
    ),
    Row(
        21,
        "a payload or headers beyond the limit",
        "A letter `too_large`, whole: the dead-letter topic takes what the source topic took, and the reason. "
        "Headers count for the limit of the topic alone.",
    ),
    Row(
        22,
        "a schema version to come; fields to come",
        "A letter `unsupported_version`; unknown fields are ignored.",
    ),
    Row(
        23,
        "a track that nobody announced, or that has no vector yet",
        "A list from the other sources, with `degraded` where one had nothing to say.",
    ),
    Row(
        24,
        "a vector with NaN, of length zero, of another dimension",
        "`musicrec_unreadable_total` of the topic; never in an index. A track that the encoder fails on: a letter "
        "`handler_error`.",
    ),
    Row(
        25,
        "a snapshot cut short, changed by a bit, with another header",
        "A line `... is refused:` that names the file; the one before it is taken, or the topic is read.",
    ),
    Row(
        26,
        "a snapshot's writer killed, two writers, a full disk",
        "A line that says so and when it tries again; the older snapshot stays and is read.",
    ),
    Row(
        27,
        "weights exchanged for others, or for a pickle",
        "Status 2 and one line that names the file.",
    ),
    Row(
        28,
        "pickle, anywhere",
        "`make lint` fails on what could unpickle; on a topic such bytes are no JSON: `malformed`.",
    ),
    Row(
        29,
        "audio that is empty, text, cut short, of odd rates, channels or samples",
        "A letter `undecodable` that says what is wrong; what is odd and can be heard is decoded.",
    ),
    Row(
        30,
        "a decompression bomb",
        "A letter `too_long`, before anything is decoded.",
    ),
    Row(
        31,
        "a decoder that hangs or dies",
        "A letter `decode_timeout`, with the signal; the next file is decoded.",
    ),
    Row(
        32,
        "a playlist as audio",
        "A letter `undecodable`; nothing that it names is opened.",
    ),
    Row(
        33,
        "an audio URI that leads inside",
        "A letter `uri_forbidden`; no connection is made.",
    ),
    Row(
        34,
        "a server that stalls, never ends, or lies about the length",
        "A letter `fetch_failed` that says which.",
    ),
    Row(
        35,
        "a path that leads out, a link, a device",
        "A letter `uri_forbidden`.",
    ),
    Row(
        36,
        "too few file descriptors, a full disk, too little memory",
        "A start with too few descriptors: one line, status 2. A full disk: a line, answers go on without "
        "snapshots. A decoder out of memory: a letter for its file alone; no decoder, descriptor or memory to be had: "
        "tried again, then status 70.",
    ),
    Row(
        37,
        "days replayed fast, read from the beginning again, a gap of retention",
        "Applied before: known by id or position, else `too_late`. With `MUSICREC_RANKING__STALE_AFTER_MS` old "
        "events train and get no list (outcome `stale`). A gap: a line, and what the topic still has is read. A "
        "topic that was deleted and created again: its offsets are new, and of an embeddings topic nothing is known "
        "to be there; workers that run say so and end, status 70.",
    ),
    Row(
        38,
        "a variable misspelt, missing or out of range; topics that do not fit",
        "One line with the variable and an example, or the topic and both numbers; status 2, no traceback. For a topic "
        "that is missing a worker waits, `trying again`.",
    ),
    Row(
        39,
        "a wrong password, an expired certificate, another host's, a missing right",
        "One line: who refuses whom for what, and the variable to set; status 2.",
    ),
    Row(
        40,
        "secrets in logs, errors, settings shown",
        "`**********`, or nothing.",
    ),
    Row(
        41,
        "a bot, a listener with very many events",
        "One list per batch for all that wait (outcome `passed_over`); others in the batch get theirs; the state "
        "stays bounded.",
    ),
    Row(
        42,
        "weeks of running, millions of listeners",
        "Nothing: every key ends by itself, every memory has a bound.",
        "the weeks; a flat resident size over a long run is measured outside of the suite.",
    ),
    Row(
        43,
        "upgrade and downgrade, one worker after the other",
        "A state or a snapshot of a newer release: status 70 with `run the release that wrote it`, or it is made "
        "anew from the topic. Messages of every published schema version stay readable.",
        "two releases with a tag: the former one of the test is a commit of the history.",
    ),
    Row(
        44,
        "sums that differ in the last bits from machine to machine",
        "Nothing: the first list stored is the list; vectors agree within 1e-5, and ties are ordered by id.",
        "two kinds of processors.",
    ),
    Row(
        45,
        "markup, terminal codes and direction marks in names",
        "The text as text on the page, `\\x1b` and the like escaped in a terminal.",
    ),
)
