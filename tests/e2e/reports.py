"""Delivery status notifications (RFC 3464) as Python's email package reads them."""

import email
import email.policy


class Report:
    """parts: the three of multipart/report; message: fields about the message; recipients: fields of each recipient."""

    def __init__(self, received):
        self.received = received
        self.mail = email.message_from_bytes(received.behind_trace, policy=email.policy.SMTP)
        assert not self.mail.defects
        assert self.mail.get_content_type() == "multipart/report"
        assert self.mail.get_param("report-type") == "delivery-status"
        self.parts = list(self.mail.iter_parts())
        assert len(self.parts) == 3
        assert self.parts[1].get_content_type() == "message/delivery-status"
        blocks = self.parts[1].get_payload()
        self.message = fields_of(blocks[0])
        self.recipients = [fields_of(block) for block in blocks[1:]]

    @property
    def text(self):
        return self.parts[0].get_content()

    @property
    def returned(self):
        """What is returned of the message: its header, or all of it."""
        return self.parts[2]


def fields_of(block):
    return {name: " ".join(str(value).split()) for name, value in block.items()}


def parse_report(received):
    return Report(received)
