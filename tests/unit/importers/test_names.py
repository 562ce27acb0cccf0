"""Which names are the same name."""

from musicrec.importers.names import MAX_COMPARED_CHARS, artist_id_of, same_name, track_id_of


def test_case_width_spacing_and_composition_make_no_difference() -> None:
    assert same_name(" Ｂjörk  Guðmundsdóttir\u3000") == same_name("bjo\u0308rk guðmundsdóttir")
    assert artist_id_of("SIGUR RÓS") == artist_id_of("sigur rós")
    assert track_id_of("a", "b c") != track_id_of("a b", "c")


def test_a_name_is_compared_by_its_first_characters_so_that_marks_without_end_cost_nothing() -> None:
    endless = "a" + "\u0327\u0301" * 500_000

    assert same_name(endless) == same_name(endless[:MAX_COMPARED_CHARS])
    assert same_name(" " * 5_000 + "a") == "a"
