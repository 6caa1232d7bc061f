"""Sizes that all of Pix2Vox agrees on, apart from the network, so that a file or a flag can be checked without loading torch."""

IMAGE, CELLS = 224, 32
"""Pixels of an image, and cells of the volume, along a side."""
