"""The few numerics that take several elementwise steps at once, written over any array module `xp`.

Each writes into `out` and allocates nothing. A device may bring a fused twin of the same signature.
"""
