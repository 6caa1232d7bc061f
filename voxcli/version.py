"""The version, in one place: read by the build, by --version and by every file's provenance."""

__version__ = "0.1.0"
