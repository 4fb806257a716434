"""Sockets in memory, on a clock that jumps: the same system calls, nothing of the operating system."""
