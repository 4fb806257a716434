"""Certificates for a run: one authority a process, and what it signs. The only home of `trustme`.

Making keys takes milliseconds, so that each certificate is made once and kept in memory; files are written by
whoever needs them. Nothing here outlives the process, and nobody outside of a run trusts it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from sockrun.diagnostics import EnvironmentRefused
from sockrun.records import NamedTuple

if TYPE_CHECKING:
    import trustme

MISSING = "certificates cannot be made without the package 'trustme': type `pip install 'sockrun[tls]'`"


class Issued(NamedTuple):
    """A certificate (with its chain) and its private key, in PEM (RFC 7468)."""

    certificate: bytes
    key: bytes


def authority_pem() -> bytes:
    """The authority's own certificate. Raises: EnvironmentRefused, where `trustme` is missing."""
    return _authority().cert_pem.bytes()


@cache
def issue(names: tuple[str, ...], common_name: str | None = None, expired: bool = False) -> Issued:
    """A certificate for these host names and addresses. Raises: EnvironmentRefused, ValueError (no such name)."""
    now = datetime.now(UTC)
    made = _authority().issue_cert(
        *names,
        common_name=common_name,
        not_before=now - timedelta(days=2 if expired else 1),
        not_after=now - timedelta(days=1) if expired else None,
    )
    chain = b"".join(pem.bytes() for pem in made.cert_chain_pems)
    return Issued(chain, made.private_key_pem.bytes())


@cache
def _authority() -> trustme.CA:
    try:
        import trustme
    except ImportError:
        raise EnvironmentRefused(MISSING) from None
    return trustme.CA()


def names_in(der: bytes) -> tuple[str, ...]:
    """The names in a certificate that nobody has verified; none can be told where the package is missing."""
    try:
        from cryptography import x509
    except ImportError:
        return ()
    certificate = x509.load_der_x509_certificate(der)
    found = [str(part.value) for part in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    with suppress(x509.ExtensionNotFound):
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = [*map(str, (name.value for name in names)), *found]
    return tuple(dict.fromkeys(found))
