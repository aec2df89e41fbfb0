"""Which offers a stream of calls takes, that is to cost little at a mean quality."""

from itertools import product
from random import Random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.kernel.thrift import Offer, Thrift, steps

OFFER = st.builds(Offer, st.integers(0, 50).map(float), st.integers(0, 10).map(lambda n: n / 10))
OFFERS = st.lists(OFFER, min_size=1, max_size=6)
FEW = st.lists(OFFER, min_size=2, max_size=3)
LADDER = (0.4, 0.6, 0.8, 0.9)


def loss(offer, price):
    return offer.cost - price * offer.quality


def best_at(price, offers):
    """Of the offers that are best at a price, the one of the highest quality."""
    least = min(loss(offer, price) for offer in offers)
    return max((offer for offer in offers if loss(offer, price) <= least + 1e-6), key=lambda offer: offer.quality)


@given(OFFERS, st.integers(0, 2000).map(float))
def test_at_any_price_the_steps_lead_to_an_offer_that_none_beats(offers, price):
    least, made = steps(offers)
    assert [step.price for step in made] == sorted(step.price for step in made)
    quality = least + sum(step.quality for step in made if step.price <= price)
    reached = [offer for offer in offers if abs(offer.quality - quality) < 1e-9]
    best = min(loss(offer, price) for offer in offers)
    assert min(loss(offer, price) for offer in reached) == pytest.approx(best, abs=1e-6)


@settings(max_examples=60)
@given(st.lists(FEW, min_size=1, max_size=5), st.integers(0, 10).map(lambda n: n / 10))
def test_the_price_is_the_one_of_the_exact_answer_for_the_calls_that_were_seen(calls, wanted):
    """By brute force: no assignment of at least the quality that the price buys costs less than what it buys."""
    thrift = Thrift(wanted)
    for offers in calls:
        thrift.ranked(offers)
    bought = [best_at(thrift.price, offers) for offers in calls]
    cost, quality = sum(offer.cost for offer in bought), sum(offer.quality for offer in bought)
    possible = sum(max(offer.quality for offer in offers) for offers in calls)
    assert quality >= min(wanted * len(calls), possible) - 1e-6
    for chosen in product(*calls):
        if sum(offer.quality for offer in chosen) >= quality - 1e-6:
            assert sum(offer.cost for offer in chosen) >= cost - 1e-6


@given(st.lists(OFFERS, min_size=1, max_size=6), st.floats(0, 1))
def test_no_offer_comes_after_one_that_costs_more_and_gives_no_more(calls, wanted):
    thrift = Thrift(wanted)
    for offers in calls:
        order = thrift.ranked(offers)
        assert sorted(order) == list(range(len(offers)))
        better = [(a, b) for at, a in enumerate(order) for b in order[at + 1 :]]
        assert not any(offers[a].cost > offers[b].cost and offers[a].quality <= offers[b].quality for a, b in better)
        thrift.took(offers[order[0]].quality)


def stream(count, *, seed=1):
    """Calls of all lengths, offered by cores each five times as dear as the one before."""
    numbers = Random(seed)
    for _ in range(count):
        length = numbers.lognormvariate(0, 1)
        yield [Offer(length * 5**place * numbers.uniform(0.8, 1.2), quality) for place, quality in enumerate(LADDER)]


@pytest.mark.parametrize("wanted", [0.5, 0.7, 0.85])
def test_the_mean_of_a_stream_is_what_was_asked_for(wanted):
    thrift, taken = Thrift(wanted), []
    for offers in stream(1500):
        taken.append(offers[thrift.ranked(offers)[0]].quality)
        thrift.took(taken[-1])
    assert wanted - 0.002 < fmean(taken) < wanted + 0.01


def test_what_full_cores_cost_in_quality_is_made_up_for():
    thrift, taken = Thrift(0.7), []
    for number, offers in enumerate(stream(2500)):
        order = thrift.ranked(offers)
        chosen = next(place for place in order if number % 3 or place != order[0])  # each third time the first is full
        taken.append(offers[chosen].quality)
        thrift.took(taken[-1])
    assert abs(fmean(taken[500:]) - 0.7) < 0.01


def test_a_time_without_good_cores_is_not_paid_back_for_ever():
    thrift = Thrift(0.7)
    for _ in range(5000):
        thrift.ranked([Offer(1, 0.4)])
        thrift.took(0.4)
    taken = []
    for offers in stream(1600):
        taken.append(offers[thrift.ranked(offers)[0]].quality)
        thrift.took(taken[-1])
    assert abs(fmean(taken[1000:]) - 0.7) < 0.02


def test_calls_of_one_size_take_turns_between_two_cores():
    thrift, taken = Thrift(0.7), []
    for _ in range(100):
        offers = [Offer(5**place, quality) for place, quality in enumerate(LADDER)]
        taken.append(offers[thrift.ranked(offers)[0]].quality)
        thrift.took(taken[-1])
    assert abs(fmean(taken) - 0.7) < 0.01
    assert set(taken) == {0.6, 0.8}


def test_a_quality_that_costs_nothing_more_is_taken_and_one_that_nobody_needs_is_not():
    assert Thrift(0.0).ranked([Offer(2, 0.9), Offer(1, 0.5), Offer(1, 0.6)]) == [2, 1, 0]
