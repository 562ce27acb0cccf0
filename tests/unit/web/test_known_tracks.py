"""What is known of tracks, and how far the index can be."""

from hypothesis import given
from hypothesis import strategies as st
from page_records import NOW_MS

from musicrec.contracts import EmbeddingHead, Track
from streams.web.known_tracks import KnownTracks


def track(name: str, *, audio: bool = True) -> Track:
    return Track(track_id=name, audio_uri="file:///a.flac" if audio else None)


def vector(name: str, version: str = "light-1", at_ms: int = NOW_MS) -> EmbeddingHead:
    return EmbeddingHead(track_id=name, model_version=version, embedded_at_ms=at_ms)


def test_a_track_with_audio_waits_until_it_has_a_vector_and_one_without_never_does() -> None:
    names = KnownTracks()
    names.learn(track("a"))
    names.learn(track("b"))
    names.learn(track("silent", audio=False))
    assert (names.index()["with_audio"], names.index()["waiting"]) == (2, 2)
    names.learn_embedding(vector("a", at_ms=NOW_MS + 5))
    names.learn_embedding(vector("b"))
    view = names.index()
    assert (view["tracks"], view["waiting"], view["vectors"], view["newest_ms"]) == (3, 0, {"light-1": 2}, NOW_MS + 5)


def test_a_track_embedded_anew_counts_with_the_model_of_its_newest_vector() -> None:
    names = KnownTracks()
    for name in "ab":
        names.learn_embedding(vector(name))
    names.learn_embedding(vector("a", "light-2"))
    assert names.index()["vectors"] == {"light-1": 1, "light-2": 1}
    names.learn_embedding(vector("b", "light-2"))
    assert names.index()["vectors"] == {"light-2": 2}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["learn", "learn silent", "forget", "embed", "embed anew", "forget vector"]),
        st.sampled_from("abcd"),
    )
)


@given(STEPS)
def test_the_counts_are_those_of_the_tracks_whatever_the_order(steps: list[tuple[str, str]]) -> None:
    names, audio, vectors = KnownTracks(), {}, {}
    for step, name in steps:
        if step.startswith("learn"):
            names.learn(track(name, audio=step == "learn"))
            audio[name] = step == "learn"
        elif step == "forget":
            names.forget(name)
            audio.pop(name, None)
        elif step.startswith("embed"):
            version = "new" if step == "embed anew" else "old"
            names.learn_embedding(vector(name, version))
            vectors[name] = version
        else:
            names.forget_embedding(name)
            vectors.pop(name, None)
    view = names.index()
    with_audio = {name for name, has in audio.items() if has}
    assert names.embedded == len(vectors)
    assert (view["tracks"], view["with_audio"]) == (len(audio), len(with_audio))
    assert view["waiting"] == len(with_audio - vectors.keys())
    assert view["vectors"] == {version: list(vectors.values()).count(version) for version in set(vectors.values())}
