"""The smallest service: it says that it is ready, and that it was told where Postgres is."""

import http.server
import os
import sys


class Ready(http.server.BaseHTTPRequestHandler):
    """Answers every GET with 200."""

    def do_GET(self) -> None:  # the name is the library's
        """The one answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get("QYZMET_DATABASE_URL", "").encode())


if __name__ == "__main__":
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    address = ("127.0.0.1", int(os.environ["QYZMET_PORT"]))
    http.server.HTTPServer(address, Ready).serve_forever()
