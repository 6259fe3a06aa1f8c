# %% [markdown]
# # Several processes
# The reference network (784-512-20) is trained on binarized MNIST in batches of 2048 rows: by one process whose matrix
# products use n threads, and by n processes of one thread each, which share the rows of each batch. The two take turns,
# because other work on the machine slows both. The median time of an epoch is compared.
#
#     python demos/several_processes.py                       about two minutes
#     python demos/several_processes.py --processes 4         on a machine of four cores
#     python demos/several_processes.py --quick               a tiny network, for a quick test
#
# It needs mpi4py and mpiexec:  pip install 'scratchvae[mpi]' mpich

# %%
import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from measuring import machine

import scratchvae as sv

NAME = "several_processes.py"
HERE = NAME if Path(NAME).exists() else f"demos/{NAME}"  # of a notebook, which is run in its folder or above it
SCRIPT = globals().get("__file__", HERE)
LATENCIES = {
    "one machine": (10e-6, 2.1e9),
    "10 Gbit/s Ethernet": (30e-6, 1.25e9),
    "100 Gbit/s InfiniBand": (2e-6, 12.5e9),
}


# %% [markdown]
# Each measurement is a process of its own, or n of them under mpiexec, which trains for some epochs and prints the
# seconds of each but the first. Several processes also time the sum of a gradient over all of them, by itself.


# %%
def train_and_report(args):
    comm = None
    if args.worker == "processes":
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
    images = quick_images() if args.quick else (sv.datasets.load("mnist").train.images > 0.5).astype("float32")
    hidden = 16 if args.quick else 512
    vae = sv.VAE(images.shape[1], 20, (hidden,))
    trainer = sv.Trainer(vae, batch_size=args.batch_size, comm=comm, binarize="dynamic" if args.dynamic else None)
    history = trainer.fit(images, args.epochs + 1)
    result = {"seconds": history.seconds[1:], "loss": history.loss[-1], "parameters": vae.theta.size}
    if trainer.comm is not None:
        gradient, times = np.zeros_like(vae.theta), []
        for _ in range(20):
            begin = time.perf_counter()
            trainer.comm.sum(gradient)
            times.append(time.perf_counter() - begin)
        result["message"] = median(times)
    if trainer.comm is None or trainer.comm.is_root:
        print(json.dumps(result))


def quick_images():
    return (np.random.default_rng(0).random((512, 16)) > 0.5).astype("float32")


def measure(kind, args):
    options = ["--worker", kind, "--epochs", str(args.epochs), "--batch-size", str(args.batch_size)]
    options += ["--quick"] * args.quick + ["--dynamic"] * args.dynamic
    command = [sys.executable, SCRIPT, *options]
    threads = args.processes
    if kind == "processes":
        command, threads = [args.mpiexec, "-n", str(args.processes), *command], 1
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"several_processes.py: {' '.join(command[:4])} … ended with\n{done.stderr[-1000:]}")
    return json.loads(done.stdout.splitlines()[-1])


# %% [markdown]
# A step of n processes takes the time of its part of the rows, t₁/n if t₁ is that of one process, and of the message.
# A sum over n processes of P numbers of s bytes each is best done in 2(n − 1) messages of P s/n bytes (Thakur,
# Rabenseifner and Gropp 2005), at latency α and bandwidth β:
#
#     t(n) = t₁/n + 2 log₂(n) α + 2 (n − 1)/n · P s/β
#
# With the batch fixed (strong scaling), the speed is t₁/t(n) times that of one process. With the rows of each process
# fixed (weak scaling), a batch is n times as large, and its step takes t₁ plus the message.


# %%
def predicted(step, numbers, latency, bandwidth, processes, weak):
    n = processes
    message = 2 * np.log2(n) * latency + 2 * (n - 1) / n * 4 * numbers / bandwidth
    return n * step / (step + message) if weak else step / (step / n + message)


def print_predictions(step, numbers):
    print(
        f"\npredicted speed relative to one process of one thread, {step * 1e3:.0f} ms a step, {numbers:,} parameters"
    )
    print(f"{'':24s}{'strong: 8':>12s}{'64':>8s}{'weak: 8':>12s}{'64':>8s}")
    for name, (latency, bandwidth) in LATENCIES.items():
        speeds = [predicted(step, numbers, latency, bandwidth, n, weak) for weak in (False, True) for n in (8, 64)]
        print(f"{name:24s}{speeds[0]:12.1f}{speeds[1]:8.1f}{speeds[2]:12.1f}{speeds[3]:8.1f}")


def compare(args):
    print(machine.describe(machine.facts()))
    seconds, message, losses = {"threads": [], "processes": []}, [], set()
    for round_ in range(args.rounds):
        for kind in list(seconds)[:: 1 if round_ % 2 else -1]:
            result = measure(kind, args)
            seconds[kind] += result["seconds"]
            message += [result["message"]] if "message" in result else []
            losses.add(round(result["loss"], 2))
            numbers = result["parameters"]
    n, medians = args.processes, {kind: median(values) for kind, values in seconds.items()}
    rows = 512 if args.quick else 60_000
    steps = -(-rows // args.batch_size)
    print(f"{len(seconds['threads'])} epochs of {steps} steps each, batch {args.batch_size}; losses {sorted(losses)}")
    for kind, text in {"threads": f"one process, {n} threads", "processes": f"{n} processes, one thread"}.items():
        low, high = np.percentile(seconds[kind], (25, 75))
        print(f"{text:26s}{medians[kind]:8.3f} s per epoch (quartiles {low:.3f} to {high:.3f})")
    print(f"ratio {medians['processes'] / medians['threads']:.3f}")
    step = medians["processes"] / steps
    print(f"sum of a gradient over {n} processes: {median(message) * 1e3:.2f} ms, of a step of {step * 1e3:.1f} ms")
    print_predictions((step - median(message)) * n, numbers)


# %%
def main(argv=None):
    parser = argparse.ArgumentParser(description="Compare several processes with several threads.")
    parser.add_argument("--processes", type=int, default=2, help="number of processes, and of threads (default: 2)")
    parser.add_argument("--batch-size", type=int, default=2048, help="rows of a batch of all (default: 2048)")
    parser.add_argument("--epochs", type=int, default=3, help="timed epochs of each measurement (default: 3)")
    parser.add_argument("--rounds", type=int, default=4, help="measurements of each kind (default: 4)")
    parser.add_argument("--dynamic", action="store_true", help="draw the pixels anew in each step")
    parser.add_argument("--mpiexec", default=shutil.which("mpiexec"), help="the mpiexec of mpi4py's MPI")
    parser.add_argument("--quick", action="store_true", help="a tiny network on random rows, once")
    parser.add_argument("--worker", choices=("threads", "processes"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.quick:
        args.batch_size, args.epochs, args.rounds = min(args.batch_size, 128), 1, 1
    if args.worker:
        train_and_report(args)
    elif args.mpiexec is None:
        sys.exit("several_processes.py: mpiexec was not found; pip install 'scratchvae[mpi]' mpich")
    else:
        compare(args)


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
