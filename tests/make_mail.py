"""A real mail server on this machine: it takes mails, or refuses them, with or without TLS."""

from __future__ import annotations

import email
import ipaddress
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "leersleutel", "een geheim voor de post"


class Postbox:
    """What arrived, and what the server says to the next mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = "250 OK"
        self.recipient_answer: str | None = None
        self.port = 0

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any):
        if self.recipient_answer is not None:
            return self.recipient_answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            self.mails.append(email.message_from_bytes(envelope.content, policy=policy.default))
        return self.answer

    def link(self) -> str:
        """The path of the link in the newest mail."""
        return path(self.mails[-1])


def path(mail: EmailMessage) -> str:
    """The path of the link in a mail."""
    text = mail.get_body(("plain",)).get_content()
    return re.search(r"https?://[^/\s]+(/m/\S+)", text)[1]


@contextmanager
def server(*, tls: ssl.SSLContext | None = None, user: bool = False) -> Iterator[Postbox]:
    """A server on a free port of 127.0.0.1; with `tls` it wants STARTTLS, with `user` a name and password."""
    box = Postbox()

    def known(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=(given.login, given.password) == (USER.encode(), PASSWORD.encode()))

    words: dict[str, Any] = {"authenticator": known, "auth_required": True} if user else {}
    if tls is not None:
        words |= {"tls_context": tls, "require_starttls": True}
    controller = _OnAnyPort(box, hostname="127.0.0.1", port=0, **words)
    controller.start()
    try:
        assert controller.server is not None
        box.port = controller.server.sockets[0].getsockname()[1]
        yield box
    finally:
        controller.stop()


class _OnAnyPort(Controller):
    def _trigger_server(self) -> None:
        """By now the system chose the port."""
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def certificate(folder: Path, now: datetime) -> tuple[ssl.SSLContext, Path]:
    """A certificate for 127.0.0.1: the context of a server, and the file that its clients trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail on this machine")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3650))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "mail.crt", folder / "mail.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public
