"""The callbacks of this package. For custom callbacks, see `scratchvae.training.Callback`."""

from scratchvae.training.callbacks.busy_cores import BusyCoresDetector
from scratchvae.training.callbacks.checkpoint import Checkpoint
from scratchvae.training.callbacks.collapse_warning import CollapseDetector
from scratchvae.training.callbacks.early_stopping import EarlyStopping
from scratchvae.training.callbacks.finite_check import FiniteCheck
from scratchvae.training.callbacks.max_time import MaxTime
from scratchvae.training.callbacks.progress import Progress
from scratchvae.training.callbacks.recorder import HistoryRecorder
from scratchvae.training.callbacks.reduce_lr import ReduceLROnPlateau
from scratchvae.training.callbacks.same_weights import SameWeights

__all__ = [
    "BusyCoresDetector",
    "Checkpoint",
    "CollapseDetector",
    "EarlyStopping",
    "FiniteCheck",
    "HistoryRecorder",
    "MaxTime",
    "Progress",
    "ReduceLROnPlateau",
    "SameWeights",
]
