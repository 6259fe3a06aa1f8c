"""The wording of error messages: options instead of Python arguments, suggestions, a limited length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from scratchvae.errors import LONGEST_MESSAGE, shorten_message, shorten_word

COMPARED = 60  # characters of a word that is compared with known names
SYNONYMS = {
    "learning-rate": "lr",
    "batchsize": "batch-size",
    "batch": "batch-size",
    "z-dim": "latent",
    "latent-dim": "latent",
    "n-components": "latent",
    "num-epochs": "epochs",
    "n-epochs": "epochs",
    "iterations": "epochs",
    "output": "out",
    "random-state": "seed",
    "random-seed": "seed",
    "gradient-clipping": "clip-norm",
    "early-stopping": "patience",
    "device": "backend",
    "n-samples": "count",
}  # names of options in other programs, and the options of this command
VALUE = r"""'[^']*'|"[^"]*"|\([^)]*\)|[^\s:;,)]*"""
ASSIGNMENT = re.compile(rf"(?<![\w.'-])(--[a-z][\w-]*|[a-z]\w*)(?:\[\d+\])?=({VALUE})", re.IGNORECASE)
BOTH = re.compile(r"(?<![\w.'-])\w+=([^\s(]*(?:\([^)]*\))?) \((--[a-z][\w-]*)\)")
PATH = re.compile(r"(?<![\w.'-])(?:\w+\.)*([a-z]\w*)(?= was )")
CLIPPING = re.compile(r", clip_norm=1(?=,)|, (?P<other>[^,;]+), or clip_norm=1\b")
NAME = re.compile(r"(?<![\w.'=-])[a-z]+(?:_[a-z]+)+(?![\w.'=])")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The most similar of the `known` names, ignoring case; None if none is similar."""
    names = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name[:COMPARED].casefold(), names, 1)
    return names[close[0]] if close else None


def nearest_option(name: str, known: Iterable[str]) -> str | None:
    """The option that is most similar to `name`, or that has the same meaning elsewhere; None if there is none."""
    names = list(known)
    synonyms = {synonym: option for synonym, option in SYNONYMS.items() if option in names}
    name = name.casefold().replace("_", "-")
    near = name if name in synonyms else nearest(name, [*names, *synonyms])
    return synonyms.get(near, near) if near else None


def count_of(number: int, noun: str) -> str:
    """A number with its noun in the singular or the plural: "1 row", "2 rows"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def suggestion(name: str, known: Iterable[str]) -> str:
    """The question "; did you mean …?" with the nearest of the `known` names; "" if none is similar."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""


def in_option_names(message: str, options: Mapping[str, str], names: Iterable[str] = ()) -> str:
    """Write options in place of Python arguments: "latent_dim=0: …" becomes "--latent 0: …".

    options   the option of each Python argument, such as {"latent_dim": "--latent"}
    names     names of files, such as "runs/lr=0.1", which stay as they are
    """
    verbatim = [re.escape(name) for name in names if re.search("[=_]", name)]
    parts = re.split(f"({'|'.join(sorted(verbatim, key=len, reverse=True))})", message) if verbatim else [message]
    return "".join(part if k % 2 else _in_option_names(part, options) for k, part in enumerate(parts))


def _in_option_names(message: str, options: Mapping[str, str]) -> str:
    def as_typed(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        option = name if name.startswith("--") else options.get(name)
        if option is None:
            return match[0]
        if value in ("True", ""):
            return option
        if value.startswith("("):  # a tuple, whose numbers are typed one after another
            return f"{option} {value.strip('(,)').replace(',', '')}"
        return f"no {option}" if value == "False" else f"{option} {value.strip(chr(39))}"

    message = message.replace("optim.WarmUp", "--warm-up")
    message = BOTH.sub(lambda match: f"{match[2]} {match[1]}" if match[1][:1].isdigit() else match[2], message)
    message = ASSIGNMENT.sub(as_typed, message)
    for pattern in (PATH, NAME):
        message = pattern.sub(lambda match: options.get(match[match.lastindex or 0], match[0]), message)
    return message


def without_clipping(message: str) -> str:
    """The report of a divergence without the advice to clip gradients, for a training that clips them."""
    return CLIPPING.sub(lambda match: f", or {match['other']}" if match["other"] else "", message)


def shorten(message: str, words: Iterable[str] = (), limit: int = LONGEST_MESSAGE) -> str:
    """`message` in one line of at most `limit` characters; the `words` that a user typed are shortened first."""
    if len(message) > limit:
        for word in sorted(words, key=len, reverse=True):
            for form in (word, repr(word)[1:-1]):
                message = message.replace(form, shorten_word(form))
    return shorten_message(message, limit)


def split_clauses(message: str) -> str:
    """A long message with a line for each clause and sentence, each of at most 200 characters."""
    line = " ".join(message.split())
    if len(line) <= LONGEST_MESSAGE:
        return line
    clauses = re.split("; |(?<=[.]) (?=[A-Z])", line)
    return "\n  ".join(shorten_message(clause, LONGEST_MESSAGE - 2) for clause in clauses)


def as_typed(text: str) -> str:
    """`text` as a user typed it, in quotes if it is empty or has spaces."""
    return text if text and not text.isspace() and " " not in text else repr(text)
