"""Slow, obvious counterparts of voxcli.ops.plain_background and of the frames of voxcli.ops.cutting."""

import numpy as np

from voxcli.ops.plain_background import EVEN, FAR, HOLE, LEAST, MOST, NEAR


def plain_alpha(rgb):
    """Pixel by pixel: fill the background from the border, and every other large enough place of its colour; a ramp at its rims."""
    height, width = rgb.shape[:2]
    border = [rgb[y, x] for y in range(height) for x in range(width) if y in (0, height - 1) or x in (0, width - 1)]
    border += [rgb[y, x] for y in (0, height - 1) for x in (0, width - 1)]  # corners count twice, as ends of a row and of a column
    spread = [np.percentile([pixel[c] for pixel in border], 98) - np.percentile([pixel[c] for pixel in border], 2) for c in range(3)]
    if max(spread) > EVEN:
        return None
    colour = [float(np.median([pixel[c] for pixel in border])) for c in range(3)]
    away = [[max(abs(float(rgb[y, x, c]) - colour[c]) for c in range(3)) for x in range(width)] for y in range(height)]
    behind, seen = set(), set()
    for y in range(height):
        for x in range(width):
            if (y, x) in seen or away[y][x] > (NEAR + FAR) / 2:
                continue
            place, edge = [(y, x)], False
            seen.add((y, x))
            for b, a in place:  # grows as it is gone through
                edge |= b in (0, height - 1) or a in (0, width - 1)
                for d, c in ((b - 1, a), (b + 1, a), (b, a - 1), (b, a + 1)):
                    if 0 <= d < height and 0 <= c < width and (d, c) not in seen and away[d][c] <= (NEAR + FAR) / 2:
                        seen.add((d, c))
                        place.append((d, c))
            if edge or len(place) > HOLE * height * width:
                behind.update(place)
    alpha = np.full((height, width), 255, np.uint8)
    for y in range(height):
        for x in range(width):
            if any((y + b, x + a) in behind for b in range(-2, 3) for a in range(-2, 3)):
                alpha[y, x] = int(255 * min(max((away[y][x] - NEAR) / (FAR - NEAR), 0), 1) + 0.5)
    return alpha if LEAST <= (alpha > 127).mean() <= MOST else None
