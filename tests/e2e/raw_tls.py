"""The server's side of TLS by OpenSSL itself, over a socket: what Python's ssl module cannot be made to say."""

import ctypes

SSL = ctypes.CDLL("libssl.so.3")
CRYPTO = ctypes.CDLL("libcrypto.so.3")
for function in (SSL.TLS_server_method, SSL.SSL_CTX_new, SSL.SSL_new, CRYPTO.BIO_new, CRYPTO.BIO_s_mem):
    function.restype = ctypes.c_void_p
PEM = 1  # SSL_FILETYPE_PEM
REQUESTED = 1  # SSL_KEY_UPDATE_REQUESTED
ROOM = 65536


def pointer(value):
    return ctypes.c_void_p(value)


class RawTls:
    """After STARTTLS, on a connected socket."""

    def __init__(self, link, certificate):
        self.link = link
        context = pointer(SSL.SSL_CTX_new(pointer(SSL.TLS_server_method())))
        assert SSL.SSL_CTX_use_certificate_chain_file(context, str(certificate.chain).encode()) == 1
        assert SSL.SSL_CTX_use_PrivateKey_file(context, str(certificate.key).encode(), PEM) == 1
        self.ssl = pointer(SSL.SSL_new(context))
        self.input, self.output = (pointer(CRYPTO.BIO_new(pointer(CRYPTO.BIO_s_mem()))) for _ in range(2))
        SSL.SSL_set_bio(self.ssl, self.input, self.output)
        SSL.SSL_set_accept_state(self.ssl)

    def taken(self):
        """What is to be sent."""
        room = ctypes.create_string_buffer(ROOM)
        octets = b""
        while (count := CRYPTO.BIO_read(self.output, room, ROOM)) > 0:
            octets += room.raw[:count]
        return octets

    def listen(self):
        octets = self.link.recv(ROOM)
        assert octets, "the peer has gone"
        CRYPTO.BIO_write(self.input, octets, len(octets))

    def shake_hands(self):
        while SSL.SSL_do_handshake(self.ssl) != 1:
            self.link.sendall(self.taken())
            self.listen()
        self.link.sendall(self.taken())

    def read(self):
        """Some of what the peer says."""
        room = ctypes.create_string_buffer(ROOM)
        while (count := SSL.SSL_read(self.ssl, room, ROOM)) <= 0:
            self.listen()
        return room.raw[:count]

    def encrypted(self, octets):
        assert SSL.SSL_write(self.ssl, octets, len(octets)) == len(octets)
        return self.taken()

    def key_update(self):
        """Which the peer has to answer (RFC 8446 section 4.6.3)."""
        assert SSL.SSL_key_update(self.ssl, REQUESTED) == 1
        assert SSL.SSL_do_handshake(self.ssl) == 1
        return self.taken()
