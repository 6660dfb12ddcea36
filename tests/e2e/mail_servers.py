"""Other people's mail servers, each in a private root: they deliver into a Maildir of each of PEOPLE."""

import imaplib
import os
import pathlib
import poplib
import socket
import subprocess

from private_root import PrivateRoot
from unpacked_package import unpacked
from waiting import wait_for

PEOPLE = {"ann": 2001, "bob": 2002, "eve": 2003}


class MailServer:
    """Takes mail for `domain`, over TLS only where it can, on `address`:`port` as mx1.`domain`, with `certificate`."""

    package = None
    libraries = ()  # that the package only recommends
    accounts = {}  # of the system: name to number of user and group
    command = ()  # the server, in the foreground
    speaks_tls = True

    def __init__(self, directory, address, port, domain, certificate, **settings):
        self.address, self.port, self.domain = address, port, domain
        self.homes = directory / "shared" / "home"
        for name, number in PEOPLE.items():
            home = self.homes / name
            home.mkdir(parents=True)
            os.chown(home, number, number)
        (directory / "shared/files/etc/mx").mkdir(parents=True)
        self.prepare(directory / "shared/files")
        files = {"etc/mx/cert.pem": certificate.chain.read_text(), "etc/mx/key.pem": certificate.key.read_text(),
                 **self.system_files(), **self.files(**settings)}
        self.root = PrivateRoot(directory, unpacked(self.package, self.libraries), files, self.command)
        self.wait_ready()

    def system_files(self):
        people = {**self.accounts, **PEOPLE}
        users = ["root:x:0:0::/root:/bin/sh", "nobody:x:65534:65534::/:/bin/false"]
        groups = ["root:x:0:", "mail:x:8:", "nogroup:x:65534:"]
        for name, number in people.items():
            home = f"/shared/home/{name}" if name in PEOPLE else "/"
            users.append(f"{name}:x:{number}:{number}::{home}:/bin/sh")
            groups.append(f"{name}:x:{number}:")
        return {"etc/passwd": "\n".join(users) + "\n", "etc/group": "\n".join(groups) + "\n",
                "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\n",
                "etc/services": "smtp 25/tcp\nsubmission 587/tcp\nsubmissions 465/tcp\n",
                "etc/hosts": f"127.0.0.1 localhost relay.client.test\n{self.address} mx1.{self.domain}\n"}

    def files(self, **settings):
        """The server's own configuration: path inside to text."""
        raise NotImplementedError

    def prepare(self, place):
        """Puts into `place` what is more than text; `place` becomes the root."""

    def wait_ready(self):
        def greeted():
            assert self.root.process.poll() is None, f"{self.package} has ended:\n{self.log()}"
            try:
                with socket.create_connection((self.address, self.port), timeout=20) as link:
                    return link.recv(3) == b"220"
            except OSError:
                return False
        try:
            wait_for(f"{self.package} to greet", greeted)
        except AssertionError as error:
            self.close()
            raise AssertionError(f"{error}\n{self.log()}") from None

    def log(self):
        logs = [self.root.log(), *(file.read_text(errors="replace") for file in self.root.shared.glob("log/*"))]
        return "\n".join(logs)

    def mailbox(self, name):
        """The messages of one of PEOPLE."""
        return [file.read_bytes() for file in sorted((self.homes / name).glob("Maildir/new/*"))]

    def wait_mail(self, name, count=1):
        """The messages of one of PEOPLE, as soon as there are `count`."""
        wait_for(f"{count} message(s) for {name} at {self.package}", lambda: len(self.mailbox(name)) >= count)
        return self.mailbox(name)

    def close(self):
        self.root.close()


class Postfix(MailServer):
    package = "postfix"
    libraries = ("libsasl2-modules",)  # to log in as a client
    accounts = {"postfix": 1001, "postdrop": 1002}
    command = ("sh", "-c", "chown postfix /var/lib/postfix && mkdir -p /shared/log && exec postfix start-fg")

    # What Debian's master.cf has, without chroot, and without what local mail does not need.
    SERVICES = """
{listen} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def files(self, **settings):
        main = {
            "compatibility_level": "3.6", "queue_directory": "/var/spool/postfix", "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin", "data_directory": "/var/lib/postfix",
            "mail_owner": "postfix", "setgid_group": "postdrop",
            "maillog_file_prefixes": "/shared/log", "maillog_file": "/shared/log/postfix.log",
            "myhostname": f"mx1.{self.domain}", "mydestination": self.domain, "mynetworks": "",
            # Postfix wants addresses that an interface has; master.cf says where it listens.
            "inet_interfaces": "loopback-only", "inet_protocols": "ipv4", "alias_maps": "", "alias_database": "",
            "home_mailbox": "Maildir/", "smtpd_relay_restrictions": "reject_unauth_destination",
            "smtpd_tls_security_level": "encrypt", "smtpd_tls_received_header": "yes",
            "smtpd_tls_chain_files": "/etc/mx/key.pem, /etc/mx/cert.pem", **settings}
        return {"etc/postfix/main.cf": "".join(f"{key} = {value}\n" for key, value in main.items()),
                "etc/postfix/master.cf": self.SERVICES.format(listen=f"{self.address}:{self.port}")}


class Exim(MailServer):
    package = "exim4-daemon-light"
    accounts = {"Debian-exim": 1001}
    command = ("sh", "-c", "mkdir -p /var/spool/exim4 /shared/log && chown Debian-exim /var/spool/exim4 /shared/log && "
               "chown root:Debian-exim /etc/mx/key.pem && chmod 640 /etc/mx/key.pem && exec exim4 -bdf -q1m")

    def files(self, **settings):
        return {"etc/exim4/exim4.conf": f"""
primary_hostname = mx1.{self.domain}
local_interfaces = {self.address}
daemon_smtp_ports = {self.port}
log_file_path = /shared/log/exim-%s
keep_environment =
# Deliver at once, however many messages came before on a connection.
smtp_accept_queue_per_connection = 0
tls_advertise_hosts = *
tls_certificate = /etc/mx/cert.pem
tls_privatekey = /etc/mx/key.pem
acl_smtp_rcpt = recipient
acl_smtp_data = accept

begin acl
recipient:
  deny message = TLS comes first
       ! encrypted = *
  accept domains = {self.domain}
         verify = recipient
  deny message = no such mailbox

begin routers
people:
  driver = accept
  domains = {self.domain}
  check_local_user
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = $home/Maildir
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add

begin retry
* * F,1m,1s
"""}


class OpenSmtpd(MailServer):
    """With opensmtpd_key.c, without which Debian's cannot do TLS; and then only with an RSA key."""

    package = "opensmtpd"
    accounts = {"opensmtpd": 1001, "opensmtpq": 1002}
    tls = "tls-require"
    preload = "export LD_PRELOAD=/etc/mx/opensmtpd_key.so"
    SOURCE = pathlib.Path(__file__).with_name("opensmtpd_key.c")

    @property
    def command(self):
        return ("sh", "-c", f"mkdir -p /var/spool/smtpd && chmod 711 /var/spool/smtpd && {self.preload} && "
                "exec smtpd -d -v")

    def prepare(self, place):
        subprocess.run(["cc", "-shared", "-fPIC", "-o", place / "etc/mx/opensmtpd_key.so", self.SOURCE], check=True,
                       capture_output=True, timeout=60)

    def files(self, **settings):
        return {"etc/smtpd.conf": f"""
pki other cert "/etc/mx/cert.pem"
pki other key "/etc/mx/key.pem"
listen on {self.address} port {self.port} {self.tls} pki other hostname mx1.{self.domain}
action deliver maildir
match from any for domain "{self.domain}" action deliver
""", "etc/mailname": f"mx1.{self.domain}\n"}


class OpenSmtpdAsPackaged(OpenSmtpd):
    """Offers STARTTLS, and then fails in every handshake."""

    tls = "tls"
    preload = "true"
    speaks_tls = False


class Dovecot(MailServer):
    """A mail store that takes mail by LMTP, and shows it over IMAP and POP3 at `imap_port` and `pop3_port`."""

    package = "dovecot-core"
    libraries = ("dovecot-lmtpd", "dovecot-imapd", "dovecot-pop3d")
    accounts = {"dovecot": 1001, "dovenull": 1002}
    command = ("sh", "-c", "mkdir -p /shared/log && exec dovecot -F")
    PASSWORD = "of-the-mailbox"
    FULL = "eve"  # has room for 2 KiB
    SOCKET = "lmtp"  # in the shared folder

    def __init__(self, directory, address, port, domain, certificate):
        self.imap_port, self.pop3_port = free_port(address), free_port(address)
        super().__init__(directory, address, port, domain, certificate)

    def files(self, **settings):
        users = []
        for name, number in PEOPLE.items():
            room = "userdb_quota_rule=*:bytes=2048" if name == self.FULL else ""
            users.append(f"{name}:{{PLAIN}}{self.PASSWORD}:{number}:{number}::/shared/home/{name}::{room}\n")
        return {"etc/dovecot/users": "".join(users), "etc/dovecot/dovecot.conf": f"""
hostname = mx1.{self.domain}
protocols = lmtp imap pop3
listen = {self.address}
log_path = /shared/log/dovecot.log
ssl = yes
ssl_cert = </etc/mx/cert.pem
ssl_key = </etc/mx/key.pem
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
mail_plugins = quota
auth_username_format = %Ln
passdb {{
  driver = passwd-file
  args = /etc/dovecot/users
}}
userdb {{
  driver = passwd-file
  args = /etc/dovecot/users
}}
service lmtp {{
  inet_listener lmtp {{
    port = {self.port}
  }}
  unix_listener /shared/{self.SOCKET} {{
    mode = 0666
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {self.pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
plugin {{
  quota = maildir
}}
"""}

    def mailbox(self, name):
        """Over IMAP, lines as they come."""
        with imaplib.IMAP4(self.address, self.imap_port, timeout=60) as imap:
            imap.login(name, self.PASSWORD)
            imap.select(readonly=True)
            _, (numbers,) = imap.search(None, "ALL")
            return [imap.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in numbers.split()]

    def pop3_mailbox(self, name):
        """The same over POP3."""
        pop3 = poplib.POP3(self.address, self.pop3_port, timeout=60)
        try:
            pop3.user(name)
            pop3.pass_(self.PASSWORD)
            return [b"".join(line + b"\r\n" for line in pop3.retr(number + 1)[1]) for number in range(pop3.stat()[0])]
        finally:
            pop3.quit()


def free_port(address):
    """One of the system; nobody else listens at an address of this test."""
    with socket.create_server((address, 0)) as server:
        return server.getsockname()[1]
