"""Texts that servers have been known to change."""

import random


def large_body():
    generator = random.Random(7)
    return b"".join(generator.randbytes(37).hex().encode() + b"\r\n" for _ in range((1 << 20) // 76 + 1))


BODIES = {
    "empty": b"",
    "dots": b".\r\n..\r\n.a\r\n...b\r\na.\r\n\r\n.\r\n",
    "8 bits": "Grüße, 8 bits\r\n".encode() + bytes(range(160, 256)) + b"\r\n",
    "long lines": b"".join(b"x" * length + b"\r\n" for length in (990, 996, 997, 998)) + b"." + b"y" * 997 + b"\r\n",
    "blanks": b"a  \r\nb\t\r\n \r\n\r\n\r\n",
    "a mailbox's first line": b"From here on\r\n>From there\r\n",
    "1 MiB": large_body(),
}
