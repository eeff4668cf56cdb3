# SPDX-License-Identifier: Apache-2.0
"""Servers on loopback that let a page wait: HTTP, and as much of the protocols
of MySQL and Redis as a client needs to ask for one thing."""
import contextlib
import socket
import threading
import time

SLEEP = 0.6  # before an answer, in seconds

# Protocol 10, version, thread, challenge, capabilities, character set, status,
# more capabilities, length of the challenge, the rest of that, its plugin.
MYSQL_GREETING = (b'\n8.0.0\0' + b'\1\0\0\0' + b'a' * 8 + b'\0' + b'\xff\xf7'
                  + b'\x21' + b'\2\0' + b'\x0f\0' + b'\x15' + b'\0' * 10
                  + b'b' * 12 + b'\0' + b'mysql_native_password\0')
MYSQL_OK = b'\0\0\0\2\0\0\0'
MYSQL_QUIT, MYSQL_QUERY = 1, 3


@contextlib.contextmanager
def backend(answer, family=socket.AF_INET, address=('127.0.0.1', 0)):
    """A server that answers one connection after the other with
    answer(connection), on a thread; its address."""
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen(8)
    stopped = threading.Event()

    def serve():
        while not stopped.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        stopped.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def _receive(connection, size):
    """That many bytes, or fewer at the end."""
    got = b''
    while len(got) < size:
        part = connection.recv(size - len(got))
        if not part:
            break
        got += part
    return got


def slow_page(connection):
    got = b''
    while b'\r\n\r\n' not in got:
        part = connection.recv(65536)
        if not part:
            return
        got += part
    time.sleep(SLEEP)
    body = b'<html><body>slow</body></html>'
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n'
                       b'Content-Length: %d\r\nConnection: close\r\n\r\n'
                       % len(body) + body)


def slow_mysql(connection):
    """Whoever logs in is let in; a query takes its time, and has no rows."""
    def send(number, body):
        connection.sendall(len(body).to_bytes(3, 'little') + bytes([number])
                           + body)

    send(0, MYSQL_GREETING)
    while True:
        head = _receive(connection, 4)
        body = _receive(connection, int.from_bytes(head[:3], 'little'))
        # The login, which comes first, is packet 1, a command packet 0.
        command = body[0] if body and head[3] == 0 else None
        if not body or command == MYSQL_QUIT:
            return
        if command == MYSQL_QUERY:
            time.sleep(SLEEP)
        send(head[3] + 1, MYSQL_OK)


def slow_redis(connection):
    """The answer to every command is late and an empty array."""
    while connection.recv(65536):
        time.sleep(SLEEP)
        connection.sendall(b'*-1\r\n')
