# %% [markdown]
# # The bug museum
# Eight real bugs of real VAEs, each planted into this one for as long as it is shown: the lines that are wrong, how
# innocent the training curve looks beside the right one, which checks let it past, and what those say that do not.
# All of them, with what catches them, are in `scratchvae/verification/museum`.
#
#     python demos/bug_museum.py                          a minute
#     python demos/bug_museum.py --only 4 --out bug.png    one of them, and its curve as a picture

# %%
import argparse
from pathlib import Path
from textwrap import fill

import scratchvae as sv
from scratchvae.plotting.figures import blank_figure, save_picture
from scratchvae.verification.museum import KNOWN_BUGS, failure_message, inject_bug

SHOWN = (1, 2, 4, 6, 7, 9, 12, 18)


# %% [markdown]
# The same network, data and seed each time, with sigmoids between the layers, as in the papers of the time.


# %%
def train(epochs):
    images = sv.datasets.load("digits").train.images
    vae = sv.VAE(64, 5, (128,), activation="sigmoid", image_shape=(8, 8))
    return [epoch.loss for epoch in sv.Trainer(vae, lr=1e-2).fit(images, epochs).epochs]


# %% [markdown]
# What changed in the code, and what each check says of it.


# %%
def tell(exhibit, right, wrong):
    print(f"\n{exhibit.number}. {exhibit.title}")
    print(f"   {exhibit.why_unnoticed}")
    for patch in exhibit.patches:
        print(f"   {patch.owner.__name__}.{patch.method}")
        for sign, lines in (("-", patch.right), ("+", patch.wrong)):
            for line in lines.splitlines():
                print(f"     {sign} {line.strip()}")
    print(f"   loss after {len(wrong)} epochs: {wrong[-1]:.2f} nats; without the bug {right[-1]:.2f}")
    with inject_bug(exhibit):
        for name in exhibit.missed_by:
            print(f"   gets past  {name}")
        for name in exhibit.caught_by:
            print(f"   caught by  {name}: {failure_message(name).split('; ')[0]}")


# %%
def draw(curves, right):
    figure = blank_figure(12, 6)
    for place, (exhibit, wrong) in enumerate(curves, start=1):
        axes = figure.add_subplot(2, 4, place)
        epochs = range(1, len(right) + 1)
        axes.plot(epochs, right, color="0.6", linewidth=4, label="right")
        axes.plot(epochs, wrong, color="tab:red", label="with the bug")
        axes.set_title(fill(f"{exhibit.number}. {exhibit.title}", 38), fontsize=8)
        axes.set_ylim(min(*right, *wrong) - 0.3, right[0] + 0.7)
        axes.spines[["top", "right"]].set_visible(False)
        if place == 1:
            axes.legend(frameon=False, fontsize=8)
    figure.supxlabel("epoch")
    figure.supylabel("loss told by training, nats an image")
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Plant eight bugs, train with each, and ask the checks.")
    parser.add_argument("--only", type=int, choices=SHOWN, nargs="+", default=SHOWN)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, help="where to draw the training curves")
    args = parser.parse_args(arguments)
    right, curves = train(args.epochs), []
    for exhibit in (exhibit for exhibit in KNOWN_BUGS if exhibit.number in args.only):
        with inject_bug(exhibit):
            curves.append((exhibit, train(args.epochs)))
        tell(exhibit, right, curves[-1][1])
    print(f"\n{len(curves)} of the museum's {len(KNOWN_BUGS)}; the others are in scratchvae/verification/museum")
    if args.out:
        save_picture(draw(curves, right), args.out)
        print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
