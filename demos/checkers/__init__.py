"""The layers and the gradient checkers of `demos/trust_nobodys_backward.py`."""
