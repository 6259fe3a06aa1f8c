# %% [markdown]
# # Class and style
# In a conditional VAE, encoder and decoder receive the class y of each row:
#
#     log p(x | y) ≥ E[log p(x | y, z)] − KL(q(z | x, y) ‖ p(z))        z ~ q(z | x, y)
#
# (Sohn, Lee and Yan 2015; Kingma et al. 2014.) Information in z costs KL; information in y is free. So z learns what
# the class does not determine, the style. Choosing y samples a class; changing y with a fixed z transfers a style. With
# a Gaussian likelihood and a learned σ, z contains more information than with a Bernoulli, which treats grey pixels as
# binary.
#
# Two numbers measure the result: the share of samples that nearest neighbours among the training images classify as the
# requested class; and the accuracy of predicting the class from z, by nearest neighbours among the codes, compared with
# a VAE of the same size without y.
#
#     python demos/conditional.py                                       8×8 digits, half a minute
#     python demos/conditional.py --data mnist --likelihood bernoulli --beta 8 --epochs 10 --latent 10
#
# On MNIST with β = 1, the KL of z is 16 nats (30 with a learned σ): z contains the class too, the decoder hardly uses
# y, and 55 % (36 %) of the samples are classified as their class. With β = 8 the KL is 2.6 nats, y determines the
# class, and 99 % are.

# %%
import argparse
import time
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.plotting import plot_class_swaps, plot_classes, save_picture

NEIGHBOURS, REFERENCE = 5, 10_000


# %%
def train(kind, data, args, epochs, **labels):
    images = data.train.images
    settings = {"image_shape": data.image_shape, "beta": args.beta, "seed": args.seed}
    settings |= {"classes": int(data.train.labels.max()) + 1} if labels else {}
    likelihood = {"likelihood": args.likelihood, **({"sigma": 0.2} if args.likelihood == "gaussian_learned" else {})}
    model = kind(images.shape[1], args.latent, (args.hidden,), **likelihood, **settings)
    steps = epochs * -(-len(images) // args.batch_size)
    trainer = sv.Trainer(model, lr=sv.optim.Cosine(1e-3, steps), batch_size=args.batch_size, seed=args.seed)
    trainer.fit(images, epochs, **labels)
    return model


# %% [markdown]
# Classification by the majority of the nearest rows; in a tie, the lowest class.


# %%
def classify_by_neighbours(rows, labels, queries):
    labels = labels[:REFERENCE].astype(int)
    rows = rows[:REFERENCE].astype(np.float64)
    classes = []
    for chunk in np.array_split(queries.astype(np.float64), -(-len(queries) // 500)):
        distances = (rows**2).sum(axis=1) - 2 * chunk @ rows.T
        nearest = labels[np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]]
        classes += [np.bincount(votes).argmax() for votes in nearest]
    return np.array(classes)


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
    parser.add_argument("--quick", action="store_true", help="a few epochs, for a quick test")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/conditional.png"),
        help="picture of the styles; that of the classes is written beside it",
    )
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
    with_class, without = sv.score(conditional, test_x, labels=test_y), sv.score(plain, test_x)
    for title, score in (("log p(x | y)", with_class), ("log p(x)    ", without)):
        print(f"{title} ≥ {score.reconstruction - score.kl:.2f} nats per row, of which the KL is {score.kl:.2f}")

    requested = np.repeat(np.arange(conditional.classes), 100)
    samples = sv.to_numpy(conditional.sample(len(requested), args.seed, labels=requested))
    correct = 100 * np.mean(classify_by_neighbours(train_x, train_y, samples) == requested)
    print(f"{correct:.1f} % of {len(requested)} samples are classified as the requested class")
    results = {"correct": correct}
    for name, model, labels in (
        ("with the class", conditional, (train_y, test_y)),
        ("without it", plain, (None, None)),
    ):
        codes = [model.embed(x, *(() if y is None else (y,))) for x, y in zip((train_x, test_x), labels, strict=True)]
        accuracy = results[name] = 100 * np.mean(classify_by_neighbours(codes[0], train_y, codes[1]) == test_y)
        print(f"{accuracy:5.1f} % of the test rows are classified correctly from z, by a VAE {name}")

    firsts = [np.flatnonzero(test_y == k)[0] for k in range(conditional.classes)]
    classes = args.out.with_name(f"{args.out.stem}-classes{args.out.suffix}")
    save_picture(plot_class_swaps(conditional, test_x[firsts], test_y[firsts]), args.out, show=True)
    save_picture(plot_classes(conditional, args.seed), classes, show=True)
    print(f"wrote {args.out} and {classes}, {time.perf_counter() - start:.0f} s in all")
    return results


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
