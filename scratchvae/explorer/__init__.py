"""A page that shows a model in a browser: one file, which needs no network and no other program.

    from scratchvae.explorer import write_page

    write_page(vae, "explore.html", images, labels)        # `scratchvae explore RUN` does this for a run

The page computes the encoder and the decoder itself, in JavaScript, from the weights that it holds: see the folder
`browser`, where network.js is the place to start. It shows the codes of rows, and what a code decodes to while one
moves it.
"""

from scratchvae.explorer.page import FILE, write_page
from scratchvae.explorer.weights import PRECISIONS

__all__ = ["FILE", "PRECISIONS", "write_page"]
