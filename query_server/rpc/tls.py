"""TLS of the server's port: its files checked at start, and read again when they change.

gRPC asks for the certificate at every new connection, so a renewed one is served without a restart. A new file that is
no good leaves the old certificate serving and is told in the log.
"""

from __future__ import annotations

import datetime
import logging
import ssl
import stat
from pathlib import Path

import grpc
from cryptography import x509

from query_server.errors import DowserError, corrupt_file

_LOG = logging.getLogger(__name__)


class ServerTls:
    """The certificate, its key, and the authorities of client certificates.

    Args:
        certificate: PEM file of the server's chain, its own certificate first.
        key: PEM file of the private key, unencrypted.
        client_ca: PEM file of the authorities that sign client certificates; where given, every client needs one.

    Raises:
        DowserError: CORRUPT_FILE naming the file and what is wrong with it.
    """

    def __init__(self, *, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._seen = self._stamps()
        self._initial = self._read()
        if stat.S_IMODE(key.stat().st_mode) & stat.S_IROTH:
            _LOG.warning("%s: every user of this machine can read the private key; chmod 600 it", key)

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that follow the files."""
        return grpc.dynamic_ssl_server_credentials(
            self._initial,
            self._changed,  # type: ignore[arg-type]  # gRPC documents None for no change, the stubs do not
            require_client_authentication=self._client_ca is not None,
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the new configuration, or None where the files are as they were or no good."""
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return None
            self._seen = stamps
            configuration = self._read()
        except (OSError, DowserError) as error:
            _LOG.error("the former TLS certificate stays in use: %s", error)
            return None
        _LOG.info("reading the TLS certificate anew from %s", self._certificate)
        return configuration

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(
            _stamp(path) for path in (self._certificate, self._key, self._client_ca) if path is not None
        )

    def _read(self) -> grpc.ServerCertificateConfiguration:
        chain, key = _bytes_of(self._certificate), _bytes_of(self._key)
        _refuse_unusable(self._certificate, chain, ask_dates=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # An empty passphrase, or OpenSSL would ask for one at the terminal.
            context.load_cert_chain(self._certificate, self._key, password=lambda: "")
        except (OSError, ssl.SSLError) as error:
            if "KEY_VALUES_MISMATCH" in str(error):
                why = f"it is not the key of the certificate {self._certificate}; give the two that were made together"
            else:
                why = "not an unencrypted private key in PEM; give one without a passphrase"
            raise corrupt_file(self._key, why) from None
        roots = None
        if self._client_ca is not None:
            roots = _bytes_of(self._client_ca)
            _refuse_unusable(self._client_ca, roots, ask_dates=False)
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=roots)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise corrupt_file(path, f"cannot be read ({error.strerror}); check its path and mode") from None


def _refuse_unusable(path: Path, pem: bytes, *, ask_dates: bool) -> None:
    """Refuse a file without certificates, or whose first one is not valid today."""
    try:
        first = x509.load_pem_x509_certificates(pem)[0]
    except (ValueError, IndexError):
        raise corrupt_file(path, "holds no certificate in PEM") from None
    now = datetime.datetime.now(datetime.UTC)
    if ask_dates and first.not_valid_after_utc < now:
        raise corrupt_file(path, f"the certificate expired on {first.not_valid_after_utc:%Y-%m-%d}; renew it")
    if ask_dates and first.not_valid_before_utc > now:
        raise corrupt_file(path, f"the certificate is valid from {first.not_valid_before_utc:%Y-%m-%d} only")
