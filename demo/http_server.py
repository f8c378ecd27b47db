# SPDX-License-Identifier: MIT
"""The HTTP server of the demo: http_server.py ADDRESS PORT. Prints `ready`,
then who asks. Two pages: / at once, /slow in some seconds."""
import http.server
import sys
import time

PAGE = b"<p>a page of the warren demo</p>\n"
PIECES = 300  # of the slow page, and as many hundredths of a second


def piece(number):
    return b"%07d\n" % number * 100


def slow_page():
    return b"".join(map(piece, range(PIECES)))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.client_address[0], flush=True)
        self.send_response(200)
        self.end_headers()
        if self.path != "/slow":
            self.wfile.write(PAGE)
            return
        for number in range(PIECES):
            self.wfile.write(piece(number))
            time.sleep(0.01)

    def log_message(self, *_):
        pass


def main():
    address, port = sys.argv[1], int(sys.argv[2])
    server = http.server.ThreadingHTTPServer((address, port), Handler)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
