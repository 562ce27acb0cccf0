"""Rates of each variant, and how far they may be off."""

import numpy as np
import pytest
from page_records import NOW_MS, outcome

from musicrec.contracts import ListenOutcome, Outcome
from streams.web.board import Board
from streams.web.variant_rates import LEAST_GROUPS, MOST_VARIANTS, VariantRates


def played(user: str, number: int, *, rank: int | None, variant: str | None = "calm", skip: bool = False) -> Outcome:
    ended = ListenOutcome.SKIPPED_EARLY if skip else ListenOutcome.COMPLETED
    made = outcome(f"{user} {number}", rank=rank)
    return made.model_copy(update={"user_id": user, "variant": variant, "outcome": ended})


def test_without_a_variant_there_is_no_table() -> None:
    rates = VariantRates()
    rates.add(played("ann", 1, rank=1, variant=None))
    assert rates.view() == []


def test_rates_are_means_over_the_listens_of_each_variant_the_default_first() -> None:
    rates = VariantRates()
    for number, rank in enumerate([1, 4, 21, None]):
        rates.add(played("ann", number, rank=rank, skip=number == 3))
    rates.add(played("ben", 1, rank=2, variant=None))
    default, calm = rates.view()
    assert (default["variant"], default["listens"], default["reciprocal_rank"]["rate"]) == ("default", 1, 1 / 2)
    assert (calm["variant"], calm["listens"], calm["hit_rate"]["rate"]) == ("calm", 4, 2 / 4)
    assert calm["reciprocal_rank"]["rate"] == pytest.approx((1 + 1 / 4) / 4, abs=1e-4)
    assert calm["skipped"]["rate"] == 1 / 4


def test_few_listeners_give_no_interval() -> None:
    rates = VariantRates()
    for number in range(200):
        rates.add(played(f"user {number % (LEAST_GROUPS - 1)}", number, rank=1 if number % 3 else None))
    assert rates.view()[0]["hit_rate"]["low"] is None


def test_the_interval_holds_the_true_rate_nineteen_times_of_twenty_though_listens_of_a_listener_are_alike() -> None:
    random, held, runs = np.random.default_rng(7), 0, 200
    for _ in range(runs):
        rates = VariantRates()
        for listener in range(60):
            taste = random.beta(2, 2)  # mean 1/2: who is hit once is hit again
            for number in range(10):
                rates.add(played(f"user {listener}", number, rank=1 if random.random() < taste else None))
        shown = rates.view()[0]["hit_rate"]
        assert shown["low"] is not None
        assert shown["high"] is not None
        held += shown["low"] <= 0.5 <= shown["high"]
    assert 0.90 <= held / runs <= 0.99


def test_names_beyond_a_bound_are_left_out() -> None:
    rates = VariantRates()
    for number in range(MOST_VARIANTS + 5):
        rates.add(played("ann", number, rank=1, variant=f"v{number}"))
    assert len(rates.view()) == MOST_VARIANTS


def test_the_board_counts_an_outcome_that_comes_again_once() -> None:
    board = Board()
    for _ in range(3):
        board.add_outcome(played("ann", 1, rank=1))
    assert [line["listens"] for line in board.view(NOW_MS)["variants"]] == [1]
