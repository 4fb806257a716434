"""TLS on both sides: what is agreed, how it fails, how it ends, and that nothing else is changed by it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.compiling.loading import Options, load_text
from sockrun.network.client_hello import application_protocols
from sockrun.results import Result, Status
from sockrun.source import Span
from tests.peers import failure, pair, passes
from tests.playing import both_networks, play, play_all, programs

pytestmark = both_networks

OTHER = "certificates: {other: {names: [other.test]}, old: {expired: true}, me: {common_name: client.test}}"


def hello(
    of_server: str = "tls: true", of_client: str = "tls: true", *, top: str = "", server: str = "", more: str = ""
) -> str:
    """A greeting and its answer under TLS; `server` and `more` are steps of the two before it."""
    return pair(
        f'[{server}{{expect: "hello\\n"}}, {{send: "world\\n"}}]',
        f'[{more}{{send: "hello\\n"}}, {{expect: "world\\n"}}]',
        of_server=of_server,
        of_client=of_client,
        top=top,
    )


# --- what is agreed ----------------------------------------------------------------------------


@pytest.mark.parametrize("read_size", [1, 65536])
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_both_versions_are_spoken(version: str, read_size: int) -> None:
    check = f"{{expect_tls: {{version: {version}}}}}, "
    text = hello(f"tls: {{min_version: {version}, max_version: {version}}}", server=check, more=check)
    passes(play(text, read_size=read_size))


@pytest.mark.parametrize("host", ["127.0.0.1", "'::1'", "127.0.0.2"])
def test_a_server_without_a_certificate_has_one_for_its_own_address(host: str) -> None:
    passes(play(hello(f"tls: true, host: {host}")))


def test_a_server_is_reached_by_its_name() -> None:
    """The host's name is asked for (SNI) and verified."""
    text = """
        roles:
          server: {protocol: tcp, side: server, tls: true, steps: [{expect_tls: {server_name: localhost}}]}
          client: {protocol: tcp, side: client, host: localhost, port: "${server.port}", tls: true}
    """
    passes(play(text))


def test_what_was_agreed_is_there_for_both_sides_and_for_expressions() -> None:
    text = hello(
        "tls: {alpn: [http/1.1, h2], client_ca: '${dir}/ca.pem'}",
        "tls: {alpn: [h2], server_name: localhost, cert: me, max_version: TLSv1.2, ciphers: ECDHE+AESGCM}",
        server="{expect_tls: {alpn: h2, server_name: localhost, peer: client.test}}, "
        "{check: \"tls.version == 'TLSv1.2' and tls.alpn == 'h2' and 'client.test' in tls.peer\"}, ",
        more="{expect_tls: {alpn: h2, peer: 127.0.0.1, version: TLSv1.2}}, {check: \"'GCM' in tls.cipher\"}, ",
        top=OTHER,
    )
    passes(play(text))


def test_a_certificate_that_nobody_verified_has_names_too() -> None:
    text = hello("tls: {cert: other}", "tls: {verify: false}", more="{expect_tls: {peer: other.test}}, ", top=OTHER)
    passes(play(text))


def test_another_agreement_than_expected_fails_the_step() -> None:
    told = failure(play(hello(more="{expect_tls: {alpn: h2}}, ")), "check", "protocol (ALPN) is none, not h2")
    assert told.role == "client"


def test_what_tls_says_is_no_value_without_tls() -> None:
    failure(play(hello("", "", more="{expect_tls: {version: TLSv1.3}}, ")), "step", "there is no TLS")


@pytest.mark.parametrize(("value", "secured"), [("true", True), ("false", False)])
def test_an_expression_says_whether_there_is_tls(value: str, secured: bool) -> None:
    """Also one whose value is known only when the role plays."""
    text = f"""
        vars: {{secure: {value}}}
        roles:
          server: {{protocol: tcp, side: server, tls: "${{secure}}", steps: [{{expect: "x"}}]}}
          client: {{side: client, to: server, tls: "${{secure and server.port > 0}}", steps: [{{send: "x"}}]}}
    """
    (program,) = programs(text)
    assert (program.roles["server"].tls is not None) == secured
    passes(play(text))


# --- how it fails ------------------------------------------------------------------------------

# name: the server's and the client's settings, who finds it, what that one says, the alert that the other one gets
FAILURES = {
    "unknown authority": ("true", "{ca: other}", "client", "no authority that is trusted here", "unknown_ca"),
    "wrong name": ("true", "{server_name: wrong.test}", "client", "is not for 'wrong.test'", "bad_certificate"),
    "wrong certificate": ("{cert: other}", "true", "client", "is not for '127.0.0.1'", "bad_certificate"),
    "expired": ("{cert: old}", "true", "client", "certificate has expired", "certificate_expired"),
    "old version": ("{min_version: TLSv1.3}", "{max_version: TLSv1.2}", "server", "no version", "protocol_version"),
    "very old version": (
        "true",
        "{max_version: TLSv1.1, min_version: TLSv1}",
        "server",
        "no version",
        "protocol_version",
    ),
    "new version": ("{max_version: TLSv1.2}", "{min_version: TLSv1.3}", "server", "no version", "protocol_version"),
    "cipher": (
        "{max_version: TLSv1.2, ciphers: ECDHE+AESGCM}",
        "{ciphers: ECDHE+CHACHA20}",
        "server",
        "no cipher in common",
        "handshake_failure",
    ),
    "ALPN": (
        "{alpn: [h2]}",
        "{alpn: [http/1.1, smtp]}",
        "server",
        "no application protocol",
        "no_application_protocol",
    ),
    "no certificate": ("{client_ca: me}", "true", "server", "shows no certificate", "certificate_required"),
    "no certificate, 1.2": (
        "{client_ca: me, max_version: TLSv1.2}",
        "true",
        "server",
        "shows no certificate",
        "handshake_failure",
    ),
    "certificate of another": ("{client_ca: me}", "{cert: other}", "server", "no authority", "unknown_ca"),
}


def failing(name: str, server: str, client: str) -> str:
    of_server, of_client, *_ = FAILURES[name]
    return pair(f"[{server}]", f"[{client}]", of_server=f"tls: {of_server}", of_client=f"tls: {of_client}", top=OTHER)


@pytest.mark.parametrize("read_size", [1, 65536])
@pytest.mark.parametrize("name", FAILURES)
def test_a_handshake_that_must_fail_is_told_to_both_sides(name: str, read_size: int) -> None:
    """To the one that finds it in a sentence, to the other by its alert (RFC 8446 section 6)."""
    *_, finder, told, alert = FAILURES[name]
    steps = {finder: f'{{expect_tls: {{failed: "{told}"}}}}'}
    other = "server" if finder == "client" else "client"
    steps[other] = f"{{expect_tls: {{alert: {alert}}}}}"
    passes(play(failing(name, steps["server"], steps["client"]), read_size=read_size))


@pytest.mark.parametrize(
    "step", ['{send: "x"}', '{expect: "x"}', "expect_close", "{expect_tls: {version: TLSv1.3}}", "{set: {a: 1}}"]
)
@pytest.mark.parametrize("name", ["unknown authority", "expired", "old version"])
def test_any_other_step_fails_with_one_sentence(name: str, step: str) -> None:
    """Whoever finds it is told, and the sentence is the same at every step, or behind the last one."""
    *_, finder, told, _ = FAILURES[name]
    result = play(failing(name, step, step))
    assert result.status is Status.FAILED
    assert result.failure is not None
    assert result.failure.role == finder
    assert told in result.reason


def test_a_role_without_steps_fails_with_its_handshake() -> None:
    failure(play(failing("expired", "", "")), "tls", "the peer's certificate has expired")


def test_a_handshake_that_does_not_fail_as_it_should_is_told() -> None:
    """At once: both wait, the client for a failure that cannot come any more."""
    told = failure(play(hello(more="{expect_tls: {failed: expired}}, ")), "deadlock")
    assert "client waits for TLS with server to fail" in told.message


def test_no_failure_of_tls_is_awaited_where_there_is_none() -> None:
    failure(play(hello("", "", more="{expect_tls: {failed: x}}, ")), "step", "there is no TLS")


def test_a_failure_of_another_kind_fails_the_step() -> None:
    text = failing("expired", "{expect_tls: {alert: certificate_expired}}", "{expect_tls: {failed: unknown ca}}")
    failure(play(text), "check", "TLS failed in another way than 'unknown ca'")


def test_a_failure_that_was_expected_is_no_failure_at_the_end() -> None:
    """Steps behind it that need no connection are played."""
    text = failing(
        "expired",
        "{expect_tls: {alert: certificate_expired}}, {signal: done}",
        "{expect_tls: {failed: expired}}, {wait: done}",
    )
    passes(play(text))


def test_a_client_without_tls_is_told_off() -> None:
    text = pair(
        '[{expect_tls: {failed: "speaks no TLS"}}]',
        '[{send: "GET / HTTP/1.1\\r\\n"}]',
        of_server="tls: true",
    )
    passes(play(text))
    failure(
        play(pair('[{expect: "GET"}]', '[{send: "GET / HTTP/1.1\\r\\n"}]', of_server="tls: true")),
        "tls",
        "speaks no TLS",
    )


def test_a_server_without_tls_is_told_off() -> None:
    failure(
        play(pair('[{send: "220 hi\\r\\n"}]', "[]", of_client="tls: true", of_server="unread: allow")),
        "tls",
        "the peer speaks no TLS",
    )


def test_a_peer_that_closes_in_the_handshake() -> None:
    failure(play(pair("[]", "[close]", of_server="tls: true")), "tls", "closed")
    failure(play(pair("[reset]", "[]", of_client="tls: true", of_server="unread: allow")), "tls", "reset")


@pytest.mark.parametrize("client", ["{pause: 10s}", '{send: {hex: "16 03 01 00"}}, {pause: 10s}'])
def test_a_handshake_that_never_ends_is_bounded_by_the_timeout(client: str) -> None:
    text = pair("[{expect: x}]", f"[{client}]", of_server="tls: true, timeout: 100ms")
    failure(play(text), "tls", "the TLS handshake was not done within 0.1 s")


def test_a_server_whose_steps_are_done_waits_for_no_deadlock_in_the_handshake() -> None:
    """A client that speaks no TLS and waits: both wait, and that is told at once."""
    told = failure(play(pair("[{expect: x}]", "[{expect: y}]", of_server="tls: true")), "deadlock")
    assert "waits for client in the TLS handshake" in told.message


# --- STARTTLS ----------------------------------------------------------------------------------

UPGRADE = '[{expect: "STARTTLS\\r\\n"}, {starttls: true}, {expect: "hello"}, {send: "world"}]'


@pytest.mark.parametrize("read_size", [1, 65536])
def test_a_handshake_that_came_with_the_last_plain_bytes_is_taken(read_size: int) -> None:
    client = '[{send: "STARTTLS\\r\\n"}, {starttls: {server_name: localhost}}, {send: "hello"}, {expect: "world"}]'
    late = UPGRADE.replace("[", "[{pause: 20ms}, ", 1)
    passes(play(pair(late, client), read_size=read_size))


@pytest.mark.parametrize("read_size", [1, 65536])
def test_plain_bytes_behind_starttls_are_told_off(read_size: int) -> None:
    """CVE-2011-0411: what an attacker puts there must never be taken for what came under TLS."""
    text = pair(UPGRADE, '[{send: "STARTTLS\\r\\nQUIT\\r\\n"}]')
    failure(play(text, read_size=read_size), "tls", "plain bytes came behind STARTTLS")


def test_plain_bytes_of_the_server_behind_starttls_are_told_off() -> None:
    text = pair('[{send: "go\\nQUIT\\n"}]', '[{expect: "go\\n"}, {starttls: true}, {send: "x"}]')
    failure(play(text), "tls", "plain bytes came behind STARTTLS")


def test_tls_is_not_put_into_tls() -> None:
    failure(play(hello(more="{starttls: true}, ")), "step", "speaks TLS already")


# --- how it ends -------------------------------------------------------------------------------


def test_the_peers_close_notify_is_seen() -> None:
    passes(
        play(
            pair(
                '[{send: "x"}]',
                '[{expect: "x"}, {expect_close: {notify: required}}]',
                of_server="tls: true",
                of_client="tls: true",
            )
        )
    )
    passes(play(pair("[close]", "[{expect_close: {notify: required}}]", of_server="tls: true", of_client="tls: true")))


def test_a_half_closed_connection_still_carries_bytes_the_other_way() -> None:
    text = pair(
        '[{expect: "question"}, {expect_close: {notify: required}}, {send: "answer"}]',
        '[{send: "question"}, shutdown, {expect: "answer"}, expect_close]',
        of_server="tls: true",
        of_client="tls: true",
    )
    for version in ("TLSv1.2", "TLSv1.3"):
        passes(play(text.replace("to: server, tls: true", f"to: server, tls: {{max_version: {version}}}")))


def test_close_notify_is_asked_of_tls_only() -> None:
    failure(play(pair("[]", "[{expect_close: {notify: required}}]")), "step", "there is no TLS")


def test_a_reset_is_a_reset_under_tls() -> None:
    text = pair('[{expect: "x"}, reset]', '[{send: "x"}, expect_reset]', of_server="tls: true", of_client="tls: true")
    passes(play(text))


# --- as without TLS ----------------------------------------------------------------------------


@pytest.mark.parametrize("read_size", [997, 65536])
def test_megabytes_go_both_ways(read_size: int) -> None:
    """More than any buffer on the way holds, close_notify behind it."""
    size = 3_000_000 if read_size > 1000 else 200_000
    send, expect = f"{{send: {{random: {size}, seed: 1}}}}", f"{{expect: {{length: {size}}}}}"
    end = "{expect_close: {notify: required}}"
    text = pair(f"[{send}, {expect}, {end}]", f"[{expect}, {send}]", of_server="tls: true", of_client="tls: true")
    passes(play(text, read_size=read_size))


def test_the_end_comes_behind_what_a_slow_reader_has_still_to_read() -> None:
    """close_notify and FIN wait for room like everything else."""
    text = pair(
        "[{send: {times: 400000, of: x}}]",
        "[{pause: 50ms}, {expect: {length: 400000}}, {expect_close: {notify: required}}]",
        of_server="tls: true, socket: {send_buffer: 4096}",
        of_client="tls: true, socket: {receive_buffer: 4096}",
    )
    passes(play(text))


def test_a_peer_that_does_not_read_leaves_no_room() -> None:
    text = pair(
        "[{send: {times: 9000000, of: x}}]",
        "[{pause: 10s}]",
        of_server="tls: true, timeout: 200ms",
        of_client="tls: true",
    )
    failure(play(text), "step", "no room to send")


def crowded(protocol: str, sends: str, reads: str, before: tuple[str, str] = ("", "")) -> str:
    """A TLS scenario whose client sends SIZE bytes, which is as much as just leaves without being read.

    `before` are steps of the client and the server before that.
    """
    small = "tls: true, socket: {send_buffer: 4096, receive_buffer: 4096}, steps"

    def text(size: int, client: str, server: str) -> str:
        client, server = before[0] + client, before[1] + server
        steps = server if server.startswith("connections") else f"steps: [{server}]"
        return f"""
            roles:
              server: {{protocol: {protocol}, side: server, {small.replace("steps", steps)}}}
              client: {{side: client, to: server, timeout: 500ms, {small}: [{client}]}}
        """.replace("SIZE", str(size))

    fits, too_much = 1, 1_000_000
    while too_much - fits > 1:
        size = (fits + too_much) // 2
        trial = text(size, "{send: {times: SIZE, of: x}}, {signal: sent}", "{wait: sent}, {expect: {length: SIZE}}")
        told = play(trial).failure
        fits, too_much = (fits, size) if told is not None and told.kind == "deadlock" else (size, too_much)
    return text(fits, sends.replace("FILL", "{send: {times: SIZE, of: x}}, {signal: sent}"), reads)


def play_crowded(protocol: str, sends: str, reads: str, before: tuple[str, str] = ("", "")) -> Result:
    """Play what is `crowded`. How much TCP takes hangs on the moment, so the size is looked for anew if it was less."""
    for _ in range(20):
        result = play(crowded(protocol, sends, reads, before))
        if "client waits for room to send to server" not in result.reason:
            break
    return result


ALL_READ = "{wait: sent}, {expect: {length: SIZE}}, {expect_close: {notify: required}}"
ENDS = [
    ("close", "FILL, close", ALL_READ),
    ("shutdown", "FILL, shutdown", ALL_READ),
    ("shutdown and close", "FILL, shutdown, close", ALL_READ),
    ("connect", "FILL, connect", f"connections: [[{ALL_READ}], []]"),
    ("end of the role", "FILL", ALL_READ),
]


@pytest.mark.parametrize(("sends", "reads"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
@pytest.mark.parametrize("protocol", ["tcp", "unix, path: '${dir}/s'"], ids=["tcp", "unix"])
def test_close_notify_leaves_though_there_is_no_room_for_it_yet(protocol: str, sends: str, reads: str) -> None:
    """Behind a send that has filled every buffer on the way."""
    passes(play_crowded(protocol, sends, reads))


def test_close_notify_leaves_though_the_peer_has_said_its_own() -> None:
    passes(play_crowded("unix, path: '${dir}/s'", "FILL", ALL_READ, before=("expect_close, ", "shutdown, ")))


def test_a_peer_that_does_not_read_cannot_be_told_the_end() -> None:
    unix = "unix, path: '${dir}/s'"
    told = failure(play(crowded(unix, "FILL, close", "{pause: 10s}")), "step", "no room to send")
    assert told.place is not None
    assert told.place.label == "close"
    waits = "client waits for room to say close_notify to server, who does not read"
    failure(play(crowded(unix, "FILL, close, {signal: go}", "{wait: go}")), "deadlock", waits)


def test_tls_over_a_unix_socket() -> None:
    text = hello().replace("protocol: tcp", "protocol: unix, path: '${dir}/s'")
    passes(play(text))
    passes(play(text, read_size=1))


def test_a_client_connects_anew_under_tls() -> None:
    """As its role says, or as the step says."""
    text = pair(
        '[{expect: "x"}, {expect_close: {notify: required}}]',
        '[{send: "x"}, connect, {send: "x"}, {connect: {tls: {max_version: TLSv1.2}}}, '
        '{send: "x"}, {expect_tls: {version: TLSv1.2}}]',
        of_server="tls: true, connections: 3",
        of_client="tls: true",
    )
    passes(play(text))


def test_many_connections_at_once() -> None:
    text = hello("tls: true, connections: 50", "tls: true, instances: 50")
    assert [result.reason for result in play_all(programs(text) * 4)] == [""] * 4


def test_a_deadlock_is_told_at_once_under_tls() -> None:
    for version in ("TLSv1.2", "TLSv1.3"):
        text = pair(
            '[{expect: "x"}]', '[{expect: "y"}]', of_server="tls: true", of_client=f"tls: {{max_version: {version}}}"
        )
        result = play(text)
        failure(result, "deadlock", "server waits for", "client waits for")
        assert result.seconds < 4


def test_unread_bytes_are_told_under_tls() -> None:
    failure(play(pair('[{send: "hello"}]', "[]", of_server="tls: true", of_client="tls: true")), "unread", "bytes came")


def test_silence_under_tls() -> None:
    passes(play(hello(more="{expect_silence: 20ms}, ")))


# --- certificates ------------------------------------------------------------------------------


def marked(span: Span) -> str:
    """What is shown of the file."""
    return span.source.lines[span.line - 1][span.column - 1 : span.end_column - 1]


def test_certificates_are_files_of_the_scenario() -> None:
    """`NAME.pem`, `NAME.key`, `NAME-both.pem` and `ca.pem`, and they belong to each other."""
    text = hello(
        "tls: {cert: '${dir}/other.pem', key: '${dir}/other.key'}",
        "tls: {ca: '${dir}/ca.pem', server_name: other.test}",
        top=OTHER,
    )
    passes(play(text))
    passes(play(text.replace("cert: '${dir}/other.pem', key: '${dir}/other.key'", "cert: '${dir}/other-both.pem'")))


def test_a_certificate_that_is_not_there_is_the_machines_fault() -> None:
    result = play(hello("tls: {cert: nowhere.pem}"))
    assert (result.status, "No such file" in result.reason) == (Status.REFUSED, True), result.reason
    assert result.failure is not None
    assert result.failure.span is not None
    assert marked(result.failure.span) == "{cert: nowhere.pem}"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("ciphers: NONSENSE", "knows no cipher"),
        ("alpn: [ä]", "1 to 255 bytes of ASCII"),
        ("ca: nowhere.pem", "No such file"),
    ],
)
def test_settings_that_openssl_does_not_take(setting: str, told: str) -> None:
    result = play(hello("tls: true", f"tls: {{{setting}}}"))
    assert (result.status, told in result.reason) == (Status.REFUSED, True), result.reason


def test_a_name_that_no_client_can_ask_for() -> None:
    failure(play(hello("tls: true", "tls: {server_name: .test}")), "step", "'.test' is no name")


def test_versions_of_which_none_is_left() -> None:
    assert play(hello("tls: {min_version: TLSv1.3, max_version: TLSv1.2}")).status is Status.FAILED


def test_a_certificate_for_no_name_says_so() -> None:
    result = play(hello(top="certificates: {bad: {names: ['a b']}}"))
    assert (result.status, "'bad' cannot be made" in result.reason) == (Status.FAILED, True), result.reason


def test_an_untrusted_file_shows_no_certificate_of_another_folder(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("secret")
    result = play(hello(f"tls: {{cert: {tmp_path}/key.pem}}"), options=Options(untrusted=True))
    assert (result.status, "--untrusted allows" in result.reason) == (Status.REFUSED, True), result.reason


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (hello("", "tls: {client_ca: me}"), "'client_ca' is not for a client"),
        (hello("tls: {server_name: me}"), "'server_name' is not for a server"),
        (hello("tls: maybe"), "is not true, or a mapping"),
        (hello('tls: "${1 + 1}"'), "neither true nor false"),
        (hello().replace("protocol: tcp", "protocol: udp"), "'tls' is not for udp"),
    ],
)
def test_settings_that_cannot_be_are_told(text: str, told: str) -> None:
    found = [diagnostic.message for diagnostic in load_text(text, "scenario.yaml").errors]
    assert any(told in message for message in found), found


# --- ClientHello -------------------------------------------------------------------------------


def client_hello(protocols: list[str]) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if protocols:
        context.set_alpn_protocols(protocols)
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


@given(st.lists(st.text("abcdefgh/123", min_size=1, max_size=50), max_size=5))
@settings(max_examples=20)
def test_the_protocols_that_are_offered_are_read_from_the_first_bytes(protocols: list[str]) -> None:
    assert application_protocols(client_hello(protocols)) == tuple(protocols)


@given(st.integers(0, 600), st.integers(0, 255))
@settings(max_examples=200)
def test_a_changed_or_cut_hello_raises_nothing(place: int, byte: int) -> None:
    data = bytearray(client_hello(["h2"]))
    assert application_protocols(bytes(data[:place])) in ((), ("h2",))
    data[place % len(data)] = byte
    assert isinstance(application_protocols(bytes(data)), tuple)
