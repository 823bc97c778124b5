"""`kept`: good numbers pass, networks that die where none is born fail, the rule is a power law."""

import numpy as np
import pytest

from experiments.claims import kept


def rows_of_births(dial, border):
    """Ten seeds at every fixed price; networks learn up to the border."""
    return {
        f"parity of 2, {dial} {k + 1}": [{"learned": price <= border}] * 10
        for k, price in enumerate(kept.fixed_prices(dial))
    }


def cheap_rows(dial, a, loss_of_the_dead):
    """Two networks whose term falls as price^-a, and whose objective is the integral of it."""
    rows = {}
    for k, price in enumerate(kept.CHEAP):
        term = price**-a
        objective = price ** (1 - a) / (1 - a)
        row = {"term": term, "objective": objective, "loss of the dead": loss_of_the_dead}
        rows[f"parity of 2, {dial} cheap {k + 1}"] = [row] * 10
    return rows


def lives(kept_over_born):
    measured = {}
    for dial, first in kept.FIXED.items():
        measured |= rows_of_births(dial, 4 * first) | cheap_rows(dial, 0.5, 1.0)
        # Seeds differ a little, or there is nothing to rank.
        last = 4 * first * kept_over_born * np.linspace(0.9, 1.1, 10)
        measured[f"parity of 2, {dial} raised"] = [{"last price": price} for price in last]
    return measured


def test_networks_that_are_kept_pass_and_those_that_die_at_once_fail():
    assert all(check.passed for check in kept.checks(lives(5.0), "quick"))
    # Where raising a price does nothing a network dies about where none is born.
    assert not any(check.passed for check in kept.checks(lives(1.2), "quick"))


def test_a_birth_lies_between_the_last_price_that_learned_and_the_next():
    measured = rows_of_births("weight", 0.012)
    prices = kept.fixed_prices("weight")
    border = kept.born_at(measured, "parity of 2", "weight")
    k = sum(price <= 0.012 for price in prices) - 1
    assert border == pytest.approx([np.sqrt(prices[k] * prices[k + 1])] * 10)


@pytest.mark.parametrize("a", [0.4, 0.6, 0.9])
def test_the_rule_is_exact_on_a_power_law(a):
    """The objective c^(1 - a) / (1 - a) reaches 2 at a price that is known."""
    measured = cheap_rows("weight", a, 2.0)
    prices = kept.predicted(measured, "parity of 2", "weight")
    assert prices == pytest.approx([(2.0 * (1 - a)) ** (1 / (1 - a))] * 10, rel=1e-6)


def test_a_dial_that_never_costs_a_life_is_said_to_be_so():
    measured = cheap_rows("weight", 1.5, 50.0)
    assert kept.predicted(measured, "parity of 2", "weight") == [float("inf")] * 10
