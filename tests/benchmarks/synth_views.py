"""How many pictures a second `voxcli synth views` makes of meshes, all other files of the layout included.

    python tests/benchmarks/synth_views.py [--faces 20000] [--meshes 6] [--layout r2n2] [--workers 1]

The meshes are coloured rings with bumps. A call on one of them is taken off a call on all, so that the start of the command does not count.
Pictures a second of processor time, of one core, and by the clock.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voxcli import files
from voxcli.scene import Mesh


class Cost(NamedTuple):
    """Of a call: seconds of processor time, seconds by the clock, pictures."""

    processor: float
    wall: float
    pictures: int


def ring(faces: int, seed: int) -> Mesh:
    """A closed surface of about so many triangles."""
    side = round((faces / 2) ** 0.5)
    rng = np.random.default_rng(seed)
    u, v = (x.ravel() * 2 * np.pi / side for x in np.mgrid[:side, :side])
    thick = 0.35 + 0.05 * np.sin(rng.integers(3, 9) * u) * np.cos(rng.integers(2, 7) * v)
    points = np.stack([(1 + thick * np.cos(v)) * np.cos(u), thick * np.sin(v), (1 + thick * np.cos(v)) * np.sin(u)], 1)
    i, j = (x.ravel() for x in np.mgrid[:side, :side])
    corner = [(i + a) % side * side + (j + b) % side for a, b in ((0, 0), (0, 1), (1, 1), (1, 0))]
    triangles = np.concatenate([np.stack([corner[k] for k in each], 1) for each in ((0, 1, 2), (0, 2, 3))])
    return Mesh(points, triangles, vertex_colors=(np.abs(points) % 1 * 255).astype(np.uint8))


def made(folder: Path, names: list[str], options: argparse.Namespace) -> Cost:
    """A data set of some meshes, in a new folder."""
    source, out = folder / f"of-{len(names)}", folder / f"views-{len(names)}"
    (source / "ring").mkdir(parents=True)
    for seed, name in enumerate(names):
        files.write(source / f"ring/{name}.ply", ring(options.faces, seed))
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    line = ["synth", "views", str(source), "-o", str(out), "--layout", options.layout, "--workers", str(options.workers), "-q"]
    subprocess.run([sys.executable, "-m", "voxcli", *line], check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(processor, wall, sum(1 for path in out.rglob("*.png") if path.stem.isdecimal()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=20_000)
    parser.add_argument("--meshes", type=int, default=6)
    parser.add_argument("--layout", default="r2n2")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        one, all_ = (made(Path(name), [f"m{k}" for k in range(count)], options) for count in (1, options.meshes))
    pictures = all_.pictures - one.pictures
    seconds = {"per_core_second": all_.processor - one.processor, "per_second": all_.wall - one.wall}
    if min(seconds.values()) <= 0:
        sys.exit("The machine is too busy: a call on one mesh took longer than one on all. Try again, or with more --meshes.")
    rates = {name: pictures / each for name, each in seconds.items()}
    facts = {"faces": len(ring(options.faces, 0).faces), "pictures": pictures, "layout": options.layout, "workers": options.workers}
    sys.stdout.write(json.dumps(facts | {key: round(value, 1) for key, value in rates.items()}) + "\n")


if __name__ == "__main__":
    main()
