"""Trained models in the formats of other programs: ONNX files, weights for PyTorch, and Python files.

    sv.export.onnx(vae, "encoder.onnx")                  # for onnxruntime and whatever else reads ONNX
    weights = sv.export.to_torch_state_dict(vae)         # for torch.nn modules
    sv.export.as_numpy_source(vae, "encoder.py")         # needs NumPy alone: encoder.py, with encoder.npz beside it

A model, or the `Encoder` of one, can be exported whose layers, posterior and likelihood are those of this package.
`onnx` and `as_numpy_source` write one part of it, in the units of the data; for a table of several kinds of columns,
rows are those of `TableSchema.encode`:

part             input       output
"encoder"        x (B, D)    mu and logvar (B, Z) as of `encode`; the code z (B, Z) of an Autoencoder
"decoder"        z (B, Z)    mean (B, D), as of `decode`
"reconstruct"    x (B, D)    mean (B, D), as of `reconstruct`

Models with classes have a second input, labels (B,): the number of each row's class, 0 to K − 1, in the order of
`model.schema.classes`. For a SemiSupervisedVAE, −1 stands for the most probable class, except for the decoder.

Exports check neither the range of the data nor the names of columns: give them what the model takes.
"""

from scratchvae.export.numpy_source import as_numpy_source
from scratchvae.export.onnx_file import onnx
from scratchvae.export.parts import PARTS
from scratchvae.export.torch_state_dict import to_torch_state_dict

__all__ = ["PARTS", "as_numpy_source", "onnx", "to_torch_state_dict"]
