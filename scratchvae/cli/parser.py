"""The parser of the command line, with every command."""

from __future__ import annotations

import argparse
from functools import partial

import scratchvae
from scratchvae.cli import (
    classify,
    denoise,
    embed,
    evaluate,
    explore,
    export,
    generate,
    gradcheck,
    impute,
    info,
    latent_space,
    score,
    train,
)
from scratchvae.cli.argument_parser import Parser
from scratchvae.cli.arguments import DEBUG, add_command
from scratchvae.cli.options import Option, switch

MODULES = (
    *(train, evaluate, generate, latent_space, explore, embed, score, classify, denoise, impute),
    *(export, gradcheck, info),
)


def make_parser() -> Parser:
    """The parser of every command."""
    parser = Parser(
        prog="scratchvae",
        description="Train a variational autoencoder and use it. For help on a command, type "
        "scratchvae COMMAND --help.",
        epilog="example: scratchvae train && scratchvae sample runs/digits --out more.png",
    )
    version = f"scratchvae {scratchvae.__version__}"
    parser.add_argument("--version", action="version", version=version, help="show the version")
    parser.add_options([DEBUG._replace(common=True)])
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for module in MODULES:
        module.add_commands(commands)
    parser.commands = commands.choices

    show = partial(_show_help, parser)
    topic = Option(
        "topic",
        "a command",
        default=None,
        choices=(*commands.choices, "help"),
        metavar="COMMAND",
        nargs="?",
        positional=True,
    )
    show_help = add_command(
        commands, "help", show, "show the help of a command", "scratchvae help train", help_all=False
    )
    show_help.help_command = parser.help_command
    show_help.add_options((topic, switch("all", "show every option", common=True)))
    return parser


def _show_help(parser: Parser, args: argparse.Namespace) -> int:
    command = parser if args.topic is None else parser.commands[args.topic]
    print(command.format_help(everything=args.all), end="")
    return 0
