"""What several papers share, in the field's own words."""

from ganforge.layers.attention import SelfAttention
from ganforge.layers.batch import mixes_samples
from ganforge.layers.conditions import (
    ClassHead,
    Concatenation,
    Condition,
    ConditionalBatchNorm,
    Entry,
    LabelEmbedding,
    LabelNumbers,
    NoLabels,
    Projection,
    Reader,
    called,
    entry,
    expect_labels,
    label_loss,
    reader,
)
from ganforge.layers.double_backward import cheap_double_backward
from ganforge.layers.dropout import Dropout
from ganforge.layers.inference import fused
from ganforge.layers.labels import refuse_labels
from ganforge.layers.lipschitz import GroupSort, OrthonormalLinear
from ganforge.layers.maxout import Maxout
from ganforge.layers.minibatch import MINIBATCH, Minibatch, MinibatchDiscrimination, MinibatchStdDev
from ganforge.layers.output import Output, layered
from ganforge.layers.point import FromPixel, ToPixel
from ganforge.layers.residual import SharedBatchNorm
from ganforge.layers.side_by_side import SideBySide
from ganforge.layers.spectral import SpectralNorm, advance, advance_spectral_norms
from ganforge.layers.strided import Doubling, Halving
from ganforge.layers.weights import normal_weights_

__all__ = [
    "MINIBATCH",
    "ClassHead",
    "Concatenation",
    "Condition",
    "ConditionalBatchNorm",
    "Doubling",
    "Dropout",
    "Entry",
    "FromPixel",
    "GroupSort",
    "Halving",
    "LabelEmbedding",
    "LabelNumbers",
    "Maxout",
    "Minibatch",
    "MinibatchDiscrimination",
    "MinibatchStdDev",
    "NoLabels",
    "OrthonormalLinear",
    "Output",
    "Projection",
    "Reader",
    "SelfAttention",
    "SharedBatchNorm",
    "SideBySide",
    "SpectralNorm",
    "ToPixel",
    "advance",
    "advance_spectral_norms",
    "called",
    "cheap_double_backward",
    "entry",
    "expect_labels",
    "fused",
    "label_loss",
    "layered",
    "mixes_samples",
    "normal_weights_",
    "reader",
    "refuse_labels",
]
