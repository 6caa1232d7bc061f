"""Animations: GIF, and PNG with several frames (APNG, .apng). Frames follow each other without end. Read as a picture: the first frame.

A folder of pictures is not searched for them: most are results. Named by themselves, or by a glob that ends in .gif, they are read.

`meta` is the comment of a GIF, and the text chunk of an APNG that pictures have, too.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from voxcli.files.images import png_text, read_image
from voxcli.files.keyed import meta_text
from voxcli.files.registry import Format, Options, register
from voxcli.scene import Animation

if TYPE_CHECKING:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo


def write_gif(animation: Animation, options: Options) -> bytes:
    """256 colours, the same in all frames, so that nothing flickers; frames last whole hundredths of a second."""
    from PIL import Image

    height, width = animation.frames.shape[1:3]
    shared = Image.fromarray(animation.frames.reshape(-1, width, 3)).quantize(256, method=Image.Quantize.MEDIANCUT)
    frames = [Image.fromarray(frame).quantize(palette=shared, dither=Image.Dither.NONE) for frame in animation.frames]
    about = {"comment": meta_text(animation.meta).encode()} if animation.meta else {}
    return _saved(frames, "GIF", animation, disposal=1, optimize=False, **about)


def write_apng(animation: Animation, options: Options) -> bytes:
    """Every colour as it is; programs that do not know APNG show the first frame."""
    from PIL import Image

    about = {"pnginfo": png_text({"kind": "animation", "meta": animation.meta})} if animation.meta else {}
    return _saved([Image.fromarray(frame) for frame in animation.frames], "PNG", animation, **about)


def _saved(frames: list[Image.Image], format: str, animation: Animation, **settings: int | bytes | PngInfo) -> bytes:
    buffer = io.BytesIO()
    duration = max(1, round(1000 / animation.frames_per_second))
    frames[0].save(buffer, format, save_all=True, append_images=frames[1:], duration=duration, loop=0, **settings)
    return buffer.getvalue()


register(Format("GIF", (".gif",), "animation; image, its first frame (read)", writers={Animation: write_gif},
                reads=("image",), reader=read_image, searched=()))  # fmt: skip
register(Format("APNG", (".apng",), "animation; image, its first frame (read)", writers={Animation: write_apng},
                reads=("image",), reader=read_image, searched=()))  # fmt: skip
