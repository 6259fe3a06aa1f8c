"""Files of models and of training, and what is in them.

One .npz, so that any NumPy reads it, and no pickle, so that reading runs nothing. Its members are

    scratchvae     JSON text, an object: the header
    sha256         text: the SHA-256 of the header in UTF-8, 64 hexadecimal digits
    NAME           an array, one for each of the header's "arrays"

The header of every file has

    "format"    3
    "content"   "model" or "checkpoint"
    "arrays"    {NAME: {"dtype": "<f4", "shape": [784, 512], "sha256": …}}, the digest of the array's bytes in C order
    "model"     the class of the model: "VAE", "IWAE", …
    "config"    its configuration: the arguments that make it again. A part of a user's own ("encoder", "prior", …) is
                {"class": NAME, "config": {…}}, and is built from load(path, classes=[…])
    "notes"     what its owner wrote to go with it

and its arrays are params/NAME, one for each of the model's parameters, as `model.params` names them. So one flipped
bit, in a number or in a setting, is noticed; a digest is no signature, for whoever can write the file can write it too.

A checkpoint is the file of a model, which `load` reads, and in the header there are besides

    "settings"   how the model is trained, and on which data: whoever resumes it must train in the same way
    "run"        the state of the training loop: updates, random streams, the place in the epoch
    "callbacks"  {NAME: the state of that callback}
    "stopped"    "finished" or "early" of a training that has ended; "" of one that can be resumed

and among the arrays

    optimizer/NAME         the state of the optimizer
    callbacks/NAME/KEY     arrays of a callback's state: the sums of the epoch, the best weights
    history/epochs         (E, 7): the numbers of `Epoch` but for the last; a validation loss that is none is NaN
    history/kl             (E, Z): the KL of each latent dimension

Later versions add keys to the header, and may leave none out; each reads the files of all earlier ones, from 0.2.0 on.
Model files of 0.1.0 (formats 1 and 2) are read by `scratchvae.io.migration`; its checkpoints are refused.
"""

from scratchvae.io.archive import Archive, as_text, diff_keys, open_archive, write_archive
from scratchvae.io.model_file import MODEL, describe_file, load, load_encoder, save

__all__ = [
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
