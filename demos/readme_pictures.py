# %% [markdown]
# # The pictures of the README and the guides
# Trains the reference network on the shipped 8×8 digits and on MNIST, with 10 or 20 latent dimensions and with 2, and
# writes the pictures to `demos/pictures/`. MNIST is read from $SCRATCHVAE_DATA, or else downloaded.
#
#     python demos/readme_pictures.py                  all of it, about four minutes on two cores
#     python demos/readme_pictures.py --only digits    a few seconds

# %%
import argparse
from pathlib import Path

import scratchvae as sv
from scratchvae import plotting

HERE = Path(globals().get("__file__", "a notebook")).parent  # a notebook runs in its own folder
BATCH = 128


# %% [markdown]
# The same settings for every model: Adam with a learning rate that falls from 1e-3 along a cosine. MNIST's grey pixels
# are binarized anew at each step. Those of the 8×8 digits stay grey; with ten latent dimensions, a likelihood of grey
# values makes them sharper.


# %%
def draw(name: str, latent_dim: int, epochs: int, likelihood: str, binarize: str | None, out: Path) -> None:
    data = sv.datasets.load(name)
    images = data.train.images
    vae = sv.VAE(images.shape[1], latent_dim, image_shape=data.image_shape, likelihood=likelihood)
    steps = epochs * -(-len(images) // BATCH)
    trainer = sv.Trainer(vae, lr=sv.optim.Cosine(1e-3, steps), batch_size=BATCH, binarize=binarize)
    history = trainer.fit(images, epochs, validation=data.test.images, progress=True)
    score = sv.score(vae, data.test.images, binarize=binarize)
    print(f"{name}, latent {latent_dim}: test ELBO {score.value:.2f} ± {score.standard_error:.2f} nats per image")
    for picture, figure in plotting.plot_report(vae, history, data).items():
        if latent_dim > 2 or picture == "manifold":
            plotting.save_picture(figure, out / f"{name}-{latent_dim}-{picture}.png", show=True)


# %%
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train on digits and MNIST, and draw the results.")
    parser.add_argument("--only", choices=["digits", "mnist"])
    parser.add_argument("--epochs", type=int, help="fewer, for a quick test")
    parser.add_argument("--out", type=Path, default=HERE / "pictures")
    args = parser.parse_args(arguments)
    for name, latent_dim, epochs, likelihood, binarize in (
        ("digits", 10, 50, "continuous_bernoulli", None),
        ("digits", 2, 50, "bernoulli", None),
        ("mnist", 20, 20, "bernoulli", "dynamic"),
        ("mnist", 2, 20, "bernoulli", "dynamic"),
    ):
        if args.only in (None, name):
            draw(name, latent_dim, args.epochs or epochs, likelihood, binarize, args.out)


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
