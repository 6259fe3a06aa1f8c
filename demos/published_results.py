# %% [markdown]
# # Published log-likelihoods
# Papers on VAEs compare estimates of −log p(x) of the test rows of MNIST, binarized once, in nats: by importance
# sampling with 5000 draws of each row. This demo trains such models, and estimates it in the same way. What it printed
# is in [`guides/published-results.md`](guides/published-results.md).
#
#     python demos/published_results.py vae                              one model; RUNS has the names
#     python demos/published_results.py --table runs/published/*.json    the results as a table
#     python demos/published_results.py vae --quick                      a tiny one, for a quick test
#
# A run that was stopped goes on by the same command: training from its last checkpoint, the evaluation from its last
# rows. `--minutes 150` stops it by itself. On one core it takes an hour or two.
#
# Models learn from the 50,000 training rows. The 10,000 validation rows choose the epoch. The 10,000 test rows
# are used once, at the end.

# %%
import argparse
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from measuring import machine

import scratchvae as sv
from scratchvae.disk import atomic_write
from scratchvae.errors import ScratchVAEError

# %% [markdown]
# The network is that of the authors of the VampPrior (Tomczak and Welling 2018): two layers of 300 gated units in the
# encoder and in the decoder, and 40 latent dimensions. They train for up to 2000 epochs at a constant rate; here the
# learning rate falls to 0 along a cosine, so that a hundred epochs do.

# %%
LATENT, WIDTH = 40, 300
SAMPLES = 5000  # draws of z for each test row
PARTS = "train", "validation", "test"
PATIENCE = 50  # epochs without a lower validation loss, after which training ends


def gated(inputs):
    """Two gated layers; the model appends a `Linear` to the width that is needed."""
    widths = (inputs, WIDTH), (WIDTH, WIDTH)
    return sv.layers.Sequential(
        *(layer for i, o in widths for layer in (sv.layers.Linear(i, 2 * o), sv.layers.Gated()))
    )


@dataclass
class Run:
    """A model, how it is trained, and what a paper has published of its kind."""

    title: str
    published: str
    source: str
    parts: dict = field(default_factory=dict)
    epochs: int = 120
    batch: int = 100
    lr: float = 1e-3
    warm_up: int = 20  # epochs in which the weight of the KL rises

    def model(self, data, seed, backend):
        parts = {name: part(data) for name, part in self.parts.items()}
        return sv.VAE(encoder=gated(784), decoder=gated(LATENT), latent_dim=LATENT, seed=seed, backend=backend, **parts)

    def trainer(self, model, steps, seed):
        schedule = sv.optim.Cosine(self.lr, self.epochs * steps)
        warm_up = sv.training.KLWarmUp(self.warm_up * steps) if self.warm_up else None
        return sv.Trainer(model, batch_size=self.batch, seed=seed, optimizer=sv.optim.Adam(schedule), kl_weight=warm_up)


RUNS = {
    "vae": Run(
        "VAE",
        "88.71; 88.56",
        "Burda, Grosse and Salakhutdinov 2016, table 2, one layer of 50; Tomczak and Welling 2018, table 1",
    ),
    "iwae": Run(
        "importance-weighted, K = 5",
        "87.63",
        "Burda, Grosse and Salakhutdinov 2016, table 2",
        {"objective": lambda data: sv.objectives.ImportanceWeighted(5)},
    ),
    "dreg": Run(
        "doubly reparameterized, K = 5",
        "87.63",
        "Burda, Grosse and Salakhutdinov 2016, table 2; the gradient is that of Tucker et al. 2019",
        {"objective": lambda data: sv.objectives.DoublyReparameterized(5)},
    ),
    "vamp": Run(
        "VampPrior, K = 500",
        "85.57",
        "Tomczak and Welling 2018, table 1",
        {"prior": lambda data: sv.probability.VampPrior(data.train.images[:500])},
        epochs=80,
        batch=200,  # the 500 pseudo-inputs are encoded in each step
    ),
    "iaf": Run(
        "inverse autoregressive flow",
        "–",
        "",
        {"posterior": lambda data: sv.flows.InverseAutoregressive(LATENT, hidden=(WIDTH,))},
    ),
}


# %% [markdown]
# Training: the weights of the epoch with the lowest validation loss are kept. The checkpoint has everything that the
# next sitting needs to go on with the same bits.


# %%
def train(run, data, folder, seed, backend, seconds):
    """The trained model, and the record of its training; None if the time is over."""
    model, steps = run.model(data, seed, backend), -(-len(data.train.images) // run.batch)
    trainer = run.trainer(model, steps, seed)
    history = trainer.fit(
        data.train.images,
        run.epochs,
        validation=data.validation.images,
        progress=True,
        checkpoint=folder / "checkpoint.npz",
        keep=1,
        resume=True,
        callbacks=[sv.training.EarlyStopping(PATIENCE), sv.training.MaxTime(seconds)],
    )
    if history.stopped not in ("finished", "early"):
        return None
    return model, {
        "epochs": len(history.epochs),
        "best epoch": history.best_epoch,
        "validation loss": min(epoch.validation for epoch in history.epochs if epoch.validation is not None),
        "training seconds": sum(epoch.seconds for epoch in history.epochs),
        "parameters": model.theta.size,
    }


# %% [markdown]
# The evaluation takes 200 rows at a time and keeps their estimates in a file. The estimate of a row depends on the row
# and the seed alone, so that a later sitting adds the others.


# %%
def evaluate(model, x, file, samples, end):
    """The estimates of all rows, (3, N): log p(x), ESS, Monte Carlo error; and seconds. None if the time is over."""
    done, seconds = np.empty((3, 0)), 0.0
    if file.exists():
        with np.load(file) as saved:
            done, seconds = saved["rows"], float(saved["seconds"])
    while done.shape[1] < len(x):
        if time.monotonic() > end:
            return None
        start, rows = time.perf_counter(), x[done.shape[1] : done.shape[1] + 200]
        estimate = sv.evaluation.log_likelihood(model, rows, samples=samples)
        numbers = estimate.rows, estimate.effective_sample_size, estimate.monte_carlo_error
        done, seconds = np.hstack([done, numbers]), seconds + time.perf_counter() - start
        with atomic_write(file) as stream:
            np.savez(stream, rows=done, seconds=seconds)
    return done, seconds


# %% [markdown]
# A row of the table says what was estimated and how, what it took, and what was published.


# %%
def result(name, run, training, estimates, seconds, samples, seed):
    rows, size, error = estimates
    return {
        "name": name,
        "title": run.title,
        "command": f"python demos/published_results.py {name}"
        + (f" --seed {seed}" if seed else "")
        + (f" --samples {samples}" if samples != SAMPLES else ""),
        "nll": -float(rows.mean()),
        "standard error": float(rows.std(ddof=1) / np.sqrt(len(rows))),
        "Monte Carlo error": float(np.sqrt((error**2).sum()) / len(rows)),
        "effective sample size": [float(np.median(size)), float(size.min())],
        "rows": len(rows),
        "samples": samples,
        "published": run.published,
        "source": run.source,
        "seed": seed,
        **training,
        "evaluation seconds": seconds,
        "machine": machine.facts(),
    }


def table(results):
    lines = [
        "| model | −log p(x), nats | published | epochs | training, evaluation | effective sample size |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for r in results:
        median, least = r["effective sample size"]
        lines.append(
            f"| {r['title']} | {r['nll']:.2f} ± {r['standard error']:.2f} | {r['published']} | {r['best epoch']} of "
            f"{r['epochs']} | {r['training seconds'] / 60:.0f} min, {r['evaluation seconds'] / 60:.0f} min | "
            f"{median:.0f}, least {least:.0f} |"
        )
    return "\n".join(lines)


def few_rows(data):
    """300 rows of each part of the data."""
    return data._replace(
        **{name: part._replace(images=part.images[:300]) for name, part in data._asdict().items() if name in PARTS}
    )


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train published models on binarized MNIST, and estimate log p(x).")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"the models: {', '.join(RUNS)}")
    parser.add_argument("--folder", type=Path, default=Path("runs/published"), help="of checkpoints and results")
    parser.add_argument("--minutes", type=float, default=150.0, help="stop after this time; the same command goes on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="draws of z for each test row")
    parser.add_argument("--backend", choices=["numpy", "native", "cupy"], default="native")
    parser.add_argument("--quick", action="store_true", help="one epoch of a few rows, for a quick test")
    parser.add_argument("--table", nargs="+", type=Path, metavar="FILE", help="print a table of results instead")
    args = parser.parse_args(arguments)
    if args.table:
        print(table([json.loads(path.read_text(encoding="utf-8")) for path in args.table]))
        return
    if unknown := set(args.names) - RUNS.keys():
        parser.error(f"{', '.join(sorted(unknown))}: expected {', '.join(RUNS)}")
    if not args.names:
        print("Name one or more models:")
        for name, run in RUNS.items():
            print(f"    {name:6} {run.title}, published: {run.published}")
        return
    try:
        run_all(args)
    except ScratchVAEError as error:
        raise SystemExit(f"published_results.py: {error}") from None


def run_all(args):
    data, end = sv.datasets.load("binarized-mnist"), time.monotonic() + 60 * args.minutes
    if args.quick:
        data, args.samples = few_rows(data), 20
    for name in args.names:
        run = replace(RUNS[name], epochs=1) if args.quick else RUNS[name]
        found = one_result(name, run, data, args, end)
        if found is None:
            print(f"{name}: the time is over; the same command goes on")
            return
        with atomic_write(args.folder / f"{name}-{args.seed}.json") as stream:
            stream.write(json.dumps(found, indent=1, ensure_ascii=False).encode())
        print(table([found]))


def one_result(name, run, data, args, end):
    """The result of a run; None if the time is over."""
    folder = args.folder / f"{name}-{args.seed}"
    trained = train(run, data, folder, args.seed, args.backend, max(1.0, end - time.monotonic()))
    if trained is None:
        return None
    model, training = trained
    estimated = evaluate(model, data.test.images, folder / f"test-{args.samples}.npz", args.samples, end)
    if estimated is None:
        return None
    return result(name, run, training, *estimated, args.samples, args.seed)


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
