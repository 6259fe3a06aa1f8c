"""Elementwise functions in several steps that are numerically safe, over any array module `xp`.

Each function writes into its output arguments and allocates nothing.
"""
