"""/metrics, /livez and /readyz over HTTP, on threads of its own beside the event loop.

Every connection is closed after one answer. There are at most ``MAX_CONNECTIONS``: one more closes the oldest, so that
clients that send or read slowly cannot keep a probe from being answered.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client.exposition import choose_encoder

from query_server.errors import unavailable
from query_server.observe.metrics import Metrics
from query_server.observe.vitals import LOOP_SECONDS, Vitals

MAX_CONNECTIONS = 32
_IDLE_SECONDS = 10.0

_LOG = logging.getLogger(__name__)


class Endpoint:
    """Listens from construction on.

    Raises:
        DowserError: UNAVAILABLE if the address cannot be bound.
    """

    def __init__(self, host: str, port: int, *, metrics: Metrics, vitals: Vitals) -> None:
        class Handler(_Handler):
            pass

        Handler.metrics, Handler.vitals = metrics, vitals
        server = _IPv6Server if ":" in host else _Server
        try:
            self._server = server((host, port), Handler)
        except OSError as error:
            raise unavailable(
                f"cannot listen on {host}:{port} for metrics: {error.strerror or error}; choose another "
                "--metrics-port or --metrics-host"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="dowser-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        self._open: dict[int, socket.socket] = {}  # in order of arrival
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread; one connection too many ends the oldest."""
        with self._lock:
            self._open[id(request)] = request
            oldest = self._open.pop(next(iter(self._open))) if len(self._open) > MAX_CONNECTIONS else None
        if oldest is not None:
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection and close it."""
        with self._lock:
            self._open.pop(id(request), None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note that a client went away; nothing of ours failed."""
        _LOG.debug("connection of %s ended early", client_address, exc_info=True)


class _IPv6Server(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    metrics: Metrics
    vitals: Vitals
    timeout = _IDLE_SECONDS
    server_version = "dowser"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        match self.path.partition("?")[0]:
            case "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(200, encode(self.metrics.registry), content_type)
            case "/livez":
                if self.vitals.alive():
                    self._text(200, "alive")
                else:
                    self._text(503, f"the event loop did not turn within {LOOP_SECONDS:g} s")
            case "/readyz":
                reason = self.vitals.why_not_ready()
                self._text(200, "ready") if reason is None else self._text(503, reason)
            case _:
                self._text(404, "not here; there are /metrics, /livez and /readyz")

    def log_message(self, format: str, *args: Any) -> None:
        """Keep probes and scrapes out of the log."""
        _LOG.debug(format, *args)

    def _text(self, status: int, text: str) -> None:
        self._answer(status, f"{text}\n".encode(), "text/plain; charset=utf-8")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
