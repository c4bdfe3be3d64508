"""An OPA server for tests: the REST data API over whatever answers, on loopback, with faults on request.

`OpaStub(answer)` serves `POST /v1/data/kmssim/authz/<rule>`; `answer(rule, document)` gives the rule's value. What a
test wants to go wrong it says with `fault`, a function that writes the raw HTTP answer itself.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/v1/data/kmssim/authz/"


class OpaStub:
    """Open with `with`; `url` is where it listens, `asked` what it was asked, `headers` with which headers."""

    def __init__(self, answer, fault=None):
        self.asked, self.headers = [], []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # headers and body in one packet: the kernel would wait for an answer between two

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stub.asked.append((self.path, body))
                stub.headers.append(dict(self.headers))
                rule = self.path.removeprefix(PREFIX)
                if fault is not None and rule != "version":
                    fault(self)
                    return
                self.reply(200, json.dumps({"result": answer(rule, json.loads(body)["input"])}).encode())

            def reply(self, status, body, **headers):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a client that gave up is what some tests are about
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
