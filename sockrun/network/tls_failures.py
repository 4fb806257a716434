"""Why TLS failed, in a sentence for people: OpenSSL's words behind ours, and the name of the peer's alert."""

from __future__ import annotations

import re
import ssl

from sockrun.network.tls_context import Asked

# What X509_verify_cert says (X509_STORE_CTX_get_error(3)), in the words of somebody who made the certificate.
VERIFICATION = {
    9: "the peer's certificate is not valid yet",
    10: "the peer's certificate has expired",
    18: "no authority that is trusted here has signed the peer's certificate",
    19: "no authority that is trusted here has signed the peer's certificate",
    20: "no authority that is trusted here has signed the peer's certificate",
    21: "no authority that is trusted here has signed the peer's certificate",
    62: "the peer's certificate is not for {name!r}",
    64: "the peer's certificate is not for {name!r}",
}
REASONS = {
    "UNSUPPORTED_PROTOCOL": "the two have no version of TLS in common",
    "NO_PROTOCOLS_AVAILABLE": "there is no version of TLS that this end may speak",
    "NO_SHARED_CIPHER": "the two have no cipher in common",
    "NO_CIPHERS_AVAILABLE": "there is no cipher that this end may use",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer shows no certificate",
    "WRONG_VERSION_NUMBER": "the peer speaks no TLS",
    "HTTP_REQUEST": "the peer speaks no TLS",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "what came is no record of this connection",
}
ALERT = re.compile(r"(?:sslv3|tlsv1|tlsv13) alert ([a-z0-9 ]+?)(?: \(|$)")


def alert(error: ssl.SSLError) -> str:
    """The alert that the peer sent, named as in RFC 8446 section 6; '' where it sent none."""
    found = ALERT.search(str(error))
    return found[1].replace(" ", "_").replace("user_cancelled", "user_canceled") if found else ""


def sentence(error: ssl.SSLError, connection: Asked) -> str:
    """What went wrong, with OpenSSL's words behind it."""
    if connection.refused:
        return "the two have no application protocol in common (ALPN)"
    named = alert(error)
    if named:
        return f"the peer ends TLS with the alert {named} ({_words(error)})"
    if isinstance(error, ssl.SSLCertVerificationError):
        known = VERIFICATION.get(error.verify_code, "the peer's certificate is not accepted")
        return f"{known.format(name=connection.server_hostname)} ({error.verify_message.rstrip('.')})"
    return f"{REASONS.get(error.reason or '', 'the TLS handshake failed')} ({_words(error)})"


def _words(error: ssl.SSLError) -> str:
    """OpenSSL's own words, without the line of C that follows them."""
    return re.sub(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$", "", error.args[-1])
