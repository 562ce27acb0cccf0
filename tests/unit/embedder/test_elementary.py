"""Logarithm and power in vector registers."""

import numpy as np
import pytest

from embedder.features.elementary import log2_of, power

VALUES = np.logspace(-30, 30, 100_001).astype(np.float32)


def log2(values: np.ndarray) -> list[float]:
    return [log2_of(value) for value in values]


def test_a_logarithm_is_exact_to_the_last_digits_of_a_float32() -> None:
    np.testing.assert_allclose(log2(VALUES), np.log2(VALUES.astype(np.float64)), atol=1e-5)


@pytest.mark.parametrize("exponent", [0.1, 0.335, 0.5, 0.9])
def test_a_power_is_too(exponent: float) -> None:
    np.testing.assert_allclose(power(VALUES, exponent), VALUES.astype(np.float64) ** exponent, rtol=2e-5)


def test_powers_of_two_are_met() -> None:
    np.testing.assert_allclose(log2(np.array([0.25, 0.5, 1, 2, 1024], np.float32)), [-2, -1, 0, 1, 10], atol=1e-6)


def test_nothing_is_taken_for_the_smallest_number() -> None:
    nothing = np.array([0.0, 1e-42], np.float32)
    np.testing.assert_allclose(log2(nothing), -126)
    assert (power(nothing, 0.335) < 1e-12).all()


def test_shapes_stay() -> None:
    assert power(np.ones((2, 3, 4), np.float32), 0.5).shape == (2, 3, 4)
    assert power(np.ones((5, 1), np.float32), 0.5).shape == (5, 1)
