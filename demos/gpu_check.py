# %% [markdown]
# # Results and speed on a GPU
# Five to six minutes on a machine with a CUDA device and CuPy. PyTorch and JAX are timed too, if they are installed.
# Each check is a process with its own time limit, so a check that hangs or crashes does not affect the others. Checks
# that measure time run alone; the others run at the same time.
#
#     python demos/gpu_check.py                          all checks, with a table
#     python demos/gpu_check.py --json gpu.json          also write all results as JSON
#     python demos/gpu_check.py --only gradient graph    some of them

# %%
import argparse
import contextlib
import gc
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from measuring import machine

import scratchvae as sv
from scratchvae.disk import atomic_write
from scratchvae.errors import BackendError
from scratchvae.memory import HostToDeviceBuffer
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.training.cuda_graph import CUDAGraphs

ROOT = Path(machine.__file__).resolve().parents[2]
ROWS = np.random.default_rng(0).random((10_000, 784), np.float32)
EPS = np.random.default_rng(1).standard_normal((4096, 20), np.float32)


# %% [markdown]
# ## Correctness
# Each check returns its results as JSON values: `ok` is True if they are right, `summary` is the text of its table row.


# %%
def device():
    """The card and the versions; CuPy must be imported without a warning."""
    backend = sv.get_backend("cupy")
    cupy = backend.xp
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    with contextlib.redirect_stdout(io.StringIO()) as config:
        cupy.show_config()
    quiet = subprocess.run([sys.executable, "-W", "error", "-c", "import cupy"], capture_output=True, text=True)
    return {
        **machine.facts(backend),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "multiprocessors": properties["multiProcessorCount"],
        "memory_MB": properties["totalGlobalMem"] / 2**20,
        "pageable_memory_access": cupy.cuda.Device().attributes.get("PageableMemoryAccess"),
        "auto": sv.get_backend("auto").name,
        "config": config.getvalue(),
        "import_warnings": quiet.stderr[-500:],
        "summary": f"{properties['name'].decode()}, CuPy {cupy.__version__}, NumPy {np.__version__}",
        "ok": sv.get_backend("auto").name == "cupy" and quiet.returncode == 0,
    }


def tests():
    """The tests marked gpu; a skipped test is an error."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "--durations=10", "-p", "no:cacheprovider"]
    environment = {**os.environ, "SCRATCHVAE_REQUIRE_GPU": "1", "CI": "1"}
    run = subprocess.run(
        [*command, "tests/gpu", "tests/fused"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", run.stdout)}
    clean = run.returncode == 0 and counts.get("passed", 0) > 0 and "skipped" not in counts
    summary = ", ".join(f"{number} {word}" for word, number in counts.items())
    return {**counts, "output": run.stdout[-6000:], "ok": clean, "summary": summary}


def gradient():
    """The float32 gradient on the GPU against float64 on the CPU: about 1e-6 from rounding; with TF32, 3e-4."""
    found = {}
    for batch in (128, 2048):
        gradients = []
        for backend, dtype in (("numpy", "float64"), ("cupy", "float32")):
            vae = sv.VAE(backend=backend, dtype=dtype)
            _, grads = vae.loss_and_grads(ROWS[:batch].astype(dtype), EPS[:batch].astype(dtype))
            gradients.append(np.concatenate([sv.to_numpy(grad).ravel() for grad in grads.values()]).astype(float))
        exact, given = gradients
        found[f"relative_error_{batch}"] = float(np.linalg.norm(given - exact) / np.linalg.norm(exact))
    worst = max(found.values())
    return {**found, "ok": worst < 1e-5, "summary": f"float32 against float64 on the CPU: relative error {worst:.1e}"}


def same_bits():
    """The same epoch twice as usual and once waiting for each launch: a race would change the bits."""
    code = "import gpu_check; print(gpu_check.weights_after_an_epoch())"
    hashes = []
    for blocking in ("", "", "1"):
        environment = {**os.environ, **({"CUDA_LAUNCH_BLOCKING": "1"} if blocking else {})}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        hashes.append(run.stdout.strip() or run.stderr[-300:])
    same = len(set(hashes)) == 1 and len(hashes[0]) == 64
    summary = f"{len(set(hashes))} result of 3 epochs, one of them with every launch waited for"
    return {"hashes": hashes, "ok": same, "summary": summary}


def weights_after_an_epoch():
    vae = sv.VAE(backend="cupy")
    sv.Trainer(vae, binarize="dynamic").fit(ROWS, 1)
    return hashlib.sha256(sv.to_numpy(vae.theta).tobytes()).hexdigest()


def copies():
    """Host arrays that change, and buffers that are freed, while the GPU is still busy with earlier work."""
    backend = sv.get_backend("cupy")
    cupy = backend.xp
    big = cupy.ones((8192, 8192), np.float32)

    def keep_busy():
        for _ in range(20):
            cupy.matmul(big, big)

    host = np.ones((4096, 784), np.float32)
    keep_busy()
    uploaded = backend.upload(host)
    host[...] = 2
    overwritten = bool((uploaded == 1).all())

    noise_buffer = HostToDeviceBuffer(backend)
    noise_buffer.to_device(np.zeros((4096, 784), np.float32))
    keep_busy()
    on_device = noise_buffer.to_device(np.ones((4096, 784), np.float32))
    del noise_buffer
    gc.collect()
    for _ in range(4):
        backend.pinned((4096, 784), np.float32)[...] = 2
    died = bool((on_device == 1).all())

    stage, room = backend.pinned((4096, 784), np.float32), cupy.empty((4096, 784), np.float32)
    stage[...] = 1
    keep_busy()
    room.set(stage)
    stage[...] = 2
    unguarded = bool((room == 1).all())  # without any wait; False shows that the race is real
    kept = f"{overwritten + died} of 2 uploads kept"
    race = "kept too, so this shows little" if unguarded else "lost, so the danger is real"
    return {
        "overwritten_after_upload": overwritten,
        "buffer_that_died": died,
        "without_a_wait": unguarded,
        "ok": overwritten and died,
        "summary": f"{kept}; one without any wait was {race}",
    }


def digits():
    """Thirty epochs of the digits, on the CPU and on the GPU, from the same weights and noise."""
    data = sv.datasets.load("digits")
    found = {}
    for backend in ("numpy", "cupy"):
        vae = sv.VAE(input_dim=64, latent_dim=10, backend=backend)
        start = time.perf_counter()
        history = sv.Trainer(vae).fit(data.train.images, epochs=30, validation=data.test.images)
        found[backend] = {"seconds": time.perf_counter() - start, "validation": history.validation[-1]}
    difference = abs(found["numpy"]["validation"] - found["cupy"]["validation"])
    summary = "validation loss {:.3f} on the CPU, {:.3f} on the GPU".format(
        *(run["validation"] for run in found.values())
    )
    return {**found, "difference": difference, "ok": difference < 0.05, "summary": summary}


def failures():
    """Training continues after an out-of-memory error; a forked child gets an error."""
    found = {}
    vae = sv.VAE(backend="cupy")
    pool = vae.backend.xp.get_default_memory_pool()
    pool.set_limit(pool.total_bytes() + 2**24)
    try:
        sv.VAE(hidden=(20_000,), backend="cupy")
        found["model"] = "nothing was raised"
    except Exception as error:
        found["model"] = f"{type(error).__name__}: {error}"
    pool.set_limit(0)
    found["then"] = float(sv.Trainer(vae).step(ROWS[:128]))
    found["forked"] = run_forked(vae)
    refused = found["model"].startswith("BackendError")
    reported = refused and found["forked"].startswith("BackendError")
    return {
        **found,
        "ok": reported,
        "summary": "out of memory is reported and survived, a forked child is refused" if reported else str(found),
    }


def run_forked(vae):
    ours, theirs = os.pipe()
    if os.fork() == 0:
        try:
            answer = f"{vae.embed(ROWS[:2])[0, 0]}"
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(theirs, answer.encode()[:1000])
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        return pipe.read().decode()


def memcheck():
    """Three steps under NVIDIA's compute-sanitizer, which reports any access outside an array."""
    code = "import gpu_check; gpu_check.three_steps()"
    command = ["compute-sanitizer", "--error-exitcode", "9", sys.executable, "-c", code]
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return {"skipped": "compute-sanitizer is not installed"}
    output = (run.stdout + run.stderr)[-2000:]
    return {
        "returncode": run.returncode,
        "output": output,
        "ok": run.returncode == 0,
        "summary": output.splitlines()[-1],
    }


def three_steps():
    for settings in ({}, {"likelihood": "gaussian", "missing": True, "activation": "tanh"}):
        trainer = sv.Trainer(sv.VAE(backend="cupy", **settings), batch_size=100)
        trainer.fit(ROWS[:250], 1)


# %% [markdown]
# ## Speed
# The host time is the time that Python takes to queue a step. The step time is measured between two events on the GPU,
# many steps apart, without waiting.


# %%
class Steps:
    """Training steps on one batch on the GPU, with noise drawn and uploaded as in `fit`."""

    def __init__(self, kind=sv.VAE, batch=128, cuda_graph=False, **settings):
        self.model = kind(backend="cupy", **settings)
        self.trainer = sv.Trainer(self.model, batch_size=batch)
        self.backend, self.batch = self.model.backend, batch
        self.x = self.backend.upload(ROWS[:batch])
        self.noise_buffer, self.rng = HostToDeviceBuffer(self.backend), np.random.default_rng(2)
        self.eps = np.empty((batch, self.model.noise_dim), self.model.dtype)
        self.graphs = CUDAGraphs(self.model, self.compute, {}, required=True) if cuda_graph else None
        for _ in range(5):
            self.step()
        self.finish()

    def step(self):
        self.rng.standard_normal(out=self.eps, dtype=self.eps.dtype)
        eps = self.noise_buffer.to_device(self.eps)
        self.compute(self.x, eps) if self.graphs is None else self.graphs(self.x, eps, (), {})
        self.trainer.optimizer.step(self.model.dtheta)

    def compute(self, x, eps):
        terms = self.model.forward(x, eps)
        self.model.backward()
        return terms

    def finish(self):
        self.backend.xp.cuda.Device().synchronize()

    def host_us(self):
        times = []
        for _ in range(15):
            start = time.perf_counter()
            for _ in range(10):
                self.step()
            times.append((time.perf_counter() - start) / 10)
            self.finish()
        return 1e6 * median(times)

    def step_us(self, work=None, count=200):
        work = work or self.step
        begin, end = (self.backend.xp.cuda.Event() for _ in range(2))
        times = []
        for _ in range(5):
            begin.record()
            for _ in range(count):
                work()
            end.record()
            end.synchronize()
            times.append(self.backend.xp.cuda.get_elapsed_time(begin, end) / count)
        return 1e3 * median(times)


def step_times():
    """Microseconds per step of the reference network, for several batch sizes, and of `fit`."""
    found = {}
    for batch in (128, 512, 2048):
        steps = Steps(batch=batch)
        found[str(batch)] = {"host_us": steps.host_us(), "step_us": steps.step_us()}
    for name, settings in {"plain": {}, "binarized": {"binarize": "dynamic"}, "clipped": {"clip_norm": 1.0}}.items():
        for data in ("host", "device"):
            trainer = sv.Trainer(sv.VAE(backend="cupy"), **settings)
            rows = ROWS if data == "host" else trainer.model.backend.upload(ROWS)
            trainer.fit(rows, 1)
            found[f"fit_{name}_{data}"] = {"step_us": time_of_a_step(trainer, rows)}
    vae = sv.VAE(backend="cupy")
    for rows in (1, 128):
        vae.encode(ROWS[:rows])
        start = time.perf_counter()
        for _ in range(200):
            vae.encode(ROWS[:rows])
        found[f"encode_{rows}"] = {"us": (time.perf_counter() - start) / 200 * 1e6}
    return {**found, "summary": in_microseconds("step_us", {name: found[name] for name in ("128", "512", "2048")})}


def variants():
    """Microseconds per step at batch 128, for each activation, each likelihood and each model without labels."""
    found = {}
    cases = {f"activation {name}": (sv.VAE, {"activation": name}) for name in ACTIVATIONS}
    cases |= {f"likelihood {name}": (sv.VAE, {"likelihood": name}) for name in LIKELIHOODS}
    cases |= {"IWAE, 5 samples": (sv.IWAE, {"importance_samples": 5}), "missing": (sv.VAE, {"missing": True})}
    for name, (kind, settings) in cases.items():
        steps = Steps(kind, **settings)
        found[name] = {"host_us": steps.host_us(), "step_us": steps.step_us(count=50)}
    return {**found, "summary": in_microseconds("step_us", found)}


def in_microseconds(key, found):
    return "µs: " + ", ".join(f"{name} {times[key]:.0f}" for name, times in found.items())


def profile():
    """The busy time of the GPU in ten steps, by PyTorch's profiler, which records every kernel of the process."""
    try:
        import torch
        from torch.profiler import ProfilerActivity
    except ImportError:
        return {"skipped": "PyTorch is not installed"}
    torch.cuda.init()
    torch.zeros(1, device="cuda")
    found = {}
    for batch in (128, 2048):
        steps = Steps(batch=batch)
        for _ in range(2):  # the first run warms up the profiler
            with torch.profiler.profile(activities=[ProfilerActivity.CUDA]) as profiler:
                for _ in range(10):
                    steps.step()
                steps.finish()
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            profiler.export_chrome_trace(file.name)
            events = json.loads(Path(file.name).read_text(encoding="utf-8"))["traceEvents"]
        work = [event for event in events if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
        totals = {}
        for event in work:
            count, duration = totals.get(event["name"][:80], (0, 0.0))
            totals[event["name"][:80]] = count + 1, duration + event["dur"]
        span = max(e["ts"] + e["dur"] for e in work) - min(e["ts"] for e in work)
        busy = sum(e["dur"] for e in work)
        found[str(batch)] = {
            "kernels_a_step": sum(e["cat"] == "kernel" for e in work) / 10,
            "busy_us_a_step": busy / 10,
            "share_busy": busy / span,
            "by_time": {
                name: {"count": count / 10, "us": total / 10}
                for name, (count, total) in sorted(totals.items(), key=lambda item: -item[1][1])[:20]
            },
        }
    return {**found, "summary": in_microseconds("busy_us_a_step", found) + " of work in a step, by batch"}


# %% [markdown]
# ## Steps as CUDA graphs
# `fit` with `cuda_graph=True` and `False`: the same bits, and the time of a step, with the rows on the host and on the
# GPU. Then the time of a step alone: forward and backward as a graph, and the launch of the update.


# %%
def graph():
    found = {}
    for name, settings in {
        "reference": {},
        "gelu, conv": {"activation": "gelu", "architecture": "conv", "image_shape": (28, 28)},
        "heteroscedastic": {"likelihood": "gaussian_heteroscedastic"},
        "float64": {"dtype": "float64"},
    }.items():
        times, weights = {}, []
        for cuda_graph in (False, True):
            vae = sv.VAE(backend="cupy", **settings)
            trainer = sv.Trainer(vae, cuda_graph=cuda_graph)
            trainer.fit(ROWS, 1)
            times["graph_us" if cuda_graph else "eager_us"] = time_of_a_step(trainer, ROWS)
            weights.append(sv.to_numpy(vae.theta))
        found[name] = {"same_bits": bool(np.array_equal(*weights)), **times}
    for batch in (128, 512, 2048):
        steps, recorded = Steps(batch=batch), Steps(batch=batch, cuda_graph=True)
        found[str(batch)] = {
            "eager_us": steps.step_us(),
            "graph_us": recorded.step_us(),
            "graph_host_us": recorded.host_us(),
        }
    same = all(case.get("same_bits", True) for case in found.values())
    sizes = {batch: found[batch] for batch in ("128", "512", "2048")}
    summary = f"{'same' if same else 'other'} bits; a step in {in_microseconds('graph_us', sizes)}, by batch"
    return {**found, "ok": same, "summary": summary}


def time_of_a_step(trainer, rows):
    """Microseconds, in three epochs of `fit`."""
    start = time.perf_counter()
    trainer.fit(rows, 3)
    return (time.perf_counter() - start) / (3 * -(-len(rows) // trainer.batch_size)) * 1e6


def benchmark():
    """`demos/benchmark.py` on the GPU: compared with the products alone, PyTorch and JAX."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "benchmark.json"
        options = ["--backend", "cupy", "--batch", "128", "2048", "--rounds", "5", "--seconds", "0.2"]
        contenders = ["--only", "products", "torch-fused", "torch-graph", "jax"]
        command = [sys.executable, ROOT / "demos" / "benchmark.py", *options, *contenders, "--json", kept]
        run = subprocess.run(command, capture_output=True, text=True)
        record = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    return {
        "table": run.stdout[-6000:],
        "errors": run.stderr[-1500:],
        "record": record,
        "ok": run.returncode == 0,
        "summary": run.stdout,
    }


# %% [markdown]
# ## All checks
# The time limit of each check in seconds, and the checks that may run at the same time.

# %%
LIMITS = {
    device: 60,
    tests: 150,
    gradient: 60,
    same_bits: 90,
    copies: 60,
    digits: 90,
    failures: 60,
    memcheck: 120,
    graph: 60,
    step_times: 60,
    profile: 60,
    variants: 60,
    benchmark: 150,
}
TOGETHER = (device, tests, gradient, same_bits, copies, digits, failures, memcheck)
CHECKS = {check.__name__: check for check in LIMITS}


def start(name, folder):
    paths = [str(ROOT), str(ROOT / "tests"), str(ROOT / "demos"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, str(ROOT / "demos" / "gpu_check.py"), "--run", name, "--json", str(Path(folder) / name)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def collect(name, process, began, folder):
    limit = LIMITS[CHECKS[name]]
    try:
        output, _ = process.communicate(timeout=max(1.0, began + limit - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"ok": False, "error": f"took longer than {limit} s"}
    found = Path(folder) / name
    if not found.exists():
        return {"ok": False, "error": f"ended with code {process.returncode}: {output[-1500:]}"}
    return {"seconds": time.monotonic() - began, **json.loads(found.read_text(encoding="utf-8"))}


def write(path, record):
    with atomic_write(Path(path)) as file:
        file.write(json.dumps(record, indent=1).encode())


def run_all(names, path):
    record = {}
    with tempfile.TemporaryDirectory() as folder:
        together = [name for name in names if CHECKS[name] in TOGETHER]
        for group in [together, *([name] for name in names if name not in together)]:
            began = time.monotonic()
            processes = {name: start(name, folder) for name in group}
            for name, process in processes.items():
                record[name] = collect(name, process, began, folder)
                print(line(name, record[name]), flush=True)
                if path:
                    write(path, record)
    return record


def line(name, found):
    """One row of the table of results."""
    verdict = {True: "right", False: "WRONG", None: "measured"}[found.get("ok")]
    if "skipped" in found:
        verdict = "skipped"
    summary = next(found[key] for key in ("error", "skipped", "summary") if key in found)
    return f"{name:<12}{verdict:<10}{found.get('seconds', 0):4.0f} s  {summary}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Check and time scratchvae on this machine's GPU.")
    parser.add_argument("--only", nargs="+", choices=list(CHECKS), default=list(CHECKS), help="some of the checks")
    parser.add_argument("--json", metavar="FILE", help="write everything that was found to FILE")
    parser.add_argument("--run", choices=list(CHECKS), help=argparse.SUPPRESS)
    arguments = parser.parse_args(arguments)
    try:
        sv.get_backend("cupy")
    except BackendError as error:
        sys.exit(f"gpu_check: {error}")
    if arguments.run:
        write(arguments.json, CHECKS[arguments.run]())
        return
    record = run_all(arguments.only, arguments.json)
    if any(found.get("ok") is False for found in record.values()):
        sys.exit(1)


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
