"""Export torch modules to the graphs of the contract; the only part of `graphs` that imports torch."""

from graphs.export.dropout import FixedMaskDropout, fix_dropout
from graphs.export.ensemble import Ensemble
from graphs.export.pullback import export_forward, export_pullback
from graphs.export.refresh import refresh

__all__ = ["Ensemble", "FixedMaskDropout", "export_forward", "export_pullback", "fix_dropout", "refresh"]
