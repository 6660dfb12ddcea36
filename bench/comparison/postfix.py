"""Debian's Postfix in a comparison: unpacked, not installed, in a private root with its queue on the disk."""

import socket

from mail_servers import Postfix as TestedPostfix
from private_root import PrivateRoot
from unpacked_package import unpacked
from waiting import wait_for

from comparison import syncs, tools
from comparison.group import new_group
from comparison.scenarios import DEFAULT, TUNED, smtp_processes

PACKAGE = "postfix"
NEXTHOP = f"[{tools.SMART_HOST}]:{tools.MX_PORT}"
USERS = {"root": 0, "postfix": 1001, "postdrop": 1002, "nobody": 65534}
# The default set-up is Debian's but for chroot, who may relay, and where it listens and logs.
COMMON = {
    "compatibility_level": "3.6", "queue_directory": "/shared/spool", "command_directory": "/usr/sbin",
    "daemon_directory": "/usr/lib/postfix/sbin", "data_directory": "/var/lib/postfix", "mail_owner": "postfix",
    "setgid_group": "postdrop", "maillog_file_prefixes": "/shared/log", "maillog_file": "/shared/log/postfix.log",
    "myhostname": "relay.bench.test", "mydestination": "", "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "loopback-only", "inet_protocols": "ipv4", "alias_maps": "", "alias_database": "",
}
TUNED_SETTINGS = {
    "in_flow_delay": "0", "smtpd_client_connection_count_limit": "0",
    "smtpd_client_event_limit_exceptions": "static:all", "smtpd_peername_lookup": "no", "smtpd_delay_reject": "no",
    "receive_override_options": "no_address_mappings,no_header_body_checks", "local_header_rewrite_clients": "",
    "smtp_destination_concurrency_limit": "20", "default_destination_concurrency_limit": "20",
    "initial_destination_concurrency": "20", "default_destination_concurrency_failed_cohort_limit": "10",
    "smtp_connection_reuse_time_limit": "300s", "qmgr_message_active_limit": "100000",
    "qmgr_message_recipient_limit": "100000", "hash_queue_names": "deferred,defer,incoming,active",
    "hash_queue_depth": "1", "max_use": "20000", "max_idle": "300s",
}


def main_cf(name, scenario, shim):
    settings = dict(COMMON)
    settings["import_environment"] = " ".join(["MAIL_CONFIG", "TZ", *shim.variables])
    if scenario.tls_in:
        settings |= {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": "/etc/mx/key.pem, /etc/mx/cert.pem"}
    if scenario.tls_out:
        settings["smtp_tls_security_level"] = "encrypt"
    if not scenario.domains:
        settings["relayhost"] = NEXTHOP
    if scenario.storm:
        settings |= {"minimal_backoff_time": "2s", "maximal_backoff_time": "2s", "queue_run_delay": "2s"}
    if scenario.backlog:
        settings |= {"minimal_backoff_time": "1h", "maximal_backoff_time": "1h"}
    if name != DEFAULT:
        settings |= tuned(name, scenario)
    elif scenario.one_message_a_connection:
        settings["smtp_connection_cache_on_demand"] = "no"
    return settings


def tuned(name, scenario):
    settings = {**TUNED_SETTINGS, "default_process_limit": str(max(100, scenario.sessions))}
    reuse = name == TUNED and not scenario.one_message_a_connection
    settings["smtp_connection_cache_on_demand"] = "yes" if reuse else "no"
    if reuse:
        settings["smtp_tls_connection_reuse"] = "yes" if scenario.tls_out else "no"
        if not scenario.domains:
            settings["smtp_connection_cache_destinations"] = NEXTHOP
    if not scenario.domains:
        settings["disable_dns_lookups"] = "yes"
    return settings


def master_cf(name, scenario):
    """The services; the tuned ones with the limits of processes raised to what the scenario can use."""
    lines = []
    for line in TestedPostfix.SERVICES.format(listen=tools.RELAY).strip().splitlines():
        words = line.split()
        if name != DEFAULT and words[7] == "smtpd":
            words[6] = str(max(200, scenario.sessions))
        if name != DEFAULT and words[0] == "smtp":
            words[6] = str(smtp_processes(scenario))
        lines.append(" ".join(words))
    if name != DEFAULT:
        lines.append("tlsproxy unix - - n - 0 tlsproxy")
    return "\n".join(lines) + "\n"


class Postfix:
    def __init__(self, name, folder, scenario, certificate):
        self.name = name
        self.group = new_group("relay")
        shared = folder / "shared"
        for part in ("spool", "log", "files/etc/postfix"):
            (shared / part).mkdir(parents=True)
        self.shim = syncs.SyncShim(shared, "/shared", scenario.sync_ms)
        settings = main_cf(name, scenario, self.shim)
        variables = " ".join(f"{key}={value}" for key, value in self.shim.variables.items())
        start = (f"chown postfix /var/lib/postfix && ulimit -n $(ulimit -H -n) && export {variables} && "
                 "exec postfix start-fg")
        self.root = PrivateRoot(folder, unpacked(PACKAGE), self.files(name, settings, scenario, certificate),
                                ("sh", "-c", start), before=self.group.enter())
        self.group.began(self.root.process)
        try:
            wait_for("Postfix to greet", self.greets)
        except BaseException:
            self.close()
            raise

    def files(self, name, settings, scenario, certificate):
        chain, key = certificate
        return {
            "etc/passwd": "".join(f"{user}:x:{number}:{number}::/:/bin/sh\n" for user, number in USERS.items()),
            "etc/group": "".join(f"{user}:x:{number}:\n" for user, number in USERS.items()),
            "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
            "etc/services": "smtp 25/tcp\n", "etc/hosts": "127.0.0.1 localhost\n",
            "etc/resolv.conf": f"nameserver {tools.DNS.split(':')[0]}\n",
            "etc/mx/cert.pem": chain.read_text(), "etc/mx/key.pem": key.read_text(),
            "etc/postfix/main.cf": "".join(f"{key} = {value}\n" for key, value in settings.items()),
            "etc/postfix/master.cf": master_cf(name, scenario)}

    def greets(self):
        if not self.running():
            raise RuntimeError(f"Postfix did not start:\n{self.log()[-4000:]}")
        try:
            host, port = tools.RELAY.split(":")
            with socket.create_connection((host, int(port)), timeout=20) as link:
                return link.recv(3) == b"220"
        except OSError:
            return False

    def running(self):
        return self.root.process.poll() is None

    def log(self):
        logs = [self.root.log(), *(file.read_text(errors="replace") for file in self.root.shared.glob("log/*"))]
        return "\n".join(logs)

    def write_ahead_logs(self):
        return set()

    def close(self):
        self.root.close()
        self.group.close()


def version():
    (name,) = [line for line in (unpacked(PACKAGE) / "archives.txt").read_text().split("\n")
               if line.startswith("postfix_")]
    return name.split("_")[1]
