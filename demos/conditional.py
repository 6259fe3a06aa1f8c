# %% [markdown]
# # Class and style
# A conditional VAE is told the class y of each row, on both sides:
#
#     log p(x | y) ≥ E[log p(x | y, z)] − KL(q(z | x, y) ‖ p(z))        z ~ q(z | x, y)
#
# (Sohn, Lee and Yan 2015; Kingma et al. 2014.) The KL charges for every nat that z holds, and y is
# there for nothing: so z comes to hold what the class leaves open, the style. A class is drawn by choosing y, a style
# is kept by keeping z while y changes. A Gaussian whose σ is learnt lets z hold more than a Bernoulli, to which grey
# pixels are coins.
#
# Two figures say whether that is so. How many samples of a class are taken for it by their nearest neighbours among the
# training images? And how much of the class can be read from z, by nearest neighbours among the codes, beside a VAE of
# the same size that was told nothing?
#
#     python demos/conditional.py                                       8×8 digits, half a minute
#     python demos/conditional.py --data mnist --likelihood bernoulli --beta 8 --epochs 10 --latent 10
#
# On MNIST there is more to explain than the KL charges for: with β = 1, z of 16 nats (or, where σ is learnt, of 30)
# holds the class as well, y is hardly asked any more, and 55 % (36 %) of the samples are taken for their class. With
# β = 8, z of 2.6 nats leaves the class to y, and 99 % are.

# %%
import argparse
import time
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.plotting import draw_class_swaps, draw_classes, save_picture

NEIGHBOURS, REFERENCE = 5, 10_000


# %%
def train(kind, data, args, epochs, **told):
    images = data.train.images
    settings = {"classes": int(data.train.labels.max()) + 1} if told else {}
    likelihood = {"likelihood": args.likelihood, **({"sigma": 0.2} if args.likelihood == "gaussian_learned" else {})}
    model = kind(images.shape[1], args.latent, (args.hidden,), beta=args.beta, seed=args.seed, **likelihood, **settings)
    steps = epochs * -(-len(images) // args.batch_size)
    trainer = sv.Trainer(model, lr=sv.optim.Cosine(1e-3, steps), batch_size=args.batch_size, seed=args.seed)
    trainer.fit(images, epochs, **told)
    return model


# %% [markdown]
# The majority among the nearest rows; of equals, the lowest class.


# %%
def by_neighbours(rows, labels, asked):
    labels = labels[:REFERENCE].astype(int)
    rows = rows[:REFERENCE].astype(np.float64)
    answers = []
    for part in np.array_split(asked.astype(np.float64), -(-len(asked) // 500)):
        distances = (rows**2).sum(axis=1) - 2 * part @ rows.T
        nearest = labels[np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]]
        answers += [np.bincount(votes).argmax() for votes in nearest]
    return np.array(answers)


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Draw digits of a class, and one style in all classes.")
    parser.add_argument("--data", choices=["digits", "mnist", "fashion-mnist"], default="digits")
    parser.add_argument("--latent", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--likelihood", choices=["bernoulli", "gaussian_learned"], default="gaussian_learned")
    parser.add_argument("--beta", type=float, default=1.0, help="weight of the KL")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few epochs, to try it out")
    parser.add_argument("--out", type=Path, default=Path("runs/conditional.png"), help="styles; classes beside them")
    args = parser.parse_args(arguments)
    data = sv.datasets.load(args.data)
    (train_x, train_y), (test_x, test_y) = data.train, data.test
    start, epochs = time.perf_counter(), 2 if args.quick else args.epochs

    conditional = train(sv.ConditionalVAE, data, args, epochs, labels=train_y)
    plain = train(sv.VAE, data, args, epochs)
    print(
        f"{data.name}: {args.likelihood}, beta {args.beta:g}, latent {args.latent}, {args.hidden} hidden, "
        f"{epochs} epochs, seed {args.seed}"
    )
    told, untold = sv.score(conditional, test_x, labels=test_y), sv.score(plain, test_x)
    print(f"log p(x | y) ≥ {told.reconstruction - told.kl:.2f} nats a row, of which the KL is {told.kl:.2f}")
    print(f"log p(x)     ≥ {untold.reconstruction - untold.kl:.2f} nats a row, of which the KL is {untold.kl:.2f}")

    asked = np.repeat(np.arange(conditional.classes), 100)
    seen = by_neighbours(train_x, train_y, sv.to_numpy(conditional.sample(len(asked), args.seed, labels=asked)))
    right = 100 * np.mean(seen == asked)
    print(f"{right:.1f} % of {len(asked)} samples are taken for the class that was asked for")
    figures = {"right": right}
    for name, model, of in (("told the class", conditional, (train_y, test_y)), ("told nothing", plain, (None, None))):
        codes = [model.embed(x, *(() if y is None else (y,))) for x, y in zip((train_x, test_x), of, strict=True)]
        known = figures[name] = 100 * np.mean(by_neighbours(codes[0], train_y, codes[1]) == test_y)
        print(f"{known:5.1f} % of the test rows' classes can be read from z, where the VAE was {name}")

    firsts = [np.flatnonzero(test_y == k)[0] for k in range(conditional.classes)]
    classes = args.out.with_name(f"{args.out.stem}-classes{args.out.suffix}")
    save_picture(draw_class_swaps(conditional, test_x[firsts], test_y[firsts], data.image_shape), args.out)
    save_picture(draw_classes(conditional, data.image_shape, args.seed), classes)
    print(f"wrote {args.out} and {classes}, {time.perf_counter() - start:.0f} s in all")
    return figures


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
