"""HEIC and HEIF: pictures as telephones take them, read through pillow-heif, which is an extra (`pip install 'voxcli[heic]'`)."""

from __future__ import annotations

from importlib.util import find_spec

from voxcli.errors import UsageError
from voxcli.files.images import read_image
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import DepthMap, Picture

EXTENSIONS = (".heic", ".heif")


def read_heic(source: Source, kind: str | None, options: Options) -> Picture | DepthMap:
    """The first picture, as `read_image` reads others. Raises UsageError with the line that installs pillow-heif, where it is absent."""
    enable(source.name)
    return read_image(source, kind, options)


def enable(name: str) -> None:
    """Let Pillow open such files. name: the file, for the error."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise UsageError(f"{name} is a HEIC picture, which voxcli reads through pillow-heif.", hint="pip install 'voxcli[heic]'") from error
    register_heif_opener()


register(
    Format(
        "HEIC", EXTENSIONS, "image (the extra heic)", reads=("image",), reader=read_heic,
        searched=EXTENSIONS if find_spec("pillow_heif") is not None else (),     # a folder's other pictures do without it
    )
)  # fmt: skip
