"""Sizes of the feature maps: an image side is halved (rounding up) until the longer side is at most 4 px.

A 5x5 convolution of stride 2 and padding 2 maps n to ceil(n / 2); its transpose maps n to 2n - 1 + output_padding,
so that every size from 8 to 64 px is met exactly.
"""

from __future__ import annotations

BOTTOM_PX = 4
KERNEL = 5


def halving_chain(height: int, width: int) -> list[tuple[int, int]]:
    """Return (height, width) of each level, the image first: (28, 28), (14, 14), (7, 7), (4, 4)."""
    chain = [(height, width)]
    while max(chain[-1]) > BOTTOM_PX:
        chain.append(((chain[-1][0] + 1) // 2, (chain[-1][1] + 1) // 2))
    return chain


def output_padding(small: tuple[int, int], large: tuple[int, int]) -> tuple[int, int]:
    """Return what a transposed convolution of stride 2 must add to go from `small` to exactly `large`."""
    return (large[0] - (2 * small[0] - 1), large[1] - (2 * small[1] - 1))


def channels_per_level(levels: int, width: int) -> list[int]:
    """Return the channels of each level below the image, the smallest map last: width, 2 width, 4 width, 4 width.

    Small images have fewer levels; they keep the wide ones: one level has 4 width, two have 2 width and 4 width.
    """
    widths = [width, 2 * width, 4 * width, 4 * width]
    return widths[3 - levels : 3] if levels < 4 else widths
