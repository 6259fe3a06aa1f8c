"""Real bugs of real VAEs, planted one by one: the checks that are named catch each, and the code is whole after."""

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.errors import ConfigError
from scratchvae.verification import CHECKED_MODULES, CHECKS, compare_many
from scratchvae.verification.museum import KNOWN_BUGS, NOT_APPLICABLE, KnownBug, Patch, failure_message, inject_bug

CAUGHT = [(exhibit, name) for exhibit in KNOWN_BUGS for name in exhibit.caught_by]
MISSED = [(exhibit, name) for exhibit in KNOWN_BUGS for name in exhibit.missed_by]


def label(value):
    return f"bug{value.number:02}" if isinstance(value, KnownBug) else value


@pytest.mark.parametrize(("exhibit", "name"), CAUGHT, ids=label)
def test_a_planted_bug_is_caught_by(exhibit, name):
    with inject_bug(exhibit):
        assert failure_message(name)


@pytest.mark.parametrize(("exhibit", "name"), MISSED, ids=label)
def test_a_planted_bug_gets_past(exhibit, name):
    with inject_bug(exhibit):
        assert not failure_message(name)


@pytest.mark.parametrize("name", sorted({name for _, name in CAUGHT}))
def test_without_a_bug_the_same_check_is_content(name):
    assert not failure_message(name)


def test_all_twenty_are_there_but_those_that_nothing_here_can_have():
    assert {exhibit.number for exhibit in KNOWN_BUGS} | NOT_APPLICABLE.keys() == set(range(1, 21))
    assert not {exhibit.number for exhibit in KNOWN_BUGS} & NOT_APPLICABLE.keys()


def test_a_bug_is_gone_when_the_exhibit_closes_even_after_an_error():
    before = vars(sv.layers.Linear)["backward"]
    (exhibit,) = [exhibit for exhibit in KNOWN_BUGS if exhibit.number == 19]
    with pytest.raises(ZeroDivisionError), inject_bug(exhibit):
        assert vars(sv.layers.Linear)["backward"] is not before
        _ = 1 / 0
    assert vars(sv.layers.Linear)["backward"] is before
    assert compare_many(CHECKED_MODULES["Linear"], None).failures == {}


def test_a_bug_that_no_longer_fits_the_code_says_so():
    patch = Patch(sv.layers.Linear, "backward", "return dy @ W", "return dx")
    with (
        pytest.raises(ConfigError, match=r"Linear.backward does not have once: return dy @ W"),
        inject_bug(KnownBug(0, "", "", (patch,), ())),
    ):
        pass


def test_every_named_check_exists():
    for _, name in CAUGHT + MISSED:
        subject, _, by = name.partition(" by ")
        assert name in CHECKS or (subject in CHECKED_MODULES and by in ("finite-difference", "autograd"))


def test_the_training_of_a_planted_vae_looks_as_innocent_as_a_right_one():
    x = np.random.default_rng(0).random((200, 8)).round()
    for number in (1, 4, 8, 10, 12, 13):
        (exhibit,) = [exhibit for exhibit in KNOWN_BUGS if exhibit.number == number]
        with inject_bug(exhibit):
            history = sv.Trainer(sv.VAE(8, 2, (16,), activation="sigmoid"), lr=1e-2).fit(x, 5)
        losses = [epoch.loss for epoch in history.epochs]
        assert losses[-1] < losses[0], exhibit.title
