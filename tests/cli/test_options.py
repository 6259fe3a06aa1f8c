"""The table of options: the parser, the settings files and the Python calls all read it."""

import argparse
import inspect

import pytest

import scratchvae as sv
from scratchvae.cli.arguments import DEBUG
from scratchvae.cli.options import Option, add_options, arguments, refuse, switch
from scratchvae.cli.parser import make_parser
from scratchvae.cli.train_options import MODELS, OPTIONS
from scratchvae.errors import ConfigError
from scratchvae.training import Checkpoint, Trainer

CALLEES = {
    "model": list(MODELS.values()),
    "trainer": [Trainer],
    "fit": [Trainer.fit],
    "checkpoint": [Checkpoint],
    "sgd": [sv.optim.SGD],
    "adamw": [sv.optim.AdamW],
    "corruption": [sv.training.Masking],
}
SOME = (
    Option("some-width", "how wide", int, metavar="W", argument="model.width"),
    Option("kind", "a kind", choices=("none", "a"), default="none", argument="model.kind"),
    Option("rate", "how fast", float, 0.5, argument="fit.rate"),
    switch("loud", "say more", argument="model.loud"),
    Option("sizes", "the sizes", int, nargs="*", default=[1]),
)


def train_actions():
    (commands,) = (a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {a.dest: a for a in commands.choices["train"]._actions}


def parsed(line):
    parser = argparse.ArgumentParser()
    add_options(parser, SOME)
    return parser.parse_args(line.split())


def test_train_takes_the_options_of_the_table_and_no_other():
    actions = train_actions()
    assert set(actions) - {option.dest for option in (DEBUG, *OPTIONS)} == {"help", "config"}
    for option in OPTIONS:
        action = actions[option.dest]
        assert (action.help, action.default, action.choices) == (option.help, option.default, option.choices)
        assert action.nargs == (0 if option.type is bool else option.nargs)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.argument], ids=lambda option: option.name)
def test_an_option_stands_for_an_argument_that_the_call_takes(option):
    callee, _, name = option.argument.partition(".")
    taken = set()
    for each in CALLEES[callee]:
        for kind in inspect.getmro(each) if isinstance(each, type) else [each]:
            taken |= set(inspect.signature(kind.__init__ if isinstance(kind, type) else kind).parameters)
    assert name in taken


def test_a_switch_keeps_all_that_is_said_about_it():
    about = {"common": True, "details": "In capitals", "reusable": False, "argument": "model.loud"}
    option = switch("loud", "say more", **about)
    assert {name: getattr(option, name) for name in about} == about
    assert (option.name, option.help, option.type, option.default) == ("loud", "say more", bool, False)


def test_what_is_typed_is_handed_to_the_call_and_what_is_not_is_left_out():
    args = parsed("")
    assert arguments(args, SOME, "model") == {"loud": False}
    assert arguments(args, SOME, "fit") == {"rate": 0.5}
    args = parsed("--some-width 3 --kind a --loud --rate 2 --sizes 4 5")
    assert arguments(args, SOME, "model") == {"width": 3, "kind": "a", "loud": True}
    assert arguments(args, SOME, "fit") == {"rate": 2.0} and args.sizes == [4, 5]


def test_an_option_that_does_nothing_is_refused_by_its_name():
    refuse(parsed(""), "here: leave it out", "some-width")
    with pytest.raises(ConfigError, match=r"^--some-width has no effect here: leave it out$"):
        refuse(parsed("--some-width 3"), "here: leave it out", "kinds", "some-width")
