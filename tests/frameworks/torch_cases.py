"""The modules of `torch.nn`: with what options each is tested, and which are not."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

LOSS = "compares outputs with targets while a model is trained"
LAZY = "becomes the layer of the same name without Lazy when it is first called"
CONTAINER = "holds other modules and computes nothing"
ABSTRACT = "a base for modules of one's own"
EXCLUDED = {
    "AdaptiveLogSoftmaxWithLoss": LOSS,
    "Container": CONTAINER,
    "ModuleDict": CONTAINER,
    "ModuleList": CONTAINER,
    "ParameterDict": CONTAINER,
    "ParameterList": CONTAINER,
    "DataParallel": "spreads a batch over several devices",
    "Module": ABSTRACT,
    "RNNBase": ABSTRACT,
    "RNNCellBase": ABSTRACT,
    "FractionalMaxPool2d": "draws random windows in evaluation too",
    "FractionalMaxPool3d": "draws random windows in evaluation too",
    "SyncBatchNorm": "for training on several devices; convert the model by BatchNorm",
}
# What torch.export does not take, so that the exporter of traces writes it.
TRACED = {
    "GRU(any length)",
    "LSTM(any length)",
    "RNN(any length)",
}
# What no exporter of torch writes as it is: one calls a function without a rule, one gets projections wrong.
REFUSED = {"CrossMapLRN2d(size=3)", "LSTM(proj_size=2)"}
# A leading dim of examples that is none of the sizes that are compared.
BATCH = 2
randn = functools.partial(torch.randn, generator=torch.Generator().manual_seed(0))

Shape = tuple[int, ...]


def public() -> dict[str, type[nn.Module]]:
    """Every module that `torch.nn` has a name for."""
    named = {name: value for name, value in vars(nn).items() if not name.startswith("_")}
    return {name: v for name, v in sorted(named.items()) if inspect.isclass(v) and issubclass(v, nn.Module)}


def excluded() -> dict[str, str]:
    """Modules without a case, and why."""
    losses = {name: LOSS for name, cls in public().items() if cls.__module__ == nn.L1Loss.__module__}
    lazy = {name: LAZY for name, cls in public().items() if issubclass(cls, nn.modules.lazy.LazyModuleMixin)}
    return {name: why for name, why in (losses | lazy | EXCLUDED).items() if name in public()}


@dataclass(frozen=True, eq=False)
class TorchCase:
    """A module with some choice of its options.

    Attributes
    ----------
    layer : str
        Its name in `torch.nn`.
    options : str
        What is special about it; empty for the defaults.
    make : callable
        Makes the module.
    inputs : tuple of torch.Tensor
        What it can be called with.
    shapes : tuple of tuple of int or str
        Their shapes; names are dims that may change.
    """

    layer: str
    options: str
    make: Callable[[], nn.Module]
    inputs: tuple[torch.Tensor, ...]
    shapes: tuple[tuple[int | str, ...], ...]

    def __str__(self) -> str:
        return f"{self.layer}({self.options})"

    def module(self) -> nn.Module:
        """The module, with weights and statistics other than the zeros and ones that hide faults."""
        torch.manual_seed(1)
        module = self.make()
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.is_floating_point():
                    tensor += 0.1 + 0.2 * torch.rand(tensor.shape)
        return module


@functools.cache
def cases() -> list[TorchCase]:
    return [*map(_plain, PLAIN), *map(_named, NAMED)]


def _plain(row: tuple[Any, ...]) -> TorchCase:
    """A module that is called with one tensor for each shape, behind a dim for the batch."""
    name, arguments, *shapes = row
    text = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    inputs = tuple(randn(BATCH, *shape) for shape in shapes)
    dynamic = tuple(("batch", *shape) for shape in shapes)
    return TorchCase(name, text, lambda: getattr(nn, name)(**arguments), inputs, dynamic)


def _named(row: tuple[Any, ...]) -> TorchCase:
    name, text, make, inputs, *shapes = row
    default = tuple(("batch", *tensor.shape[1:]) for tensor in inputs)
    return TorchCase(name, text, make, inputs, tuple(shapes) or default)


class Unpooled(nn.Module):
    """What is pooled, spread again by the indices of the largest."""

    def __init__(self, pool: nn.Module, unpool: nn.Module) -> None:
        super().__init__()
        self.pool, self.unpool = pool, unpool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.unpool(*self.pool(x))


IMAGE, SIGNAL, VOLUME = (4, 8, 7), (4, 9), (4, 5, 6, 7)
ACTIVATIONS = [
    "CELU",
    "ELU",
    "GELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "RReLU",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]
DROPOUTS = {
    "AlphaDropout": SIGNAL,
    "Dropout": SIGNAL,
    "Dropout1d": SIGNAL,
    "Dropout2d": IMAGE,
    "Dropout3d": VOLUME,
    "FeatureAlphaDropout": IMAGE,
}
PADS = [
    (f"{kind}Pad{rank}d", {"padding": padding, **({"value": 1.5} if kind == "Constant" else {})}, shape)
    for kind in ("Circular", "Constant", "Reflection", "Replication", "Zero")
    for rank, padding, shape in (
        (1, (2, 3), SIGNAL),
        (2, (1, 2, 3, 0), IMAGE),
        (3, (1, 2, 0, 1, 3, 2), VOLUME),
    )
]
PLAIN: list[tuple[Any, ...]] = [
    *((name, {}, (5, 3)) for name in ACTIVATIONS),
    *((name, {}, shape) for name, shape in DROPOUTS.items()),
    *PADS,
    ("CELU", {"alpha": 0.5}, (5,)),
    ("ELU", {"alpha": 0.5}, (5,)),
    ("GELU", {"approximate": "tanh"}, (5,)),
    ("GLU", {"dim": 1}, (6, 3)),
    ("Hardshrink", {"lambd": 0.2}, (5,)),
    ("Hardtanh", {"min_val": -0.5, "max_val": 0.25}, (5,)),
    ("LeakyReLU", {"negative_slope": 0.3}, (5,)),
    ("LogSoftmax", {"dim": 1}, (5, 3)),
    ("PReLU", {"num_parameters": 4}, SIGNAL),
    ("Softmax", {"dim": -1}, (5, 3)),
    ("Softmax2d", {}, IMAGE),
    ("Softmin", {"dim": 1}, (5, 3)),
    ("Softplus", {"beta": 2, "threshold": 1}, (5,)),
    ("Softshrink", {"lambd": 0.2}, (5,)),
    ("Threshold", {"threshold": 0.1, "value": 20}, (5,)),
    ("AdaptiveAvgPool1d", {"output_size": 3}, SIGNAL),
    ("AdaptiveAvgPool1d", {"output_size": 4}, SIGNAL),
    ("AdaptiveAvgPool2d", {"output_size": (1, 1)}, IMAGE),
    ("AdaptiveAvgPool2d", {"output_size": (3, 5)}, IMAGE),
    ("AdaptiveAvgPool3d", {"output_size": 1}, VOLUME),
    ("AdaptiveAvgPool3d", {"output_size": (5, 3, 1)}, VOLUME),
    ("AdaptiveMaxPool1d", {"output_size": 3}, SIGNAL),
    ("AdaptiveMaxPool2d", {"output_size": (4, 7)}, IMAGE),
    ("AdaptiveMaxPool3d", {"output_size": (1, 1, 1)}, VOLUME),
    ("AvgPool1d", {"kernel_size": 3, "padding": 1}, SIGNAL),
    ("AvgPool2d", {"kernel_size": (3, 2), "stride": 2, "ceil_mode": True}, IMAGE),
    ("AvgPool2d", {"kernel_size": 3, "padding": 1, "count_include_pad": False}, IMAGE),
    ("AvgPool3d", {"kernel_size": 2, "padding": 1}, VOLUME),
    ("AvgPool3d", {"kernel_size": 2, "divisor_override": 3}, VOLUME),
    ("LPPool1d", {"norm_type": 2, "kernel_size": 3}, SIGNAL),
    ("LPPool2d", {"norm_type": 2, "kernel_size": (3, 2), "stride": 2}, IMAGE),
    ("LPPool3d", {"norm_type": 2, "kernel_size": 2}, VOLUME),
    ("MaxPool1d", {"kernel_size": 3, "padding": 1, "dilation": 2}, SIGNAL),
    ("MaxPool2d", {"kernel_size": 3, "stride": 2, "ceil_mode": True}, IMAGE),
    ("MaxPool2d", {"kernel_size": 2, "return_indices": True}, IMAGE),
    ("MaxPool3d", {"kernel_size": 2, "padding": 1}, VOLUME),
    ("BatchNorm1d", {"num_features": 4}, SIGNAL),
    ("BatchNorm1d", {"num_features": 5, "affine": False}, (5,)),
    ("BatchNorm2d", {"num_features": 4}, IMAGE),
    ("BatchNorm2d", {"num_features": 4, "track_running_stats": False}, IMAGE),
    ("BatchNorm3d", {"num_features": 4}, VOLUME),
    ("CrossMapLRN2d", {"size": 3}, IMAGE),
    ("GroupNorm", {"num_groups": 2, "num_channels": 4}, IMAGE),
    ("InstanceNorm1d", {"num_features": 4}, SIGNAL),
    ("InstanceNorm2d", {"num_features": 4, "affine": True}, IMAGE),
    ("InstanceNorm3d", {"num_features": 4, "track_running_stats": True}, VOLUME),
    ("LayerNorm", {"normalized_shape": (8, 7)}, IMAGE),
    ("LayerNorm", {"normalized_shape": 7, "elementwise_affine": False, "eps": 1e-9}, IMAGE),
    ("LocalResponseNorm", {"size": 3}, IMAGE),
    ("RMSNorm", {"normalized_shape": 7}, IMAGE),
    ("Bilinear", {"in1_features": 4, "in2_features": 3, "out_features": 5}, (4,), (3,)),
    ("CosineSimilarity", {"dim": 1}, SIGNAL, SIGNAL),
    ("PairwiseDistance", {"p": 2.0}, (5,), (5,)),
    ("PairwiseDistance", {"p": 1.0, "keepdim": True}, (5,), (5,)),
    ("Identity", {}, SIGNAL),
    ("Linear", {"in_features": 9, "out_features": 5}, SIGNAL),
    ("Linear", {"in_features": 9, "out_features": 5, "bias": False}, (9,)),
    ("Conv1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3}, SIGNAL),
    ("Conv1d", {"in_channels": 4, "out_channels": 4, "kernel_size": 3, "groups": 4, "dilation": 2}, SIGNAL),
    ("Conv1d", {"in_channels": 4, "out_channels": 2, "kernel_size": 4, "padding": "same"}, SIGNAL),
    ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": (3, 2), "stride": 2}, IMAGE),
    (
        "Conv2d",
        {"in_channels": 4, "out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": "circular"},
        IMAGE,
    ),
    (
        "Conv2d",
        {"in_channels": 4, "out_channels": 4, "kernel_size": 3, "padding": 2, "padding_mode": "reflect"},
        IMAGE,
    ),
    ("Conv3d", {"in_channels": 4, "out_channels": 2, "kernel_size": 2, "groups": 2}, VOLUME),
    ("ConvTranspose1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2}, SIGNAL),
    (
        "ConvTranspose2d",
        {
            "in_channels": 4,
            "out_channels": 4,
            "kernel_size": 3,
            "stride": 2,
            "padding": 1,
            "output_padding": 1,
            "groups": 2,
        },
        IMAGE,
    ),
    ("ConvTranspose3d", {"in_channels": 4, "out_channels": 2, "kernel_size": 2, "dilation": 2}, VOLUME),
    ("ChannelShuffle", {"groups": 2}, IMAGE),
    ("Flatten", {}, IMAGE),
    ("Flatten", {"start_dim": 2}, IMAGE),
    ("Unflatten", {"dim": 1, "unflattened_size": (2, 2)}, SIGNAL),
    ("Fold", {"output_size": (4, 5), "kernel_size": 2}, (12, 12)),
    ("Unfold", {"kernel_size": (2, 3), "padding": 1, "stride": 2}, IMAGE),
    ("PixelShuffle", {"upscale_factor": 2}, IMAGE),
    ("PixelUnshuffle", {"downscale_factor": 2}, (3, 6, 4)),
    ("Upsample", {"scale_factor": 2}, SIGNAL),
    ("Upsample", {"size": (5, 9), "mode": "bilinear"}, IMAGE),
    ("Upsample", {"scale_factor": 2, "mode": "bicubic", "align_corners": True}, IMAGE),
    ("Upsample", {"scale_factor": 2, "mode": "trilinear"}, VOLUME),
    ("UpsamplingBilinear2d", {"scale_factor": 2}, IMAGE),
    ("UpsamplingNearest2d", {"size": (9, 11)}, IMAGE),
    ("GRUCell", {"input_size": 4, "hidden_size": 3}, (4,), (3,)),
    ("LSTMCell", {"input_size": 4, "hidden_size": 3}, (4,)),
    ("RNNCell", {"input_size": 4, "hidden_size": 3, "nonlinearity": "relu"}, (4,), (3,)),
    ("RNN", {"input_size": 4, "hidden_size": 3, "batch_first": True}, (5, 4)),
    ("RNN", {"input_size": 4, "hidden_size": 3, "nonlinearity": "relu", "batch_first": True}, (5, 4)),
    ("GRU", {"input_size": 4, "hidden_size": 3, "batch_first": True, "bidirectional": True}, (5, 4)),
    ("GRU", {"input_size": 4, "hidden_size": 3, "batch_first": True, "num_layers": 2, "bias": False}, (5, 4)),
    ("LSTM", {"input_size": 4, "hidden_size": 3, "batch_first": True, "num_layers": 2}, (5, 4)),
    ("LSTM", {"input_size": 4, "hidden_size": 3, "batch_first": True, "bidirectional": True}, (5, 4)),
    ("Transformer", {"d_model": 8, "nhead": 2, "num_encoder_layers": 1, "num_decoder_layers": 1,
                     "dim_feedforward": 12, "batch_first": True}, (5, 8), (3, 8)),
    ("TransformerDecoderLayer", {"d_model": 8, "nhead": 2, "dim_feedforward": 12, "batch_first": True},
     (5, 8), (3, 8)),
    ("TransformerEncoderLayer", {"d_model": 8, "nhead": 2, "dim_feedforward": 12, "batch_first": True,
                                 "norm_first": True, "activation": "gelu"}, (5, 8)),
]  # fmt: skip


def _encoder_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)


def _decoder_layer() -> nn.Module:
    return nn.TransformerDecoderLayer(8, 2, 12, batch_first=True)


def _unpooled(rank: int) -> nn.Module:
    pool = getattr(nn, f"MaxPool{rank}d")(2, return_indices=True)
    return Unpooled(pool, getattr(nn, f"MaxUnpool{rank}d")(2))


_TOKENS = torch.tensor([[0, 1, 2], [2, 0, 1]])
_SEQUENCE = ("length", "batch", 8)
_IMAGE = ("batch", 4, "height", "width")
# Name, what is special, the module, its inputs, and shapes if more than the batch may change.
NAMED: list[tuple[Any, ...]] = [
    ("Embedding", "", lambda: nn.Embedding(5, 4), (_TOKENS,)),
    ("Embedding", "padding_idx=0", lambda: nn.Embedding(5, 4, padding_idx=0), (_TOKENS,)),
    *(
        ("EmbeddingBag", f"mode={mode!r}", functools.partial(nn.EmbeddingBag, 5, 4, mode=mode), (_TOKENS,))
        for mode in ("sum", "mean", "max")
    ),
    ("Sequential", "Linear, ReLU", lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU()), (randn(2, 4),)),
    *(
        (f"MaxUnpool{rank}d", "behind a MaxPool", functools.partial(_unpooled, rank), (randn(2, *shape),))
        for rank, shape in ((1, (4, 8)), (2, (4, 8, 6)), (3, (4, 4, 6, 2)))
    ),
    (
        "TransformerEncoder",
        "any length, a norm",
        lambda: nn.TransformerEncoder(_encoder_layer(), 1, norm=nn.LayerNorm(8)),
        (randn(2, 5, 8),),
        ("batch", "length", 8),
    ),
    (
        "TransformerDecoder",
        "one layer, a norm",
        lambda: nn.TransformerDecoder(_decoder_layer(), 1, norm=nn.LayerNorm(8)),
        (randn(2, 5, 8), randn(2, 3, 8)),
    ),
    (
        "TransformerEncoderLayer",
        "any length",
        _encoder_layer,
        (randn(2, 5, 8),),
        ("batch", "length", 8),
    ),
    (
        "MultiheadAttention",
        "any length",
        lambda: nn.MultiheadAttention(8, 2),
        (randn(5, 2, 8),) * 3,
        *(_SEQUENCE,) * 3,
    ),
    ("LSTM", "proj_size=2", lambda: nn.LSTM(4, 3, proj_size=2, batch_first=True), (randn(2, 5, 4),)),
    ("LSTM", "any length", lambda: nn.LSTM(8, 3), (randn(5, 2, 8),), _SEQUENCE),
    ("GRU", "any length", lambda: nn.GRU(8, 3), (randn(5, 2, 8),), _SEQUENCE),
    ("RNN", "any length", lambda: nn.RNN(8, 3), (randn(5, 2, 8),), _SEQUENCE),
    ("Conv2d", "any height and width", lambda: nn.Conv2d(4, 6, 3, padding=1), (randn(2, 4, 8, 7),), _IMAGE),
    (
        "Upsample",
        "any height and width",
        lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
        (randn(2, 4, 8, 7),),
        _IMAGE,
    ),
    (
        "AdaptiveAvgPool2d",
        "any height and width",
        lambda: nn.AdaptiveAvgPool2d(1),
        (randn(2, 4, 8, 7),),
        _IMAGE,
    ),
    ("Linear", "float64", lambda: nn.Linear(4, 3).double(), (randn(2, 4, dtype=torch.float64),)),
]
