"""The errors of the kernel that speak about the machine that tried to connect, and not about the node.

Pure. What the causes of failed tests say is in `plabctl.core.evidence`.
Tests: `tests/probes/test_probe_error.py`.
"""

from __future__ import annotations

import errno

OUR_ERRNOS = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOBUFS,
        errno.EAGAIN,
        errno.EADDRNOTAVAIL,
        errno.ENETDOWN,
        errno.EPERM,
        errno.ENOSPC,
        errno.EAFNOSUPPORT,
        errno.EINVAL,  # a route into a black hole here, or a link-local address without its interface
    }
)
"""Errors of a connection attempt that this machine alone makes."""
ROUTE_ERRNOS = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES})
"""What the kernel says without a route, and as well what a router far away answers by ICMP (icmp(7), ipv6(7)): about us
where no route to the address exists here, else about the node."""
