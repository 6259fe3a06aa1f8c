# %% [markdown]
# # Denoising
# A VAE learns to denoise if its encoder receives a corrupted x̃ and its decoder reconstructs the clean x:
#
#     L = −E[log p(x | z)] + β KL(q(z | x̃) ‖ p(z))        x̃ ~ C(x̃ | x),  z ~ q(z | x̃)
#
# (Vincent et al. 2008 for autoencoders; Im et al. 2017 for VAEs.) Any q gives a bound of log p(x), so this is an ELBO
# too, with a posterior that depends on x̃ alone. z must predict hidden pixels from the others.
#
# The corruption C is drawn anew at every step: masking sets pixels to 0, salt and pepper to 0 or 1, Gaussian noise is
# added to them.
#
# The measure is the peak signal-to-noise ratio, 10 log₁₀(1/MSE) in dB, before and after, compared with the
# reconstruction of the same network trained without noise. The weight of the KL is small, β = 0.1: the Bernoulli treats
# grey pixels as binary, and with its full weight the KL would suppress details.
#
#     python demos/denoising.py --out denoising.png
#     python demos/denoising.py --data mnist --epochs 20 --out denoising.png

# %%
import argparse
import time
from pathlib import Path

import scratchvae as sv
from scratchvae.evaluation import psnr
from scratchvae.plotting import plot_rows, save_picture
from scratchvae.training.corruption import CORRUPTIONS, corruption

SHOWN = 12


# %%
def train(images, latent_dim, hidden, beta, epochs, batch, backend, corrupt, seed):
    steps = epochs * -(-len(images) // batch)
    vae = sv.VAE(images.shape[1], latent_dim, (hidden,), beta=beta, seed=seed, backend=backend)
    rate = sv.optim.Cosine(1e-3, steps)
    sv.Trainer(vae, lr=rate, batch_size=batch, seed=seed, corrupt=corrupt).fit(images, epochs)
    return vae


# %% [markdown]
# One network trained without noise, and one for each kind of noise. They denoise test rows, with noise of a seed that
# was not used in training.


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train VAEs to denoise, and measure the gain.")
    parser.add_argument("--data", default="digits", help="digits, mnist or fashion-mnist")
    parser.add_argument(
        "--noise", choices=list(CORRUPTIONS), nargs="+", default=["masking", "salt-and-pepper", "gaussian"]
    )
    parser.add_argument("--level", type=float, default=0.3, help="level of the noise")
    parser.add_argument("--latent", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, help="64 for digits, else 128")
    parser.add_argument("--backend", choices=["numpy", "native", "cupy", "auto"], default="numpy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a small network for a few epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/denoising.png"))
    args = parser.parse_args(arguments)
    hidden, epochs = (64, 5) if args.quick else (args.hidden, args.epochs)
    data = sv.datasets.load(args.data)
    clean = data.test.images
    batch = args.batch_size or (64 if args.data == "digits" else 128)
    settings = (args.latent, hidden, args.beta, epochs, batch, args.backend)

    print(f"{data.name}, {hidden} hidden, latent {args.latent}, beta {args.beta:g}, {epochs} epochs, seed {args.seed}")
    print(f"{'PSNR in dB':24}{'noisy':>8}{'no training noise':>19}{'denoising':>11}{'gain':>8}{'trained in':>12}")
    plain = train(data.train.images, *settings, None, args.seed)
    rows = {"clean": clean[:SHOWN]}
    for corrupt in (corruption(kind, args.level) for kind in args.noise):
        start = time.perf_counter()
        vae = train(data.train.images, *settings, corrupt, args.seed)
        seconds = time.perf_counter() - start
        noisy = corrupt(clean, seed=args.seed + 1)
        denoised = vae.denoise(noisy)
        before, by_plain, after = (psnr(images, clean) for images in (noisy, plain.reconstruct(noisy), denoised))
        print(
            f"{corrupt!r:24}{before:8.2f}{by_plain:19.2f}{after:11.2f}{after - before:+8.2f}{seconds:10.1f} s",
            flush=True,
        )
        name = type(corrupt).__name__
        rows |= {name: noisy[:SHOWN], f"{name}, denoised": denoised[:SHOWN]}
    title = f"Noise of level {args.level:g}, removed by a VAE trained for it"
    save_picture(plot_rows(rows, data.image_shape, SHOWN, title), args.out, show=True)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
