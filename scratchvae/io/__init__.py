"""Model files and checkpoints, and their format.

A file is an .npz, which any NumPy can read. It contains no pickles, so that reading it runs no code. Its members are

    scratchvae     JSON text, an object: the header
    sha256         text: the SHA-256 of the header in UTF-8, 64 hexadecimal digits
    NAME           an array, one for each of the header's "arrays"

The header of every file has

    "format"    3
    "content"   "model" or "checkpoint"
    "arrays"    {NAME: {"dtype": "<f4", "shape": [784, 512], "sha256": …}}, the digest of the array's bytes in C order
    "model"     the class of the model: "VAE", "IWAE", …
    "config"    its configuration: the arguments of its constructor. A custom part ("encoder", "prior", …) is
                {"class": NAME, "config": {…}}, and needs its class in load(path, classes=[…])
    "notes"     `model.metadata`, entries of the user

"longdouble" has the bits of the "mantissa" and the "exponent" of long doubles, if there are any: they differ between
kinds of machines. The arrays are params/NAME, one for each of the model's parameters, with the names of `model.params`.
The digests detect a flipped bit in a number or a setting. They are not signatures: anyone who changes the file can
change them.

A checkpoint is a model file, which `load` reads, with further keys in the header

    "settings"   the settings of training and digests of its data; resumed training must have the same
    "run"        the state of the training loop: updates, random streams, position in the epoch
    "callbacks"  {NAME: state of the callback}
    "stopped"    "finished" or "early" if training has ended; "" if it can be resumed

and further arrays

    optimizer/NAME         the state of the optimizer
    callbacks/NAME/KEY     arrays of a callback's state: the sums of the epoch, the best weights
    history/epochs         (E, 7): the fields of `Epoch` except the last; NaN for a missing validation loss
    history/kl             (E, Z): the KL of each latent dimension

Later versions may add keys to the header, but not remove any. From 0.2.0 on, each version reads the files of all
earlier ones. Model files of 0.1.0 (formats 1 and 2) are read by `scratchvae.io.migration`; its checkpoints cannot be
resumed.
"""

from scratchvae.io.archive import Archive, as_text, diff_keys, open_archive, write_archive
from scratchvae.io.model_file import LAST_FINITE, MODEL, describe_file, load, load_encoder, save

__all__ = [
    "LAST_FINITE",
    "MODEL",
    "Archive",
    "as_text",
    "describe_file",
    "diff_keys",
    "load",
    "load_encoder",
    "open_archive",
    "save",
    "write_archive",
]
