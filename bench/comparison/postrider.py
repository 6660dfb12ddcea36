"""The relay of this project in a comparison: its defaults, but for what the scenario is about."""

import os
import shutil
import subprocess

from comparison import syncs, tools
from comparison.group import new_group
from comparison.place import BIN, RUN_AS
from comparison.scenarios import POSTRIDER
from relay_process import to_toml
from waiting import wait_for


class Postrider:
    name = POSTRIDER

    def __init__(self, folder, scenario, certificate):
        self.group = new_group("relay")
        self.data = folder / "data"
        self.data.mkdir()
        shutil.chown(self.data, RUN_AS)
        self.shim = syncs.SyncShim(folder, folder, scenario.sync_ms)
        self.log_file = folder / "relay.log"
        config = folder / "postrider.toml"
        config.write_text(to_toml(self.settings(scenario, certificate)))
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [*self.group.enter(), BIN / "relay" / "postrider", "serve", "--config", config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.shim.variables})
        self.group.began(self.process)
        try:
            wait_for("postrider to be ready", self.ready)
        except BaseException:
            self.close()
            raise

    def ready(self):
        if not self.running():
            raise RuntimeError(f"postrider did not start:\n{self.log()[-4000:]}")
        return "server: ready" in self.log()

    def settings(self, scenario, certificate):
        chain, key = certificate
        tls = "encrypt" if scenario.tls_out else "none"
        sections = {
            "server": {"host_name": "relay.bench.test", "data_dir": str(self.data), "user": RUN_AS},
            "tls": {"certificate": str(chain), "key": str(key)},
            "listener": [{"address": tools.RELAY, "mode": "trusted"}],
            "submission": {"trusted_networks": ["127.0.0.0/8"], "connections_per_client_max": 10_000},
            "delivery": {"tls": tls, "allow_special_addresses": True},
            "dns": {"servers": [tools.DNS]},
            "journal": {"file": str(self.data / "journal.jsonl")},
            "admin": {"enabled": False},
        }
        if not scenario.domains:
            sections["route"] = [{"domain": "*", "host": tools.SMART_HOST, "port": tools.MX_PORT, "tls": tls}]
        if scenario.one_message_a_connection:
            sections["delivery"]["messages_per_connection_max"] = 1
        if scenario.storm:
            sections["retry"] = {"first_interval": "2s", "growth": 1.0, "interval_max": "2s"}
        if scenario.backlog:
            sections["retry"] = {"first_interval": "1h"}
        return sections

    def running(self):
        return self.process.poll() is None

    def log(self):
        return self.log_file.read_text(errors="replace")

    def write_ahead_logs(self):
        """The names of the store's logs: it begins one with each memtable."""
        return {file.name for file in self.data.glob("queue/*.log")}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.group.close()
