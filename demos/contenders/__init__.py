"""The contenders of `demos/benchmark.py`: the same network, loss, weights and noise, each by another hand."""
