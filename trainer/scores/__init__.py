"""Scores that a network of one's own computes, trained every round and exported with the classifier as one graph.

`export_vab_al` and `export_vaal` give what `client.Client.upload_classifier` takes; on the server the acquisition
function "own_score" reads it.
"""

from trainer.scores.m2_vaal import M2VaalConfig, train_m2_vaal
from trainer.scores.vaal import VaalConfig, export_vaal, train_vaal
from trainer.scores.vab_al import VabAlConfig, export_vab_al, train_vab_al

__all__ = [
    "M2VaalConfig",
    "VaalConfig",
    "VabAlConfig",
    "export_vaal",
    "export_vab_al",
    "train_m2_vaal",
    "train_vaal",
    "train_vab_al",
]
