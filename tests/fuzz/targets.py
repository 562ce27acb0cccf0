"""What takes bytes from outside, and the law that each keeps: the stated error comes out, or a value that is whole.

A target is called with any bytes.  It returns where the law holds and raises where it does not, whatever the input; the
inputs come from Hypothesis in the suite, and by the million from `run.py`.
"""

import gzip
import io
import itertools
import json
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from musicrec.cloud_events import check_headers
from musicrec.contracts import (
    CatalogueRule,
    DeadLetter,
    ListenEvent,
    ModelAnnouncement,
    Outcome,
    Recommendation,
    RecommendationRequest,
    Record,
    SessionSnapshot,
    ShadowRecommendation,
    Track,
    TrackEmbedding,
    VersionedRecord,
)
from musicrec.dead_letters import Place, letter_of, since_ms
from musicrec.errors import BadInput, Incompatible
from musicrec.evaluation.ranking_file import read_configuration
from musicrec.explain import explain
from musicrec.explain.wording import lines_of, object_of
from musicrec.importers.event_file import count_events, read_event_times, read_events
from musicrec.importers.event_order import in_time_order
from musicrec.importers.lastfm_1k import read_lastfm_1k
from musicrec.importers.listenbrainz import read_listenbrainz
from musicrec.importers.rows import ImportReport, Row, readable
from musicrec.importers.spotify import read_spotify
from musicrec.importers.track_lines import track_of
from musicrec.printable import printable_bytes
from musicrec.session import ListenerState
from musicrec.topics import LISTENS, RECORD_TOPICS
from streams.messages import Incoming, dead_letter
from streams.session_agent import _decode as decode_listen

Headers = list[tuple[str, bytes | None]]
Taken = TypeVar("Taken")

MAX_BYTES = 64 * 1024
"""Longest input: no record may be longer."""
FEW = 768
"""Bytes of a few lines."""

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"


def golden(record: str) -> tuple[bytes, ...]:
    """Return the golden bytes of a record."""
    return tuple(path.read_bytes() for path in sorted(GOLDEN.glob(f"{record}.v1*.json")))


ODD_VALUES = [
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-0.0", b"1e-400", b"1E5", b"9007199254740993", b"0x10", b"01"),
    *(b"9" * 400, b"9" * 4_301, b"-", b"null", b"true", b'""', b"[]", b"{}", b'"\\ud800"', b'"\\ud800\\udc00"'),
    *(b'"\\u0000"', b'"\\udc00\\ud800"', b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"),
    *("\u202e".encode(), "\u2028".encode(), "İ".encode(), "ﷺ".encode(), b"\x1b[2J", b"\x00", b"\r\n", b"\n{", b"\t"),
    *(b'{"a":1,"a":2}', b'"schema_version":2', b'"schema_version":1.0', b"0001-01-01T00:00:00+23:59"),
    *(b"9999-12-31T23:59:59-23:59", b"24:00", b"2016-12-31T23:59:60Z", b"play", b"block_artist", b"similar"),
    *(b"set_discovery", b"discovery"),
]
"""What has broken decoders before; also the fuzzer's dictionary, up to its limit of length."""

MARKS = "a" + "\u0327\u0301" * 14_000

DEEP = [
    b"[" * 10_000,
    b"[" * 10_000 + b"]" * 10_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"track_metadata":' * 3_000 + b"{}" + b"}" * 3_000,
    b'{"event_id":"' + b"\\ud83d\\ude00" * 5_000 + b'"}',
    b'{"x":' + b"1" * 60_000 + b"}",
    b'{"x":1e' + b"9" * 60_000 + b"}",
    b'"' + b"\\" * 60_001,
    b"\n" * 60_000,
    json.dumps({"listened_at": 1, "track_metadata": {"track_name": MARKS}}, ensure_ascii=False).encode(),
    json.dumps([{"endTime": "2023-01-31 12:34", "msPlayed": 1, "trackName": MARKS}], ensure_ascii=False).encode(),
    f"ann\t2009-04-08T01:57:47Z\t\t{MARKS}\t\t{MARKS[:1_000]}".encode(),
]
"""Nested, long, endless, and of a kind that takes the square of its length to normalise."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that takes bytes."""

    check: Callable[[bytes], None]
    """Raises where the law does not hold."""
    seeds: tuple[bytes, ...]
    """Inputs to begin with."""
    fuzzed_bytes: int = MAX_BYTES
    """Longest input that the fuzzer makes: what works line by line shows nothing new in longer ones."""


def taken(take: Callable[[], Taken]) -> Taken | BadInput:
    """Return what was taken, or how it was refused."""
    try:
        return take()
    except BadInput as error:
        return error


def decoder(record: type[Record]) -> Callable[[bytes], None]:
    """Return the law of a record: BadInput, or a record that survives being encoded."""

    def check(data: bytes) -> None:
        found = taken(lambda: record.decode(data))
        if isinstance(found, BadInput):
            assert len(str(found)) < 1_000, "a message is no payload"
            return
        encoded = found.encode()
        assert record.model_validate_json(encoded) == found
        assert record.model_validate_json(encoded).encode() == encoded

    return check


def headers_in(data: bytes) -> Headers:
    """Read headers from lines NAME=VALUE; without an equals sign there is no value."""
    found: Headers = []
    for line in data.split(b"\n"):
        name, equals, value = line.partition(b"=")
        found.append((name.decode("latin-1"), value if equals else None))
    return found


def explanation(data: bytes) -> None:
    """Every list that is taken is explained in words that do nothing to a terminal, and in strict JSON."""
    made = taken(lambda: Recommendation.decode(data))
    if not isinstance(made, BadInput):
        assert all(line.isprintable() for line in lines_of(explain(made)))
        json.dumps(object_of(explain(made)), allow_nan=False)


def ranking_file(data: bytes) -> None:
    """A file is a configuration of the ranking with a name of its own, or is refused by the file's name."""
    path = file_of("ranking.toml", data)
    found = taken(lambda: read_configuration(str(path)))
    if isinstance(found, BadInput):
        assert str(found).startswith(f"{path}: ")
    else:
        assert found.settings.version().startswith("rank-")


def cloud_events(data: bytes) -> None:
    """Headers of a message of any topic are taken or refused."""
    records: list[type[VersionedRecord]] = [topic.record for topic in RECORD_TOPICS if topic.record is not None]
    with suppress(BadInput):
        check_headers(headers_in(data), records[len(data) % len(records)])  # type: ignore[arg-type]


def dead_letter_headers(data: bytes) -> None:
    """Headers of a dead letter say why, or it is unreadable; what says why is written back the same."""
    headers = headers_in(data)
    letter = letter_of(Place(LISTENS.dead_letters, 0, 0), at_ms=0, key=data, value=data, headers=headers)
    assert printable_bytes(letter.message.encode()).isprintable()
    with suppress(BadInput):
        why = DeadLetter.from_headers(headers)
        assert DeadLetter.from_headers(why.headers()) == why


def words(data: bytes) -> None:
    """Places, times and text that people give or see."""
    text = data.decode(errors="surrogateescape")
    with suppress(BadInput):
        assert Place.parse(str(Place.parse(text))) == Place.parse(text)
    with suppress(BadInput):
        assert since_ms(text, 1_760_000_000_000) >= 0
    assert printable_bytes(data).isprintable()


def listen_message(data: bytes) -> None:
    """A message on the topic of listens is an event, or a dead letter with the same bytes and a readable reason."""
    key, _, rest = data.partition(b"\x1e")
    head, _, value = rest.partition(b"\x1e")
    message = Incoming(LISTENS.name, 0, 0, 0, key or None, value or None, headers_in(head))  # type: ignore[arg-type]
    event = taken(lambda: decode_listen(message))
    if isinstance(event, BadInput):
        letter = dead_letter(message, event, app="session")
        assert (letter.key, letter.value or None) == (message.key, message.value)
        assert DeadLetter.from_headers(letter.headers).reason is event.reason
    else:
        assert event.user_id.encode() == key


def stored_state(data: bytes) -> None:
    """A stored state is one that can be stored again, or is refused as a whole."""
    try:
        state = ListenerState.decode(data)
    except (BadInput, Incompatible):
        return
    assert ListenerState.decode(state.encode()) == state


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    """Return a folder that goes with the process; in memory where that can be had, for a file is written each time."""
    return tempfile.TemporaryDirectory(
        prefix="musicrec-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    )


def file_of(name: str, data: bytes) -> Path:
    """Return a file with that content."""
    path = Path(_folder().name) / name
    path.write_bytes(data)
    return path


def importer(name: str, read: Callable[[Path], Iterator[Row]]) -> Callable[[bytes], None]:
    """Return the law of an importer: BadInput, or rows whose listens are events and tracks."""

    def check(data: bytes) -> None:
        with suppress(BadInput):
            report = ImportReport()
            first, second = itertools.tee(readable(read(file_of(name, data)), report, max_bad_share=1.0))
            for listen in first:
                track = track_of(listen)
                assert Track.decode(track.encode()) == track
            for event in in_time_order(second):
                assert ListenEvent.decode(event.encode()) == event
            assert report.rows == report.listens + report.unreadable + report.left_out.total()

    return check


def event_file(data: bytes) -> None:
    """A file of events is read to its end in order, or refused with the place of the fault."""
    path = file_of("events.jsonl", data)
    with suppress(BadInput):
        events = list(read_events(path))
        assert len(events) == count_events(path) == len(list(read_event_times(path)))
    with suppress(BadInput):
        list(read_event_times(path))


def archive(data: bytes) -> None:
    """A zip, a tar or a gzip file is read or refused."""
    for suffix in ("zip", "tar.gz", "tar", "jsonl.gz"):
        with suppress(BadInput):
            list(read_listenbrainz([file_of(f"archive.{suffix}", data)], user_id="ann"))


LISTENBRAINZ = [
    {
        "listened_at": 1_700_000_000,
        "user_name": "ann",
        "track_metadata": {
            "artist_name": "Miles Davis",
            "track_name": "So What",
            "release_name": "Kind of Blue",
            "additional_info": {"duration_ms": 562_000, "duration_played": 560, "artist_mbids": ["m"]},
            "mbid_mapping": {"recording_mbid": "r"},
        },
    },
    {"playing_now": True},
]
SPOTIFY = [
    {
        "ts": "2023-01-31T12:34:56Z",
        "username": "ann",
        "ms_played": 180_000,
        "master_metadata_track_name": "So What",
        "master_metadata_album_artist_name": "Miles Davis",
        "master_metadata_album_album_name": "Kind of Blue",
        "spotify_track_uri": "spotify:track:1",
        "reason_end": "fwdbtn",
        "skipped": True,
    },
    {"endTime": "2023-01-31 12:34", "artistName": "Miles Davis", "trackName": "So What", "msPlayed": 1_000},
]
LASTFM = (
    b"user_000001\t2009-04-08T01:57:47Z\tf1b1cf71-bd35-4e99-8624-24a6e15f133a\tDeep Dish\t\tFuck Me Im Famous\n"
    b"user_000001\t2009-04-08T01:53:56Z\t\tDeep Dish\t\tSo What\n"
)
STATE = (
    b'[1,3,1700000000000,[[1700000000000,"e","play","t",null,170000,null,7]],["s",1699999830000,2],'
    b'[["t",[1700000000000,true]]],[["a",[1700000000000,false]]],"cluster",3,99]'
)


def _json_lines() -> bytes:
    return b"\n".join(json.dumps(entry).encode() for entry in LISTENBRAINZ)


def _archives() -> Iterator[bytes]:
    lines = _json_lines()
    yield gzip.compress(lines)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("listens/2023/1.jsonl", lines)
        file.writestr("user.json", b"{}")
    yield stream.getvalue()
    yield _tar(lines)
    yield gzip.compress(_tar(lines))


def _tar(data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        member = tarfile.TarInfo("listens/2023/1.jsonl")
        member.size = len(data)
        file.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def _messages() -> Iterator[bytes]:
    head = b"content-type=application/json\nce_specversion=1.0\nce_type=dev.musicrec.listen.v1"
    for value in (*golden("listen"), *golden("track")):
        user = json.loads(value).get("user_id", "ann").encode()
        yield user + b"\x1e" + head + b"\x1e" + value
        yield user + b"\x1e\x1e" + value


HEADERS = (
    b"content-type=application/json; charset=utf-8\nce_specversion=1.0\nce_type=dev.musicrec.track.v1\nce_id=1",
    b"content-type=application/cloudevents+json",
    b"ce_specversion=0.3\nce_type",
)
LETTERS = (
    b"dlq-original-topic=musicrec.listens.v1\ndlq-original-partition=3\ndlq-original-offset=9\n"
    b"dlq-original-timestamp=1600000000000\ndlq-reason=invalid\ndlq-error-message=ms_played: no\ndlq-app=session\n"
    b"dlq-app-version=0.1.0\ntraceparent=00",
)
WORDS = (b"musicrec.listens.v1.dlq[3]@17", b"2h", b"2026-01-31", b"2026-01-31T12:00:00+02:00", "\x1b[2J\u202e".encode())

RANKING_FILES = (
    b'rank_constant = 20\nknn_neighbours = 150\nexclude_current = false\nencoder = ["before", "encoder"]\n',
    b"encoder_repeat_logit = -1e3\nranker_step = inf\n[knn]\nneighbours = 0x10\n",
    b"max_sessions = " + b"9" * 400,
)

TARGETS: dict[str, Target] = {
    "listen": Target(decoder(ListenEvent), golden("listen")),
    "track": Target(decoder(Track), golden("track")),
    "session": Target(decoder(SessionSnapshot), golden("session")),
    "recommendation": Target(decoder(Recommendation), golden("recommendation")),
    "shadow": Target(decoder(ShadowRecommendation), golden("shadow-recommendation")),
    "request": Target(decoder(RecommendationRequest), golden("request")),
    "embedding": Target(decoder(TrackEmbedding), golden("track-embedding")),
    "outcome": Target(decoder(Outcome), golden("outcome")),
    "model": Target(decoder(ModelAnnouncement), golden("model")),
    "rule": Target(decoder(CatalogueRule), golden("rule")),
    "listen-message": Target(listen_message, tuple(_messages())),
    "explanation": Target(explanation, golden("recommendation")),
    "ranking-file": Target(ranking_file, RANKING_FILES, FEW),
    "cloud-events": Target(cloud_events, HEADERS),
    "dead-letter": Target(dead_letter_headers, LETTERS),
    "stored-state": Target(stored_state, (STATE,)),
    "words": Target(words, WORDS),
    "lastfm": Target(importer("log.tsv", lambda path: read_lastfm_1k([path])), (LASTFM,), FEW),
    "listenbrainz-lines": Target(importer("log.jsonl", lambda path: read_listenbrainz([path])), (_json_lines(),), FEW),
    "listenbrainz-document": Target(
        importer("log.json", lambda path: read_listenbrainz([path])),
        (json.dumps(LISTENBRAINZ).encode(), json.dumps({"payload": {"listens": LISTENBRAINZ}}).encode()),
        FEW,
    ),
    "spotify": Target(
        importer("log.json", lambda path: read_spotify([path], user_id="ann")), (json.dumps(SPOTIFY).encode(),), FEW
    ),
    "event-file": Target(event_file, (b"\n".join(golden("listen")),), FEW),
    "archive": Target(archive, tuple(_archives()), 5 * FEW),
}
"""Everything that takes bytes from outside and is fuzzed."""
