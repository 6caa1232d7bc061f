"""Which precision `--dtype auto` takes on which processor; what loading a network leaves out."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from voxcli import backend
from voxcli.errors import UsageError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def processor(monkeypatch):
    """Make torch tell of another processor."""

    def become(**units):
        for name in ("avx512_bf16", "amx_tile"):
            monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda name=name: units.get(name, False), raising=False)
        backend.cpu_has_bfloat16_units.cache_clear()

    yield become
    monkeypatch.undo()
    backend.cpu_has_bfloat16_units.cache_clear()


@pytest.mark.parametrize(
    ("units", "precision"),
    [({}, torch.float32), ({"avx512_bf16": True}, torch.bfloat16), ({"avx512_bf16": True, "amx_tile": True}, torch.bfloat16)],
    ids=["AVX2 or AVX-512 alone", "AVX512-BF16", "AMX"],
)
def test_auto_is_bfloat16_where_the_hardware_multiplies_it(processor, units, precision):
    processor(**units)
    assert backend.pick_dtype("auto", CPU) == precision
    assert backend.pick_dtype("auto", CUDA) == torch.bfloat16
    assert backend.pick_dtype("float32", CPU) == backend.pick_dtype("float32", CUDA) == torch.float32


def test_a_torch_that_cannot_say_gets_float32(processor, monkeypatch):
    processor()
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.delattr(torch.cpu, f"_is_{name}_supported")
    assert backend.pick_dtype("auto", CPU) == torch.float32


def test_unknown_precisions_are_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="Unknown dtype 'float3'"):
        backend.pick_dtype("float3", CPU)


def test_networks_are_loaded_without_torchs_compiler():
    code = (
        "import sys; from voxcli.models.registry import load_network; from voxcli.models.weights import SHIPPED, model_of;"
        " loaded = [load_network(model_of(path), path) for path in SHIPPED.glob('*.safetensors')];"
        " print(len(loaded), 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, compiles = done.stdout.split()
    assert int(count) >= 7 and compiles == "False"


HEAP = """
import resource, sys, torch
from pathlib import Path
from voxcli import backend
if "limit" in sys.argv:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 36, 1 << 36))
if "strict" in sys.argv:
    backend._addresses_count_as_memory = lambda: True
kept, before = backend.keep_freed_memory(), backend._ask_for_huge_pages()
kept = kept and backend.keep_freed_memory()
volume = torch.ones(1 << 25)
huge = [line.split()[1] for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if line.startswith("AnonHugePages")]
print(kept, before, int(huge[0]))
"""


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists(), reason="Linux with huge pages")
@pytest.mark.parametrize("forbidden", ["", "limit", "strict"])
def test_large_tensors_lie_in_huge_pages_where_no_limit_forbids_it(forbidden):
    if "[never]" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text():
        pytest.skip("this system has none")
    if backend._addresses_count_as_memory():
        pytest.skip("this system promises no spare addresses")
    done = subprocess.run([sys.executable, "-c", HEAP, forbidden], capture_output=True, text=True, check=True)
    kept, asked, kilobytes = done.stdout.split()
    if kept != "True":
        pytest.skip("another C library")
    assert asked == str(not forbidden)
    if not forbidden:
        assert int(kilobytes) > 0  # all of it, but where memory is scattered
