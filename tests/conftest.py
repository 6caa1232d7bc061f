"""Shared by all tests: the references on the path, local data that may be absent, small meshes with known volumes."""

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell that starts us in the background has Ctrl-C ignored, and what we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of local meshes and assets; a test that asks for it is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip("local test data is absent")
    return DATA
