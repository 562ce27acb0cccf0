"""Which terms a description is made of."""

import pytest

from musicrec.contracts import Track
from musicrec.recommend.description_terms import MOST_TERMS, Term, TermKind, folded, terms_of, words_of

ALBUM, TAG, LABEL, WORD = TermKind


def test_a_description_has_album_label_and_tags_as_wholes_and_the_words_of_title_and_album() -> None:
    track = Track(
        track_id="t",
        title="So What",
        artist_id="miles-davis",
        artist_name="Miles Davis",
        album="Kind of Blue",
        label="Columbia",
        tags=("Modal Jazz", "cool jazz"),
    )
    assert terms_of(track) == (
        Term(ALBUM, "kind of blue"),
        Term(LABEL, "columbia"),
        Term(TAG, "modal jazz"),
        Term(TAG, "cool jazz"),
        *(Term(WORD, word) for word in ("so", "what", "kind", "of", "blue")),
    )


def test_where_the_catalogue_names_nothing_but_the_artist_there_are_no_terms() -> None:
    assert terms_of(Track(track_id="t", artist_id="a", artist_name="Some Band", duration_ms=1)) == ()
    assert terms_of(Track(track_id="t", title=" – ", album="  ", tags=(" ",))) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hip  Hop", "hip hop"),
        ("MÖTLEY", "mötley"),
        ("Mo\u0308tley", "mötley"),
        ("STRASSE", "straße"),
        ("ＪＡＺＺ", "jazz"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("İstanbul", "i̇stanbul"),
        ("ᾳ", "ΑΙ"),
    ],
)
def test_case_width_spacing_and_composition_make_no_other_term(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_folding_what_is_folded_changes_nothing() -> None:
    for text in ("ΐ", "Ǆ ﬁ", "ᾼ ͅ", "ß ẞ", "가"):
        assert folded(folded(text)) == folded(text)


def test_words_end_at_signs_and_not_at_apostrophes_or_marks() -> None:
    assert words_of("don’t stop / live (2011)_mix") == ["dont", "stop", "live", "2011", "mix"]
    assert words_of(folded("हिन्दी गाने")) == ["हिन्दी", "गाने"]
    assert words_of(folded("さくら、さくら")) == ["さくら", "さくら"]


def test_a_word_is_another_term_than_the_same_text_as_a_tag_and_each_is_named_once() -> None:
    terms = terms_of(Track(track_id="t", title="Blue blue BLUE", tags=("blue", "Blue")))
    assert terms == (Term(TAG, "blue"), Term(WORD, "blue"))
    assert len({term.digest for term in terms}) == 2


def test_of_a_long_description_the_first_terms_count_and_words_last() -> None:
    tags = tuple(f"tag {number}" for number in range(64))
    terms = terms_of(Track(track_id="t", title="a b c", album="d", tags=tags))
    assert len(terms) == MOST_TERMS
    assert terms[:2] == (Term(ALBUM, "d"), Term(TAG, "tag 0"))
    assert {term.kind for term in terms} == {ALBUM, TAG}


def test_a_digest_is_the_same_in_every_process_and_release() -> None:
    # Ranking snapshots hold digests: with others, a restored worker would know no term of what is announced next.
    assert Term(TAG, "jazz").digest == -4852970983579420196
