"""Folds batch norms into the layers before them: exported graphs pay nothing for them, forward or backward."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Return a copy in eval mode in which every Linear, Conv2d or ConvTranspose2d has taken in the norm after it.

    Only `nn.Sequential` is looked into (also nested); other modules are kept as they are.
    """
    if not isinstance(module, nn.Sequential):
        return copy.deepcopy(module).eval()
    folded: list[nn.Module] = []
    for layer in module:
        last = folded[-1] if folded else None
        if isinstance(layer, nn.BatchNorm1d) and isinstance(last, nn.Linear):
            folded[-1] = fuse_linear_bn_eval(last, layer)
        elif isinstance(layer, nn.BatchNorm2d) and isinstance(last, nn.ConvTranspose2d):
            folded[-1] = fuse_conv_bn_eval(last, layer, transpose=True)
        elif isinstance(layer, nn.BatchNorm2d) and isinstance(last, nn.Conv2d):
            folded[-1] = fuse_conv_bn_eval(last, layer)
        else:
            folded.append(fold_batch_norms(layer).eval())
    return nn.Sequential(*folded).eval()
