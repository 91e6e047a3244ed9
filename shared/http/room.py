"""How many connections this process may really hold: each takes a file descriptor."""

import resource

import structlog

_log = structlog.get_logger(__name__)

#: Descriptors for all that is no incoming connection: database, bus, calls to platforms, files.
RESERVED = 256


def room_for(connections: int) -> int:
    """Make room for that many connections, as far as the system lets us; returns how many fit.

    Many systems begin with 1 024 descriptors and allow far more. Without one left, accepting
    fails for everybody; a connection refused in words is better.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    # At least half for connections, even where descriptors are very few.
    fit = max(soft - RESERVED, soft // 2)
    _log.warning("http.fewer_connections", wanted=connections, fit=fit, descriptors=soft)
    return fit
