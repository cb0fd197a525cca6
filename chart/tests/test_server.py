"""What the chart sets is what the server reads: the real server is started with the environment of the rendered pod.

The server's path is in TOFU_STATE_PROGRAM; `make chart-test` builds it and sets that.
"""

import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest
import urllib.request

from programs import CHART, ROOT
from test_chart import HERE, VALUES, one, rendered

CONFIG = ROOT / "host" / "server" / "src" / "config"
SETTINGS = [CONFIG / "settings.rs", *sorted((CONFIG / "settings").glob("*.rs"))]
PATIENCE = 90
# What every file with a secret holds; no log shows it.
SECRET = "a-token-of-some-length"


def environment(container):
    """The plain variables of a container."""
    return {variable["name"]: variable.get("value") for variable in container["env"]}


@functools.cache
def key_pair():
    """A certificate of its own, and its key."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = pathlib.Path(folder) / "key", pathlib.Path(folder) / "certificate"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"]
        subprocess.run(command, check=True, capture_output=True)
        return {"tls.crt": certificate.read_text(), "tls.key": key.read_text()}


class Settings(unittest.TestCase):
    """Names of settings are the server's."""

    def names(self):
        text = "\n".join(file.read_text() for file in SETTINGS)
        names = set(re.findall(r'^    name: "([A-Z_]+)",$', text, re.MULTILINE))
        self.assertGreater(len(names), 50)
        secrets = set(re.findall(r'^    name: "([A-Z_]+)",\n(?:.*\n){0,2}    secret: true', text, re.MULTILINE))
        return names, secrets

    def test_every_setting_can_be_set(self):
        names, secrets = self.names()
        template = (CHART / "templates" / "_environment.tpl").read_text()
        offered = set(re.findall(r"\b[A-Z][A-Z_]{3,}\b", template))
        # config.otel takes any of these but headers.
        wanted = {name for name in names - secrets if not name.startswith("OTEL_")}
        wanted |= {f"{secret}_FILE" for secret in secrets}
        self.assertEqual(wanted - offered, set(), "the chart cannot set these (templates/_environment.tpl)")

    def test_nothing_is_set_that_the_server_does_not_read(self):
        names, secrets = self.names()
        known = names | {f"{secret}_FILE" for secret in secrets}
        for values in VALUES:
            container = one(rendered(values), "Deployment")["spec"]["template"]["spec"]["containers"][0]
            seen = {name for name in environment(container) if not name.startswith(("OTEL_", "POD_", "RUST_BACK"))}
            self.assertEqual(seen - known, set(), values.name)


class Started(unittest.TestCase):
    """The real server accepts the pod's environment and is ready where the probes ask."""

    def test_the_server_starts_as_each_values_file_says(self):
        for values in VALUES:
            with self.subTest(values=values.name):
                pod = one(rendered(values), "Deployment")["spec"]["template"]["spec"]
                self.start(pod)

    def start(self, pod):
        container = pod["containers"][0]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            self.fill(folder, pod)
            variables = {name: value for name, value in environment(container).items() if value is not None}
            for name, value in variables.items():
                if value.startswith(("/etc/tofu-state", "/var/lib/tofu-state", "/run/tofu-state")):
                    variables[name] = f"{folder}{value}"
            self.assertEqual((variables["LISTEN_ADDR"], variables["ADMIN_ADDR"]), (":8080", ":9090"))
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            self.assertEqual(ports, {"http": 8080, "admin": 9090})
            # The pod's ports may be taken on this machine, and nothing here may reach another one.
            variables |= {"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0"}
            if "BAO_ADDR" in variables:
                scheme = variables["BAO_ADDR"].partition("://")[0]
                variables["BAO_ADDR"] = f"{scheme}://127.0.0.1:9"
            variables.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
            bound = folder / "addresses.json"
            command = [os.environ["TOFU_STATE_PROGRAM"], *container["args"], "--address-file", str(bound)]
            with open(folder / "log", "w+", encoding="utf-8") as log:
                server = subprocess.Popen(command, env=variables, stdout=log, stderr=log, cwd=folder)
                try:
                    self.probe(server, bound, container, folder / "log")
                    server.terminate()
                    self.assertEqual(server.wait(timeout=PATIENCE), 0, (folder / "log").read_text())
                    self.assertNotIn(SECRET, (folder / "log").read_text())
                finally:
                    server.kill()
                    server.wait()

    def fill(self, folder, pod):
        """Files where the pod has its volumes."""
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in pod["containers"][0]["volumeMounts"]:
            target = folder / mount["mountPath"].lstrip("/")
            target.mkdir(parents=True)
            volume = volumes[mount["name"]]
            source = volume.get("secret") or volume.get("configMap") or {}
            for item in source.get("items", []):
                (target / item["path"]).write_text(self.content(item["path"]))
            for source in volume.get("projected", {}).get("sources", []):
                if "serviceAccountToken" in source:
                    path = source["serviceAccountToken"]["path"]
                    (target / path).write_text(self.content(path))

    def content(self, name):
        digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
        entry = f'[[token]]\nname = "ci"\nsha256 = "{digest}"\npaths = ["**"]\nrights = ["read"]\n'
        certificate = (HERE / "certificate.pem").read_text()
        contents = {"tokens.toml": entry, "ca.crt": certificate, "cli.tfrc": ""}
        if name in ("tls.crt", "tls.key"):
            contents |= key_pair()
        return contents.get(name, f"{SECRET}\n")

    def probe(self, server, bound, container, log):
        deadline = time.monotonic() + PATIENCE
        while not bound.is_file():
            self.assertIsNone(server.poll(), log.read_text())
            self.assertLess(time.monotonic(), deadline, log.read_text())
            time.sleep(0.02)
        admin = json.loads(bound.read_text())["admin"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            self.assertEqual(asked["port"], "admin")
            with urllib.request.urlopen(f"http://{admin}{asked['path']}", timeout=30) as answer:
                self.assertEqual(answer.status, 200)


if __name__ == "__main__":
    unittest.main()
