"""voxcli: images to labelled 3D, and an honest score. Importing this package imports neither torch nor numpy."""

from voxcli.version import __version__

__all__ = ["__version__"]
