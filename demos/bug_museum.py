# %% [markdown]
# # The bug museum
# Eight real bugs of published VAEs, each injected into this package while it is shown: the wrong lines, the training
# curve compared with the correct one, the checks that miss the bug, and the messages of those that find it. All of the
# museum's bugs, with their checks, are in `scratchvae/verification/museum`.
#
#     python demos/bug_museum.py                          a minute
#     python demos/bug_museum.py --only 4 --out bug.png    one of them, with a picture of its curve

# %%
import argparse
from pathlib import Path
from textwrap import fill

import scratchvae as sv
from scratchvae.plotting.colors import VERMILION
from scratchvae.plotting.figures import blank_figure, save_picture
from scratchvae.verification import ORACLES
from scratchvae.verification.museum import KNOWN_BUGS, failure_message, inject_bug
from scratchvae.verification.oracles import install_hint

SHOWN = (1, 2, 4, 6, 7, 9, 12, 18)


# %% [markdown]
# The same network, data and seed each time, with sigmoid activations, as in the first papers on VAEs.


# %%
def train(epochs):
    images = sv.datasets.load("digits").train.images
    vae = sv.VAE(64, 5, (128,), activation="sigmoid", image_shape=(8, 8))
    return [epoch.loss for epoch in sv.Trainer(vae, lr=1e-2).fit(images, epochs).epochs]


# %% [markdown]
# The change in the code, and the message of each check. A check against a library that is not installed cannot run.


# %%
def missing_library(check):
    oracle = check.rpartition(" by ")[2]
    return oracle if oracle in ORACLES and install_hint(oracle) else None


def print_bug(bug, correct, wrong):
    print(f"\n{bug.number}. {bug.title}")
    print(f"   {bug.why_unnoticed}")
    for patch in bug.patches:
        print(f"   {patch.owner.__name__}.{patch.method}")
        for sign, lines in (("-", patch.right), ("+", patch.wrong)):
            for line in lines.splitlines():
                print(f"     {sign} {line.strip()}")
    print(f"   loss after {len(wrong)} epochs: {wrong[-1]:.2f} nats; without the bug {correct[-1]:.2f}")
    with inject_bug(bug):
        for name in bug.missed_by:
            print(f"   missed by  {name}")
        for name in bug.caught_by:
            library = missing_library(name)
            message = f"not run, {library} is missing" if library else failure_message(name).split("; ")[0]
            print(f"   caught by  {name}: {message}")


# %%
def draw(curves, correct):
    figure = blank_figure(12, 6)
    for position, (bug, wrong) in enumerate(curves, start=1):
        axes = figure.add_subplot(2, 4, position)
        epochs = range(1, len(correct) + 1)
        axes.plot(epochs, correct, color="0.6", linewidth=4, label="correct")
        axes.plot(epochs, wrong, color=VERMILION, label="with the bug")
        axes.set_title(fill(f"{bug.number}. {bug.title}", 38), fontsize=8)
        axes.set_ylim(min(*correct, *wrong) - 0.3, correct[0] + 0.7)
        axes.spines[["top", "right"]].set_visible(False)
        if position == 1:
            axes.legend(frameon=False, fontsize=8)
    figure.supxlabel("epoch")
    figure.supylabel("training loss, nats per image")
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description=f"Inject {len(SHOWN)} bugs, train with each, and run the checks.")
    parser.add_argument("--only", type=int, choices=SHOWN, nargs="+", default=SHOWN)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, help="the picture of the training curves")
    args = parser.parse_args(arguments)
    correct, curves = train(args.epochs), []
    shown = [bug for bug in KNOWN_BUGS if bug.number in args.only]
    for bug in shown:
        with inject_bug(bug):
            curves.append((bug, train(args.epochs)))
        print_bug(bug, correct, curves[-1][1])
    print(f"\n{len(curves)} of the museum's {len(KNOWN_BUGS)} bugs; all are in scratchvae/verification/museum")
    missing = sorted({library for bug in shown for name in bug.caught_by if (library := missing_library(name))})
    if missing:
        print(f"for the checks that were not run: pip install {' '.join(missing)}")
    if args.out:
        save_picture(draw(curves, correct), args.out, show=True)
        print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
