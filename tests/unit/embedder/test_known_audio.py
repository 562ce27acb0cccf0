"""What is known of a track's audio, and what it settles: by literal fingerprints and models."""

import hashlib
import os
from pathlib import Path

import pytest

from embedder.fetched_audio import FetchedAudio
from embedder.known_audio import BLOCK_BYTES, KnownAudio, fingerprint_of, known_after
from musicrec.contracts import TrackEmbedding

OLD, NEW = "audio-light-old", "audio-light-new"
SONG, REMASTERED = "a" * 64, "b" * 64


def embedded(fingerprint: str | None, model_version: str) -> TrackEmbedding:
    return TrackEmbedding(
        track_id="t",
        model_version=model_version,
        dimension=4,
        vector_f16="ADgAOAA4ALg=",
        embedded_at_ms=1_600_000_000_000,
        audio_sha256=fingerprint,
    )


def known(*models: tuple[str, str, bool]) -> KnownAudio | None:
    """Return what is known after embeddings: fingerprint, model, and whether the catalogue was embedded again."""
    so_far = None
    for fingerprint, model_version, again in models:
        so_far = known_after(so_far, embedded(fingerprint, model_version), again=again)
    return so_far


def test_the_same_audio_is_settled_for_its_model_and_other_audio_is_not() -> None:
    song = known((SONG, OLD, False))
    assert song is not None
    assert song.settles(SONG, OLD)
    assert not song.settles(REMASTERED, OLD)
    assert not song.settles(SONG, NEW)


def test_audio_that_went_back_to_what_it_was_is_embedded_again() -> None:
    song = known((SONG, OLD, False), (REMASTERED, OLD, False))
    assert song is not None
    assert not song.settles(SONG, OLD)


def test_what_the_next_model_has_embedded_again_the_old_one_leaves_alone() -> None:
    song = known((SONG, OLD, False), (SONG, NEW, True))
    assert song is not None
    assert song.settles(SONG, OLD)
    assert song.settles(SONG, NEW)
    assert song.settles(SONG, NEW, again=True)


def test_a_catalogue_is_embedded_again_to_go_back_to_the_older_model() -> None:
    song = known((SONG, OLD, False), (SONG, NEW, True))
    assert song is not None
    assert not song.settles(SONG, OLD, again=True)
    back = known((SONG, OLD, False), (SONG, NEW, True), (SONG, OLD, True))
    assert back == KnownAudio(SONG, OLD, replaced=NEW)


def test_a_model_that_was_changed_without_embedding_again_embeds_what_is_announced() -> None:
    song = known((SONG, OLD, False), (SONG, NEW, False))
    assert song == KnownAudio(SONG, NEW)
    assert song is not None
    assert not song.settles(SONG, OLD)


def test_other_audio_embedded_again_has_replaced_nothing() -> None:
    assert known((SONG, OLD, False), (REMASTERED, NEW, True)) == KnownAudio(REMASTERED, NEW)


def test_of_an_embedding_that_does_not_name_its_audio_nothing_is_known() -> None:
    assert known_after(None, embedded(None, OLD)) is None


@pytest.mark.parametrize("song", [KnownAudio(SONG, OLD), KnownAudio(SONG, 'ä "b" c', replaced=OLD)])
def test_what_is_known_survives_its_encoding(song: KnownAudio) -> None:
    assert KnownAudio.decode(song.encode()) == song


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'"text"', b"\xff", b'{"fingerprint":"a"}', b'{"later":1}'])
def test_what_cannot_be_read_is_not_known(value: bytes) -> None:
    assert KnownAudio.decode(value) is None


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 1])
def test_fingerprint_is_of_all_bytes_and_leaves_the_place_in_the_file(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "audio").write_bytes(data)
    with FetchedAudio(os.open(tmp_path / "audio", os.O_RDONLY), size) as audio:
        os.lseek(audio.descriptor, size // 2, os.SEEK_SET)
        assert fingerprint_of(audio) == hashlib.sha256(data).hexdigest()
        assert os.lseek(audio.descriptor, 0, os.SEEK_CUR) == size // 2
