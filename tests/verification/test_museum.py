"""Tests of the museum of known bugs: the listed checks catch each injected bug, and the code is restored."""

import re
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.errors import ConfigError
from scratchvae.verification import CASES, CHECKS, compare_many
from scratchvae.verification.museum import KNOWN_BUGS, NOT_APPLICABLE, KnownBug, Patch, failure_message, inject_bug

CAUGHT = [(bug, name) for bug in KNOWN_BUGS for name in bug.caught_by]
MISSED = [(bug, name) for bug in KNOWN_BUGS for name in bug.missed_by]


def detector(bug):
    """Return the check that runs by default for this bug; the tests of the others are slow."""
    return next((name for name in bug.caught_by if name.endswith("by autograd")), bug.caught_by[0])


def label(value):
    return f"bug{value.number:02}" if isinstance(value, KnownBug) else value


@pytest.mark.parametrize(
    "bug", [pytest.param(b, marks=pytest.mark.slow) if b.number == 20 else b for b in KNOWN_BUGS], ids=label
)
def test_an_injected_bug_is_caught(bug):
    with inject_bug(bug):
        assert failure_message(detector(bug))


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "name"), [(b, n) for b, n in CAUGHT if n != detector(b)], ids=label)
def test_an_injected_bug_is_caught_by_every_listed_check(bug, name):
    with inject_bug(bug):
        assert failure_message(name)


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "name"), MISSED, ids=label)
def test_an_injected_bug_is_missed_by(bug, name):
    with inject_bug(bug):
        assert not failure_message(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({name for _, name in CAUGHT if name not in CHECKS}))  # tests of CHECKS try them
def test_each_listed_check_passes_without_a_bug(name):
    assert not failure_message(name)


def test_the_numbers_of_the_bugs_have_no_gaps():
    numbers = {bug.number for bug in KNOWN_BUGS} | NOT_APPLICABLE.keys()
    assert numbers == set(range(1, max(numbers) + 1))
    assert not {bug.number for bug in KNOWN_BUGS} & NOT_APPLICABLE.keys()


@pytest.mark.parametrize("page", ["README.md", "demos/guides/verification.md"])
def test_every_page_gives_the_same_number_of_bugs(page):
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    assert f" {len(KNOWN_BUGS)} real bugs of published VAEs" in text
    assert not re.search(r"\b(ten|twenty|thirty)\S* (real |known )?bugs", text)


def test_the_code_is_restored_after_an_error():
    before = vars(sv.layers.Linear)["backward"]
    (bug,) = [bug for bug in KNOWN_BUGS if bug.number == 19]
    with pytest.raises(ZeroDivisionError), inject_bug(bug):
        assert vars(sv.layers.Linear)["backward"] is not before
        _ = 1 / 0
    assert vars(sv.layers.Linear)["backward"] is before
    assert compare_many(CASES["Linear"], None).failures == {}


def test_a_bug_that_does_not_match_the_source_is_an_error():
    patch = Patch(sv.layers.Linear, "backward", "return dy @ W", "return dx")
    with (
        pytest.raises(ConfigError, match=r"Linear.backward does not contain exactly once: return dy @ W"),
        inject_bug(KnownBug(0, "", "", (patch,), ())),
    ):
        pass


def test_every_listed_check_exists():
    for _, name in CAUGHT + MISSED:
        module, _, oracle = name.partition(" by ")
        assert name in CHECKS or (module in CASES and oracle in ("finite-difference", "autograd"))


def test_the_loss_decreases_in_training_with_a_bug():
    x = np.random.default_rng(0).random((200, 8)).round()
    for number in (1, 4, 8, 10, 12, 13):
        (bug,) = [bug for bug in KNOWN_BUGS if bug.number == number]
        with inject_bug(bug):
            history = sv.Trainer(sv.VAE(8, 2, (16,), activation="sigmoid"), lr=1e-2).fit(x, 5)
        losses = [epoch.loss for epoch in history.epochs]
        assert losses[-1] < losses[0], bug.title
