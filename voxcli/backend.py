"""The one torch backend: device, dtype, seeds and memory, chosen once at the edge of a command.

Functions below that edge follow the device and dtype of what they are given.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from voxcli import log
from voxcli.errors import DeviceError, unknown_name

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}


def pick_device(name: str = "auto") -> torch.device:
    """`auto` takes CUDA where it works, else the CPU. A device that was asked for by name and is absent is an error."""
    device = _auto_device() if name == "auto" else _named_device(name)
    log.info_once(f"device: {device}")
    return device


def _auto_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _named_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise unknown_name("device", name, ["auto", "cpu", "cuda", "cuda:0"], DeviceError) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError(f"Device '{name}' is not there.", actual="a torch without a usable CUDA device", hint="Use --device cpu or auto.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"Device '{name}' is not there.", actual=f"{torch.cuda.device_count()} CUDA device(s)")
    if device.type not in ("cpu", "cuda"):
        raise unknown_name("device", name, ["auto", "cpu", "cuda", "cuda:0"], DeviceError)
    return device


@lru_cache(maxsize=1)
def cpu_has_bfloat16_units() -> bool:
    """True where the processor multiplies bfloat16 in hardware (AVX512-BF16 or AMX); elsewhere bfloat16 is emulated and slow.

    torch's own question whether oneDNN takes bfloat16 is another one: it is true of every processor with AVX-512.
    """
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe is not None and probe() for probe in probes)


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on CUDA and on processors with bfloat16 units, float32 elsewhere."""
    if name == "auto":
        fast = device.type == "cuda" or cpu_has_bfloat16_units()
        return torch.bfloat16 if fast else torch.float32
    if name not in DTYPES:
        raise unknown_name("dtype", name, ["auto", *DTYPES])
    return DTYPES[name]


@contextmanager
def on_meta_device() -> Iterator[None]:
    """Networks built within have shapes alone, for `load_state_dict(..., assign=True)`: drawing random numbers only to replace them takes
    seconds."""
    with torch.device("meta"), _NormalsUndrawn():
        yield


class _NormalsUndrawn(TorchFunctionMode):
    """Leaves tensors as they are where normal numbers are asked for. Of tensors without memory, torch would import its compiler for
    them, which takes a second."""

    def __torch_function__(
        self, func: Callable[..., Tensor], types: Sequence[type], args: Sequence[Tensor] = (), kwargs: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        kwargs = kwargs or {}
        if func in (Tensor.normal_, nn.init.normal_):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # mallopt's parameter numbers in glibc's malloc.h
_HUGE_PAGES, _HUGE_PAGE = 14, 2 << 20  # MADV_HUGEPAGE in Linux's mman.h, and the size of such a page
_HEAP = 4 << 30


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next allocation, in huge pages where the system has them; True where it keeps it.

    Volumes and networks over them free and ask for the same large tensors again and again. By default each of them is mapped and
    unmapped, and the kernel clears its pages at every first touch: measured, an elementwise operation on 67 MB took 25 ms instead of 5.
    In pages of 2 MB in place of 4 kB, a training step takes up to a quarter less time on a virtual machine.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        library = ctypes.CDLL(None)
        kept = all([library.mallopt(_MMAP_MAX, 0), library.mallopt(_TRIM_THRESHOLD, -1), library.mallopt(_TOP_PAD, 64 << 20)])
    except (OSError, AttributeError):  # another C library
        return False
    if kept:
        _ask_for_huge_pages()
    return kept


@lru_cache(maxsize=1)
def _ask_for_huge_pages() -> bool:
    """Make the heap grow by some gigabytes of addresses, without memory, for which huge pages are asked; False where limits forbid it."""
    import resource

    library = ctypes.CDLL(None)
    if any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA)):
        return False
    if _addresses_count_as_memory():
        return False
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.restype, library.free.argtypes = None, [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size = min(_HEAP, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
    start = library.malloc(size)
    if start is None:
        return False
    first = -(-start // _HUGE_PAGE) * _HUGE_PAGE
    failed: int = library.madvise(first, (start + size - first) // _HUGE_PAGE * _HUGE_PAGE, _HUGE_PAGES)
    library.free(start)  # stays part of the heap, as nothing is given back
    return not failed


def _addresses_count_as_memory() -> bool:
    """Whether the system promises no more addresses than it has memory, so that many processes must not ask for spare ones."""
    try:
        return Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "2"
    except OSError:
        return True


def where_true(mask: Tensor) -> Tensor:
    """Indices [N] of what is true in a mask [M], ascending: on a CPU, NumPy finds them several times faster than torch's nonzero.

    >>> where_true(torch.tensor([True, False, True])).tolist()
    [0, 2]
    """
    return torch.from_numpy(np.flatnonzero(mask.numpy())) if mask.device.type == "cpu" else mask.nonzero().ravel()


def stable_order(keys: Tensor) -> Tensor:
    """The order [N] in which integers from 0 on [N] ascend, equal ones as they come.

    On a CPU NumPy sorts them as plain numbers, their places in the lower bits where these fit: a fifth of an argsort's time.

    >>> stable_order(torch.tensor([5, 0, 5, 2])).tolist()
    [1, 3, 0, 2]
    """
    bits = len(keys).bit_length()
    if keys.device.type != "cpu" or not len(keys) or int(keys.max()).bit_length() + bits > 63:
        return keys.argsort(stable=True)
    packed = (keys << bits).bitwise_or_(torch.arange(len(keys)))
    packed.numpy().sort()
    return packed.bitwise_and_((1 << bits) - 1)
