"""What machine this is, as far as it bears on the numbers."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import platform
import struct


def describe() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    return value.strip()
    except OSError:
        pass
    return platform.machine()


def pagemap_scan() -> bool:
    """Whether the kernel has the PAGEMAP_SCAN ioctl (Linux 6.7): Wasmtime's pool resets memory much faster with it."""
    # struct pm_scan_arg of linux/fs.h is twelve 64-bit numbers, its own size first, then flags, start and end.
    size = 12 * 8
    pagemap_scan_ioctl = 3 << 30 | size << 16 | ord("f") << 8 | 16
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        start = ctypes.addressof(ctypes.c_char.from_buffer(page))
        argument = bytearray(struct.pack("12Q", size, 0, start, start + mmap.PAGESIZE, *[0] * 8))
        try:
            with open("/proc/self/pagemap", "rb") as pagemap:
                fcntl.ioctl(pagemap, pagemap_scan_ioctl, argument)
        except OSError:
            return False
    return True
