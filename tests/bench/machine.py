"""A description of this machine for the benchmark pages, and its load before a run."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import platform
import struct
import time

# Seconds for which the load is observed before a run.
OBSERVED_SECONDS = 2.0
# Share of busy CPU time above which figures are not reliable.
IDLE_LIMIT = 0.05


def describe() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def load() -> str:
    """Observes this machine for two seconds, and returns a sentence about its load. Call it before a run."""
    idle_before, total_before = cpu_times()
    time.sleep(OBSERVED_SECONDS)
    idle, total = cpu_times()
    busy = 1 - (idle - idle_before) / max(1, total - total_before)
    average, _, _ = os.getloadavg()
    sentence = f"Before the run, the CPUs were {busy:.0%} busy and the load average was {average:.2f}."
    if busy <= IDLE_LIMIT:
        return sentence
    return f"{sentence} **The machine was not idle, so these figures are not reliable.**"


def cpu_times() -> tuple[int, int]:
    """Returns the idle and the total CPU time of this machine since its start, in clock ticks."""
    with open("/proc/stat") as file:
        times = [int(field) for field in file.readline().split()[1:9]]
    # The fields are user, nice, system, idle, iowait, irq, softirq and steal.
    return times[3] + times[4], sum(times)


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
    """Returns true if the kernel has the PAGEMAP_SCAN ioctl (Linux 6.7), which makes Wasmtime's pool faster."""
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
