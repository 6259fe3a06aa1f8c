"""The contenders of `demos/benchmark.py`: the same network, loss, weights and noise in several frameworks."""
