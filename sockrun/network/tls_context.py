"""From what a role says under `tls` to a context of OpenSSL: versions, ciphers, certificates, who is trusted.

Lives here: settings that do not depend on one connection. Must not live here: the connection itself (`tls.py`)
and where certificates of a run come from (`authority.py`).
"""

from __future__ import annotations

import ssl
import tempfile
import warnings

from sockrun.commands import Tls
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network import authority, client_hello
from sockrun.network.interface import TlsEnd

OLD = frozenset({"TLSv1", "TLSv1.1"})  # OpenSSL 3 speaks them at security level 0 only
NO_APPLICATION_PROTOCOL = 120  # the alert of RFC 7301 section 3.2; the ssl module has no name for it
VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class Asked(ssl.SSLObject):
    """A server's end remembers what the client asked for."""

    server_name: str | None = None
    hello = b""  # the client's first bytes, until its ClientHello is complete
    refused = False  # no application protocol of the client is one of ours


def context(tls: Tls, end: TlsEnd) -> ssl.SSLContext:
    """The context of such a connection. Raises: EnvironmentRefused, with what is wrong with a file or setting."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if end.server else ssl.PROTOCOL_TLS_CLIENT)
    made.sslobject_class = Asked
    _choose_versions(made, tls)
    if end.server:
        _serve(made, tls, end)
    else:
        _trust(made, tls, end)
    if tls.cert is not None:
        _show(made, tls.cert, tls.key)
    if tls.alpn:
        try:
            made.set_alpn_protocols(list(tls.alpn))
        except (ssl.SSLError, UnicodeError):
            raise EnvironmentRefused("the name of an application protocol has 1 to 255 bytes of ASCII") from None
    return made


def _choose_versions(made: ssl.SSLContext, tls: Tls) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # whoever names an old version wants it
        try:
            made.minimum_version = VERSIONS.get(tls.min_version or "", made.minimum_version)
            made.maximum_version = VERSIONS.get(tls.max_version or "", made.maximum_version)
        except ValueError:
            raise EnvironmentRefused("OpenSSL does not speak these versions of TLS") from None
    ciphers = tls.ciphers
    if ciphers is None and OLD.intersection({tls.min_version, tls.max_version}):
        ciphers = "DEFAULT:@SECLEVEL=0"
    if ciphers is not None:
        try:
            made.set_ciphers(ciphers)
        except ssl.SSLError:
            raise EnvironmentRefused(f"OpenSSL knows no cipher that is meant by {ciphers!r}") from None


def _serve(made: ssl.SSLContext, tls: Tls, end: TlsEnd) -> None:
    # Tickets (RFC 8446 section 4.6.1) would come behind the handshake: whoever closes without reading them resets.
    made.num_tickets = 0
    made.sni_callback = _Hearing(tls.alpn)
    if tls.client_ca is not None:
        made.verify_mode = ssl.CERT_REQUIRED
        _load_authorities(made, tls.client_ca)
    if tls.cert is None:
        issued = authority.issue(end.identity)
        with tempfile.NamedTemporaryFile(prefix="sockrun-") as file:  # OpenSSL reads keys from files only
            file.write(issued.key + issued.certificate)
            file.flush()
            made.load_cert_chain(file.name)


class _Hearing:
    """What a server does with the names that a client asks for: OpenSSL calls it for every ClientHello."""

    def __init__(self, alpn: tuple[str, ...]) -> None:
        self._alpn = alpn

    def __call__(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        """None to go on, or the alert that refuses the handshake: OpenSSL itself would go on without a protocol."""
        assert isinstance(connection, Asked)
        connection.server_name = name
        offered = client_hello.application_protocols(connection.hello) if self._alpn else ()
        connection.hello = b""
        connection.refused = bool(offered) and not set(offered) & set(self._alpn)
        return NO_APPLICATION_PROTOCOL if connection.refused else None


def _trust(made: ssl.SSLContext, tls: Tls, end: TlsEnd) -> None:
    if not tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        return
    if tls.ca is not None:
        _load_authorities(made, tls.ca)
        return
    if end.own:
        made.load_verify_locations(cadata=authority.authority_pem().decode())
    if end.system:
        made.load_default_certs()


def _load_authorities(made: ssl.SSLContext, path: str) -> None:
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a certificate may be trusted by itself
    try:
        made.load_verify_locations(path)
    except OSError as error:
        raise EnvironmentRefused(f"no certificate can be read from {path}: {_reason(error)}") from None


def _show(made: ssl.SSLContext, cert: str, key: str | None) -> None:
    try:
        made.load_cert_chain(cert, key, lambda: b"")  # never ask at the terminal for a pass phrase
    except OSError as error:
        files = cert if key is None else f"{cert} and {key}"
        raise EnvironmentRefused(f"no certificate with its key can be read from {files}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    """The reason in words; an SSLError's own text names a line of OpenSSL's source."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is no PEM file").lower().replace("_", " ")
    return error.strerror or str(error)
