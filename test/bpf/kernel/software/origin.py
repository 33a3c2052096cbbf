"""Python's own server: files by GET .../f/NAME, the SHA-256 of what was sent by POST .../post.

python3 origin.py HOST PORT FILES
"""
import hashlib
import http.server
import os
import shutil
import sys

HOST, PORT, FILES = sys.argv[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = os.path.join(FILES, os.path.basename(self.path))
        self.send_response(200)
        self.send_header("Content-Length", str(os.path.getsize(path)))
        self.end_headers()
        with open(path, "rb") as file:
            shutil.copyfileobj(file, self.wfile)

    def chunked(self):
        while size := int(self.rfile.readline(), 16):
            while size:
                part = self.rfile.read(min(size, 1 << 16))
                size -= len(part)
                yield part
            self.rfile.readline()
        self.rfile.readline()

    def counted(self):
        left = int(self.headers["Content-Length"])
        while left:
            part = self.rfile.read(min(left, 1 << 16))
            left -= len(part)
            yield part

    def do_POST(self):
        digest = hashlib.sha256()
        for part in self.chunked() if "Transfer-Encoding" in self.headers else self.counted():
            digest.update(part)
        self.send_response(200)
        self.send_header("Content-Length", "64")
        self.end_headers()
        self.wfile.write(digest.hexdigest().encode())

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 4096


Server((HOST, int(PORT)), Handler).serve_forever()
