"""What carries the requests to a model's server: which bodies may be left unread for a while."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chat.agent import transport

BODY = b"data: last words\n\ndata: [DONE]\n\n"


def a_certificate(folder: Path) -> Path:
    """For 127.0.0.1, and its own authority; the key stands in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a model's server")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*plain) + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def a_server(secured: ssl.SSLContext | None) -> AsyncIterator[str]:
    """Answers one event stream and closes the connection behind it, as servers do that are about to restart."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + BODY
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=secured)
    async with server:
        yield f"{'https' if secured else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("is_secured", [False, True])
async def test_a_body_under_tls_is_read_as_it_comes(
    is_secured: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secured = None
    if is_secured:
        path = a_certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secured.load_cert_chain(path)
    client = transport.client()
    assert client is not None
    async with a_server(secured) as url, client, client.stream("GET", url) as response:
        assert (transport.listen(response) is None) == is_secured
        assert b"".join([part async for part in transport.parts(response)]) == BODY
    await transport.close()
