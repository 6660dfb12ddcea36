"""One end of an SMTP connection that a transcript drives: pieces out, lines in, real TLS."""

import contextlib
import socket
import ssl

HANGS_AFTER = 30  # seconds without the line that must come; ten times the slowest


class Differs(AssertionError):
    """What the other end does is not what the transcript says."""

    def __init__(self, dialog, line, what):
        super().__init__(f"{dialog.file}:{line.number if line else 'at the end'}: '{dialog.title}': {what}")


class Wire:
    def __init__(self, link):
        link.settimeout(HANGS_AFTER)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link = link
        self.buffer = b""
        self.ended = False

    def send(self, pieces):
        with contextlib.suppress(OSError):  # what comes behind a close is not read, and nothing is missed
            for piece in pieces:
                self.link.sendall(piece)

    def read_more(self):
        try:
            data = self.link.recv(65536)
        except ConnectionError:
            data = b""
        except TimeoutError:
            return False
        self.buffer += data
        self.ended = not data
        return True

    def line(self):
        """The next line without its CRLF; None where the connection ends or hangs before."""
        while b"\r\n" not in self.buffer:
            if self.ended or not self.read_more():
                return None
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def reply(self):
        """The lines of the next reply."""
        lines = []
        while not lines or lines[-1][3:4] == "-":
            line = self.line()
            if line is None:
                break
            lines.append(line)
        return lines

    def pending(self):
        """What has come and was not taken."""
        self.link.settimeout(0)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            while not self.ended and self.read_more():
                pass
        self.link.settimeout(HANGS_AFTER)
        return self.buffer

    def rest(self):
        """All that comes up to the end of the connection; None where it does not end."""
        while not self.ended:
            if not self.read_more():
                return None
        return self.buffer

    def start_tls(self, context, **options):
        self.link = context.wrap_socket(self.link, suppress_ragged_eofs=True, **options)
        self.buffer = b""

    def end_input(self):
        """Nothing more is sent."""
        with contextlib.suppress(OSError):
            # An SSLSocket's own would forget TLS, and what still comes could not be read.
            socket.socket.shutdown(self.link, socket.SHUT_WR)

    def close_orderly(self):
        """Ends the connection from this side; what the other end still had to say."""
        if not isinstance(self.link, ssl.SSLSocket):
            self.end_input()
            return self.rest()
        rest = self.pending()
        try:
            self.link.unwrap()
        except ssl.SSLError as error:
            return rest + str(error).encode()
        except TimeoutError:
            return None
        except OSError:  # the other end closed at the same time
            pass
        return rest

    def close(self):
        self.link.close()
