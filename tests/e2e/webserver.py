"""HTTP servers of tests: one on a free port, from now until close()."""

import http.server
import socketserver
import sys
import threading


class Quiet(http.server.BaseHTTPRequestHandler):
    """A handler that says nothing of its own, with what most need. One
    request for each connection, so that none is left when the server closes,
    unless protocol_version says HTTP/1.1."""

    def log_message(self, *args):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, data=b"", headers=None):
        self.send_response(status)
        for k, v in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(data)


class LocalServer(http.server.ThreadingHTTPServer):
    """`tls`: an ssl.SSLContext of a server."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, handler, port=0, tls=None):
        super().__init__(("127.0.0.1", port), handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def server_bind(self):
        # without asking for the name of the address, as HTTPServer does
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # who hangs up early
            super().handle_error(request, client_address)

    def close(self):
        """Takes no more connections; twice is as good as once."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def __exit__(self, *exc):
        self.close()


class Files(Quiet, http.server.SimpleHTTPRequestHandler):
    """functools.partial(Files, directory=...) is a handler, too."""
