"""By hand, in the right order: SIPp's basic call over UDP, both ends in one thread.

    python calls_straight.py CALLS

Each end finds in what it hears what it needs for its answer, as `scenarios/sip_call.yaml` does. Prints the seconds
from the first socket to the last close.
"""

from __future__ import annotations

import re
import socket
import sys
import time

SDP = (
    b"v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
INVITE = re.compile(
    rb"INVITE \S+ SIP/2\.0\r\n(Via: [^\r]+)\r\n(From: [^\r]+)\r\n(To: [^\r]+)\r\n(Call-ID: [^\r]+)\r\n"
    rb"CSeq: 1 INVITE\r\n"
)
OK = re.compile(rb"SIP/2\.0 200 OK\r\n(?s:.*)(To: [^\r]+;tag=[^\r]+)\r\n(Call-ID: [^\r]+)\r\nCSeq: 1 INVITE\r\n")
BYE = re.compile(
    rb"BYE \S+ SIP/2\.0\r\n(Via: [^\r]+\r\nFrom: [^\r]+\r\nTo: [^\r]+;tag=uas1\r\n(Call-ID: [^\r]+)\r\nCSeq: 2 BYE\r\n)"
)


class Call:
    """One call at a time: what the caller says, and what it is answered."""

    def __init__(self) -> None:
        self.uas = socket.socket(type=socket.SOCK_DGRAM)
        self.uas.bind(("127.0.0.1", 0))
        self.uac = socket.socket(type=socket.SOCK_DGRAM)
        self.uac.connect(self.uas.getsockname())
        self.contact = b"Contact: <sip:%s:%d;transport=UDP>\r\n" % _address(self.uas)
        self.me = b"sip:sipp@%s:%d" % _address(self.uac)
        self.you = b"sip:service@%s:%d" % _address(self.uas)

    def play(self, number: int) -> None:
        via = b"Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%d\r\n" % (*_address(self.uac), number)
        route = via + b"From: sipp <%s>;tag=uac1\r\n" % self.me
        tail = b"Contact: %s\r\nMax-Forwards: 70\r\nSubject: Performance Test\r\n" % self.me
        call = b"Call-ID: %d@127.0.0.1\r\n" % number
        self.uac.send(
            b"INVITE %s SIP/2.0\r\n%sTo: service <%s>\r\n%sCSeq: 1 INVITE\r\n%sContent-Type: application/sdp\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (self.you, route, self.you, call, tail, len(SDP), SDP)
        )
        asked, sender = self.uas.recvfrom(65536)
        invite = _found(INVITE, asked)
        head = b"%s\r\n%s\r\n%s;tag=uas1\r\n%s\r\nCSeq: 1 INVITE\r\n%s" % (*invite.groups(), self.contact)
        self.uas.sendto(b"SIP/2.0 180 Ringing\r\n%sContent-Length: 0\r\n\r\n" % head, sender)
        body = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (len(SDP), SDP)
        self.uas.sendto(b"SIP/2.0 200 OK\r\n%s%s" % (head, body), sender)
        _expect(self.uac.recv(65536).startswith(b"SIP/2.0 180 Ringing\r\n"))
        answered = _found(OK, self.uac.recv(65536))
        _expect(answered[2] + b"\r\n" == call)
        for method, sequence in ((b"ACK", b"1 ACK"), (b"BYE", b"2 BYE")):
            self.uac.send(
                b"%s %s SIP/2.0\r\n%s%s\r\n%sCSeq: %s\r\n%sContent-Length: 0\r\n\r\n"
                % (method, self.you, route, answered[1], call, sequence, tail)
            )
        _expect(self.uas.recv(65536).startswith(b"ACK "))
        asked, sender = self.uas.recvfrom(65536)
        bye = _found(BYE, asked)
        _expect(bye[2] == invite[4])
        self.uas.sendto(b"SIP/2.0 200 OK\r\n%s%sContent-Length: 0\r\n\r\n" % (bye[1], self.contact), sender)
        _expect(b"CSeq: 2 BYE\r\n" in self.uac.recv(65536))

    def close(self) -> None:
        self.uas.close()
        self.uac.close()


def _address(sock: socket.socket) -> tuple[bytes, int]:
    host, port = sock.getsockname()
    return host.encode(), port


def _found(pattern: re.Pattern[bytes], message: bytes) -> re.Match[bytes]:
    found = pattern.match(message)
    if found is None:
        raise SystemExit(f"{message!r} does not match")
    return found


def _expect(holds: bool) -> None:
    if not holds:
        raise SystemExit("a message is not what was expected")


def main() -> None:
    (calls,) = map(int, sys.argv[1:])
    begun = time.perf_counter()
    call = Call()
    for number in range(calls):
        call.play(number)
    call.close()
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
