"""How the recipes' figures look: one color for each strategy everywhere, means with their spread."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

INK, MUTED, GRID = "#1d2433", "#6b7280", "#e5e7eb"
COLORS = {
    "dowser": "#0f766e",
    "exhaustive": "#1d4ed8",
    "subset": "#d97706",
    "random": "#9ca3af",
    "plain": "#be185d",
}
LINES = {"pixels": "-", "autoencoder": "--", "critic": ":"}


def figure(columns: int = 1, *, width: float = 7.0, height: float = 4.2) -> tuple[Any, list[Any]]:
    """Return a figure and its axes, without touching any global state of matplotlib."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width * columns, height), layout="constrained", facecolor="white")
    axes = list(made.subplots(1, columns, squeeze=False)[0])
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(MUTED)
        ax.tick_params(colors=MUTED, labelsize=9)
        ax.grid(color=GRID, linewidth=0.8)
        ax.set_axisbelow(True)
    return made, axes


def label_axes(ax: Any, *, x: str, y: str, title: str = "") -> None:
    """Name the axes."""
    ax.set_xlabel(x, color=INK)
    ax.set_ylabel(y, color=INK)
    if title:
        ax.set_title(title, color=INK, fontsize=11, loc="left")


def curve(
    ax: Any,
    x: Sequence[float],
    runs: NDArray[Any],
    *,
    name: str,
    color: str,
    line: str = "-",
    band: bool = True,
) -> None:
    """Draw the mean of runs [S, P] over x [P], with a band of one standard deviation unless told otherwise."""
    mean = runs.mean(0)
    ax.plot(x, mean, line, color=color, label=name, linewidth=2, marker="o", markersize=3)
    if band and len(runs) > 1:
        spread = runs.std(0, ddof=1)
        ax.fill_between(x, mean - spread, mean + spread, color=color, alpha=0.13, linewidth=0)


def stacked_bars(ax: Any, parts: Mapping[str, Mapping[str, float]]) -> None:
    """Draw a horizontal bar for each row, {row: {part: length}}, its parts one after the other."""
    names = list(dict.fromkeys(part for row in parts.values() for part in row))
    shades = [
        "#0f766e",
        "#1d4ed8",
        "#d97706",
        "#be185d",
        "#7c3aed",
        "#0891b2",
        "#65a30d",
        "#9ca3af",
        "#475569",
        "#a16207",
        "#f472b6",
    ]
    rows = list(parts)
    left = np.zeros(len(rows))
    for position, name in enumerate(names):
        lengths = np.array([parts[row].get(name, 0.0) for row in rows])
        ax.barh(rows, lengths, left=left, label=name, color=shades[position % len(shades)], height=0.62)
        left += lengths
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.legend(
        frameon=False, fontsize=8, ncols=4, columnspacing=1.2, loc="lower left", bbox_to_anchor=(-0.3, 1)
    )


def save(made: Any, path: Path) -> None:
    """Write a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path, dpi=130)


def to_data_uri(made: Any) -> str:
    """Return a figure as a PNG inside a data: address, for pages that stand alone."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", dpi=170)
    return png_data_uri(buffer.getvalue())


def png_data_uri(png: bytes) -> str:
    """Return PNG bytes as a data: address."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def image_data_uri(image: NDArray[np.uint8]) -> str:
    """Return one gray image [H, W] or RGB image [H, W, 3] as a data: address."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return png_data_uri(buffer.getvalue())
