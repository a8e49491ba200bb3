"""What several papers share, in the field's own words."""

from ganforge.layers.batch import mixes_samples
from ganforge.layers.dropout import Dropout
from ganforge.layers.labels import refuse_labels
from ganforge.layers.lipschitz import GroupSort, OrthonormalLinear
from ganforge.layers.maxout import Maxout
from ganforge.layers.minibatch import MINIBATCH, Minibatch, MinibatchDiscrimination, MinibatchStdDev
from ganforge.layers.output import Output, layered
from ganforge.layers.side_by_side import SideBySide
from ganforge.layers.spectral import SpectralNorm, advance, advance_spectral_norms
from ganforge.layers.weights import normal_weights_

__all__ = [
    "MINIBATCH",
    "Dropout",
    "GroupSort",
    "Maxout",
    "Minibatch",
    "MinibatchDiscrimination",
    "MinibatchStdDev",
    "OrthonormalLinear",
    "Output",
    "SideBySide",
    "SpectralNorm",
    "advance",
    "advance_spectral_norms",
    "layered",
    "mixes_samples",
    "normal_weights_",
    "refuse_labels",
]
