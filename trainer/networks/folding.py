"""Copies of trained networks that are fit for export: frozen, and with batch norms folded into the layers before them.

Exported graphs then pay nothing for batch norms, forward or backward.
"""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def frozen(network: nn.Module) -> nn.Module:
    """Return a copy in eval mode on the CPU whose weights take no gradient."""
    return copy.deepcopy(network).to("cpu").eval().requires_grad_(False)


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
