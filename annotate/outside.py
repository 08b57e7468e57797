"""The way to an address outside: checked, pinned to what was checked, and no redirect followed."""

import socket
import ssl
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Timer
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from annotate.errors import Invalid

SECONDS = 10.0
DEFAULT_PORTS = {"https": 443, "http": 80}


class Address(NamedTuple):
    """A URL's parts, and the one checked address that is connected to."""

    scheme: str
    host: str
    port: int
    path: str
    ip: str


def check(url: str) -> Address:
    """Resolve a URL's host and return where to connect.

    Raises:
        Invalid: it is no https address, its host is unknown, or any of its addresses is not a public one.
    """
    parts, port = _parts(url)
    host = parts.hostname or ""
    is_allowed = host in settings.WEBHOOK_INTERNAL_HOSTS
    if parts.scheme != "https" and not (is_allowed and parts.scheme == "http"):
        raise Invalid(_("Address: it must begin with https://."))
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Invalid(_("Address: the host %(host)s is not known.") % {"host": host}) from error
    ips = [str(each[4][0]) for each in found]
    if not is_allowed and not all(map(is_public, ips)):
        raise Invalid(
            _("Address: %(host)s is not on the public internet; webhooks go nowhere else.") % {"host": host}
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, host, port, path, ips[0])


def _parts(url: str) -> tuple[SplitResult, int]:
    """Return a URL's parts and its port. Raises Invalid where it is none, or has a password in it."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise Invalid(_("Address: this is not a web address.")) from error
    if not (parts.hostname and port) or parts.username or parts.password or not url.isprintable():
        raise Invalid(_("Address: this is not a web address."))
    return parts, port


def is_public(ip: str) -> bool:
    """Return whether an address is on the public internet, and neither private, loopback nor link-local."""
    address: IPv4Address | IPv6Address = ip_address(ip.partition("%")[0])
    if isinstance(address, IPv6Address):
        # An IPv4 address can hide inside; the other ways to hide one are not global themselves.
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None and not is_public(str(inner)):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Send a body and return the status that it was answered; the answer itself is not read.

    The host is resolved and checked anew, and the connection goes to the checked address, so that a name
    which changes its mind in between leads nowhere else. TLS still proves the name.

    Raises:
        Invalid: the address is refused.
        OSError, HTTPException: nobody answered in time, or nothing that is HTTP.
    """
    to = check(url)
    wire = socket.create_connection((to.ip, to.port), SECONDS)
    if to.scheme == "https":
        context = ssl.create_default_context()
        wire = context.wrap_socket(wire, server_hostname=to.host, do_handshake_on_connect=False)
    # The socket's own limit is one wait; an answer that drips in would outlast any number of them.
    deadline = Timer(2 * SECONDS, _hang_up, [wire])
    deadline.start()
    try:
        return _answered(to, wire, body, headers)
    finally:
        deadline.cancel()
        wire.close()


def _answered(to: Address, wire: socket.socket, body: bytes, headers: dict[str, str]) -> int:
    if isinstance(wire, ssl.SSLSocket):
        wire.do_handshake()
    kind = HTTPSConnection if to.scheme == "https" else HTTPConnection
    connection = kind(to.host, to.port)
    connection.sock = wire
    connection.request("POST", to.path, body, headers)
    return connection.getresponse().status


def _hang_up(wire: socket.socket) -> None:
    with suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
