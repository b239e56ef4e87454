"""Deep features of somebody's classifier: what some of its layers give, pooled to vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer.errors import TrainerError

DEFAULT_LAYERS = 4
_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.ELU)


def default_layers(classifier: nn.Module) -> tuple[str, ...]:
    """Return the names of the last four activations.

    Raises:
        TrainerError: If there is none.
    """
    names = [name for name, part in classifier.named_modules() if isinstance(part, _ACTIVATIONS)]
    if not names:
        raise TrainerError(
            "the classifier has no activation module to take deep features from; name its layers"
        )
    return tuple(names[-DEFAULT_LAYERS:])


class DeepFeatures(nn.Module):
    """A classifier that also gives what layers of it say: x -> (logits, embedding or None, features).

    Feature maps [B, C, H, W] are averaged over their places (VaB-AL section 3.4), so that every feature is [B, F_l].

    Args:
        classifier: x -> logits [B, C], or (logits, embedding).
        layers: Names of submodules; None takes the last four activations.

    Raises:
        TrainerError: If there is no such layer.
    """

    def __init__(self, classifier: nn.Module, layers: Sequence[str] | None = None) -> None:
        super().__init__()
        self.classifier = classifier
        self.layers = tuple(layers) if layers is not None else default_layers(classifier)
        known = dict(classifier.named_modules())
        if missing := [name for name in self.layers if name not in known]:
            raise TrainerError(
                f"the classifier has no layer {missing[0]}; it has {', '.join(filter(None, known))}"
            )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """Return logits [B, C], the embedding [B, E] where there is one, and the features of each layer [B, F_l]."""
        kept: dict[str, Tensor] = {}

        def keep(name: str) -> torch.utils.hooks.RemovableHandle:
            def hook(module: nn.Module, given: object, output: Tensor) -> None:
                kept[name] = output.mean(dim=(2, 3)) if output.dim() == 4 else output.flatten(1)

            return self.classifier.get_submodule(name).register_forward_hook(hook)

        handles = [keep(name) for name in self.layers]
        try:
            given = self.classifier(x)
        finally:
            for handle in handles:
                handle.remove()
        logits, embedding = given if isinstance(given, tuple) else (given, None)
        return logits, embedding, [kept[name] for name in self.layers]


@torch.no_grad()
def in_batches(module: nn.Module, x: Tensor, size: int = 512) -> tuple[Tensor, list[Tensor]]:
    """Return logits [N, C] and each layer's features [N, F_l] of x [N, ...], in eval mode."""
    module.eval()
    parts = [module(some) for some in torch.split(x, size)]
    logits = torch.cat([part[0] for part in parts])
    return logits, [torch.cat([part[2][i] for part in parts]) for i in range(len(parts[0][2]))]
