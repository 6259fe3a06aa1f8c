# %% [markdown]
# # Trust nobody's backward
# Twelve layers as people publish them: each once with its right backward, and once with a bug that real code has had.
# The training loss falls with every one of them. Each is checked in one line, and beside it by the gradient checkers of
# PyTorch, HIPS autograd and JAX, with their default settings, where these are installed.
#
#     python demos/trust_nobodys_backward.py                one draw of the inputs
#     python demos/trust_nobodys_backward.py --seeds 20      twenty draws

# %%
import argparse
import time

import numpy as np
from checkers.layers import LAYERS
from checkers.others import installed

from scratchvae.gradcheck import check

# %% [markdown]
# One line finds a bug: the gradient of the weights of a convolution, in which a single weight is off by 0.01 %.

# %%
convolution = next(layer for layer in LAYERS if layer.name == "convolution")
inputs = convolution.draw(np.random.default_rng(0))
print(check(convolution.forward, convolution.wrong, *inputs), end="\n\n")


# %% [markdown]
# `check` agrees, or names the array and the number that is wrong. Here every layer is checked, right and wrong; a right
# one that is refused is a false alarm, a bug that passes is a miss.


# %%
def ours(forward, backward, inputs, seed):
    return check(forward, backward, *inputs, seed=seed).passed


def count(layer, backward, checker, seeds):
    """How many of the draws of the inputs pass."""
    draws = [layer.draw(np.random.default_rng(seed)) for seed in range(seeds)]
    return sum(bool(checker(layer.forward, backward, x, seed)) for seed, x in enumerate(draws))


def compare(layers, checkers, seeds):
    """Print a table of false alarms and misses, and return their sums by checker."""
    alarms, misses = dict.fromkeys(checkers, 0), dict.fromkeys(checkers, 0)
    print(f"{'layer':18} {'bug':29}" + "".join(f"{name:>13}" for name in checkers))
    for layer in layers:
        cells = ""
        for name, checker in checkers.items():
            alarm = seeds - count(layer, layer.backward, checker, seeds)
            miss = count(layer, layer.wrong, checker, seeds)
            alarms[name], misses[name] = alarms[name] + alarm, misses[name] + miss
            words = [f"{alarm} false"] * bool(alarm) + [f"{miss} missed"] * bool(miss)
            cells += f"{', '.join(words) or 'found':>13}"
        print(f"{layer.name:18} {layer.bug:29}{cells}", flush=True)
    for what, counts in (("false alarms", alarms), ("misses", misses)):
        print(f"{what:48}" + "".join(f"{value:>13}" for value in counts.values()))
    return alarms, misses


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compare gradient checkers on twelve layers and twelve bugs.")
    parser.add_argument("--seeds", type=int, default=1, help="draws of the inputs of each layer (1)")
    parser.add_argument("--only", nargs="+", metavar="LAYER", help="layers to check; by default all")
    args, _ = parser.parse_known_args()
    chosen = [layer for layer in LAYERS if not args.only or layer.name in args.only]
    start = time.perf_counter()
    print(f"of {args.seeds} draw{'s' if args.seeds > 1 else ''} of {len(chosen)} layers, right and wrong:\n")
    compare(chosen, {"scratchvae": ours, **installed()}, args.seeds)
    print(f"\n{time.perf_counter() - start:.0f} s")
