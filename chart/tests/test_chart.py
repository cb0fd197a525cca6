"""The chart, rendered by the real helm: against golden output, the schemas of Kubernetes, and the server itself.

`make chart-test` runs this; `UPDATE_GOLDEN=1 make chart-test` writes the golden output anew.
"""

import functools
import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import jsonschema
import yaml

import schemas
from programs import CHART, ROOT, helm

HERE = pathlib.Path(__file__).resolve().parent
VALUES = sorted((HERE / "values").glob("*.yaml"))
REFUSED = sorted((HERE / "refused").glob("*.yaml"))
RELEASE = ["states", str(CHART), "--namespace", "platform"]


def load_all(text):
    """Every YAML document of a text, by the parser in C: the one in Python takes a minute for this file."""
    return yaml.load_all(text, Loader=yaml.CSafeLoader)


@functools.cache
def text_of(values, *arguments):
    """What `helm template` prints for a values file."""
    status, out, error = helm("template", *RELEASE, "--values", str(values), *arguments)
    if status != 0:
        raise AssertionError(f"helm template with {values.name}: {error}")
    return out


def rendered(values, *arguments):
    """All objects that the chart makes of a values file."""
    return [document for document in load_all(text_of(values, *arguments)) if document]


def notes_of(values):
    """What `helm install` prints at its end. It needs a cluster, so a copy of the chart renders the same template."""
    with tempfile.TemporaryDirectory() as folder:
        chart = pathlib.Path(folder) / "tofu-state"
        shutil.copytree(CHART, chart)
        (chart / "templates" / "notes.yaml").write_text('notes: {{ include "tofu-state.notes" . | quote }}\n')
        name, _, *rest = RELEASE
        shown = ["--show-only", "templates/notes.yaml"]
        status, out, error = helm("template", name, str(chart), *rest, "--values", str(values), *shown)
        if status != 0:
            raise AssertionError(f"the notes of {values.name}: {error}")
        return yaml.safe_load(out)["notes"]


def one(documents, kind, name=None):
    """The only object of that kind (and name)."""
    found = [d for d in documents if d["kind"] == kind and name in (None, d["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} objects of kind {kind}"
    return found[0]


def pods(documents):
    """The specification of each pod that would run."""
    for document in documents:
        if document["kind"] == "Pod":
            yield document["metadata"]["name"], document["spec"]
        elif "template" in document.get("spec", {}) and document["kind"] == "Deployment":
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]


def same_for_every_release(text):
    """The text without what changes with each release, or is checked elsewhere in this file."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    text = text.replace(f"tofu-state-{chart['version']}", "tofu-state-VERSION")
    text = text.replace(f'"{chart["appVersion"]}"', '"VERSION"').replace(f':{chart["appVersion"]}"', ':VERSION"')
    text = text.replace(f"tofu-state {chart['appVersion']} serves", "tofu-state VERSION serves")
    text = re.sub(r"(\n  tofu-state\.json: \|\n)(    .*\n|\n)+", r"\1    (dashboards/tofu-state.json)\n", text)
    return re.sub(r"(kind: PrometheusRule\n(?:.*\n)*?spec:\n)(  .*\n|\n)+", r"\1  (alerts/tofu-state.yaml)\n", text)


class Golden(unittest.TestCase):
    """What is rendered is what was read and agreed to."""

    maxDiff = None

    def test_rendered_objects_and_notes(self):
        for values in VALUES:
            for suffix, text in [("yaml", text_of), ("notes.txt", notes_of)]:
                with self.subTest(values=values.name, part=suffix):
                    self.same(HERE / "golden" / f"{values.stem}.{suffix}", same_for_every_release(text(values)))

    def same(self, golden, text):
        if os.environ.get("UPDATE_GOLDEN"):
            golden.write_text(text)
        self.assertTrue(golden.is_file(), f"{golden.name} is missing: UPDATE_GOLDEN=1 make chart-test writes it")
        self.assertEqual(golden.read_text(), text, "UPDATE_GOLDEN=1 make chart-test writes it anew; then read the diff")

    def test_no_golden_file_is_left_over(self):
        wanted = {f"{values.stem}.{suffix}" for values in VALUES for suffix in ("yaml", "notes.txt")}
        found = {file.name for file in (HERE / "golden").iterdir()}
        # What is missing is another test's to tell, or to write.
        self.assertEqual(found - wanted, set(), "no values file leads to these: remove them")


class Refused(unittest.TestCase):
    """Wrong values end with a sentence, the one in the first line of the file."""

    def test_wrong_values(self):
        self.assertGreater(len(REFUSED), 0)
        for values in REFUSED:
            with self.subTest(values=values.name):
                sentence = values.read_text().splitlines()[0].removeprefix("# ")
                image = [] if "image:" in values.read_text() else ["--set", "image.repository=x"]
                status, out, error = helm("template", *RELEASE, "--values", str(values), *image)
                self.assertNotEqual(status, 0, "it was accepted")
                self.assertIn(sentence, error)
                self.assertEqual(out, "")

    def test_every_object_of_the_schema_is_closed_or_a_map_of_someone_elses(self):
        open_ended = set()

        def walk(schema, path):
            if schema.get("type") == "object":
                if schema.get("additionalProperties") is not False and "additionalProperties" not in schema:
                    open_ended.add(path)
            for name, part in schema.get("properties", {}).items():
                walk(part, f"{path}.{name}".lstrip("."))
            for name, part in schema.get("$defs", {}).items():
                walk(part, f"$defs.{name}")
            if "items" in schema:
                walk(schema["items"], f"{path}[]")

        schema = json.loads((CHART / "values.schema.json").read_text())
        walk(schema, "")
        # Objects of Kubernetes' own, which it checks itself, and Helm's `global`.
        theirs = {"$defs.objects[]", "extraEnv[].valueFrom", "global"}
        theirs |= {f"affinity.{kind}" for kind in ("nodeAffinity", "podAffinity", "podAntiAffinity")}
        self.assertEqual(open_ended, theirs)

    def test_every_value_is_in_the_schema_and_the_other_way_round(self):
        schema = json.loads((CHART / "values.schema.json").read_text())
        values = yaml.safe_load((CHART / "values.yaml").read_text())

        def compare(part, value, path):
            part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
            known = set(part.get("properties", {})) - {"global"}
            if known and path != "affinity" and isinstance(value, dict):
                self.assertEqual(known, set(value), path)
                for name in known:
                    compare(part["properties"][name], value[name], f"{path}.{name}".lstrip("."))

        values["resources"].setdefault("limits", {})
        compare(schema, values, "")


class Valid(unittest.TestCase):
    """What is rendered is valid, and no more than it has to be."""

    def test_helm_lint(self):
        for values in VALUES:
            with self.subTest(values=values.name):
                status, out, error = helm("lint", "--strict", str(CHART), "--values", str(values))
                self.assertEqual(status, 0, out + error)
                self.assertNotIn("[WARNING]", out)

    def test_objects_fit_the_schemas_of_kubernetes_and_of_the_operators(self):
        for values in VALUES:
            for document in rendered(values):
                with self.subTest(values=values.name, kind=document["kind"]):
                    schemas.check(document)

    def test_the_schemas_can_refuse(self):
        by_kind = {}
        for values in VALUES:
            by_kind |= {document["kind"]: document for document in rendered(values)}
        for kind, document in by_kind.items():
            with self.subTest(kind=kind):
                wrong = {**document, "surely-unknown": 1}
                with self.assertRaises(Exception) as raised:
                    schemas.check(wrong)
                self.assertIn("surely-unknown", str(raised.exception))
        rule = json.loads(json.dumps(by_kind["PrometheusRule"]))
        rule["spec"]["groups"][0]["rules"][0]["expression"] = "1"
        with self.assertRaises(jsonschema.ValidationError):
            schemas.check(rule)

    def test_names_are_unique(self):
        for values in VALUES:
            names = [(d["kind"], d["metadata"]["name"]) for d in rendered(values)]
            self.assertEqual(len(names), len(set(names)), values.name)

    def test_a_long_release_name_fits(self):
        name = "a-release-with-a-name-as-long-as-helm-lets-it-become1"
        status, out, error = helm(
            "template", name, str(CHART), "--set", "image.repository=x", "--set", "nameOverride=" + "b" * 63
        )
        self.assertEqual(status, 0, error)
        for document in load_all(out):
            if document:
                self.assertLessEqual(len(document["metadata"]["name"]), 63)
                schemas.check(document)


class Hardened(unittest.TestCase):
    """Every pod fits the Pod Security Standard `restricted`, and more."""

    def test_pods(self):
        # https://kubernetes.io/docs/concepts/security/pod-security-standards/
        allowed_volumes = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
        allowed_volumes |= {"projected", "secret"}
        seen = 0
        for values in VALUES:
            for name, pod in pods(rendered(values)):
                with self.subTest(values=values.name, pod=name):
                    seen += 1
                    self.assertIs(pod["automountServiceAccountToken"], False)
                    self.assertIs(pod["enableServiceLinks"], False)
                    self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
                    self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
                    self.assertNotEqual(pod["securityContext"].get("runAsUser"), 0)
                    for field in ("hostNetwork", "hostPID", "hostIPC", "initContainers"):
                        self.assertNotIn(field, pod)
                    for volume in pod.get("volumes", []):
                        self.assertLessEqual(set(volume) - {"name"}, allowed_volumes)
                    for container in pod["containers"]:
                        context = container["securityContext"]
                        self.assertIs(context["allowPrivilegeEscalation"], False)
                        self.assertIs(context["readOnlyRootFilesystem"], True)
                        self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
                        self.assertIn("memory", container["resources"]["limits"])
                        for mount in container.get("volumeMounts", []):
                            writable = mount["name"] in ("data", "run", "cache", "mirror-packages", "recordings")
                            self.assertEqual(mount.get("readOnly", False), not writable, mount)
                            self.assertNotIn("subPath", mount)
        self.assertGreaterEqual(seen, 2 * len(VALUES))

    def test_no_secret_is_rendered_and_none_is_in_the_environment(self):
        for values in VALUES:
            documents = rendered(values)
            self.assertEqual([d["kind"] for d in documents if d["kind"] == "Secret"], [], values.name)
            for _, pod in pods(documents):
                for container in pod["containers"]:
                    names = {variable["name"] for variable in container.get("env", [])}
                    self.assertFalse(names & {"API_TOKEN", "BAO_TOKEN", "BAO_SECRET_ID"}, values.name)

    def test_the_admin_port_is_on_no_service_that_is_published(self):
        for values in VALUES:
            documents = rendered(values)
            for service in (d for d in documents if d["kind"] == "Service"):
                ports = {port["name"] for port in service["spec"]["ports"]}
                self.assertIn(ports, ({"http"}, {"admin"}))
            published = [d for d in documents if d["kind"] in ("Ingress", "HTTPRoute")]
            self.assertNotIn("-admin", json.dumps(published))


class Fits(unittest.TestCase):
    """Times and sizes fit the server's."""

    def test_the_grace_period_fits_the_drain(self):
        # host/server/src/main.rs: 60 s or 40 s beyond STORE_WAIT, 5 s to queue, 5 s more.
        for wait, stop, drain in [("0s", 0, 70), ("20s", 5, 70), ("45s", 5, 95), ("120s", 30, 170)]:
            sets = f"config.storeWait={wait},preStopSeconds={stop},image.repository=x,ingress.enabled=true"
            status, out, error = helm("template", *RELEASE, "--set", sets)
            self.assertEqual(status, 0, error)
            documents = [d for d in load_all(out) if d]
            grace = one(documents, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            self.assertGreater(grace, drain + stop)
            notes = one(documents, "Ingress")["metadata"]["annotations"]
            for side in ("read", "send"):
                self.assertGreater(int(notes[f"nginx.ingress.kubernetes.io/proxy-{side}-timeout"]), drain - 5)

    def test_the_ingress_lets_the_largest_state_pass(self):
        for size, nginx in [("64MiB", "64m"), ("512KiB", "512k"), ("1GiB", "1g")]:
            sets = f"config.maxStateBytes={size},image.repository=x,ingress.enabled=true"
            _, out, error = helm("template", *RELEASE, "--set", sets)
            documents = [d for d in load_all(out) if d]
            annotations = one(documents, "Ingress")["metadata"]["annotations"]
            self.assertEqual(annotations["nginx.ingress.kubernetes.io/proxy-body-size"], nginx, error)

    def test_the_embedded_store_has_one_server_and_a_volume_that_stays(self):
        documents = rendered(HERE / "values" / "embedded.yaml")
        deployment = one(documents, "Deployment")["spec"]
        self.assertEqual(deployment["replicas"], 1)
        self.assertEqual(deployment["strategy"], {"type": "Recreate"})
        claim = one(documents, "PersistentVolumeClaim")
        self.assertEqual(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep")
        volumes = deployment["template"]["spec"]["volumes"]
        self.assertIn(claim["metadata"]["name"], [v.get("persistentVolumeClaim", {}).get("claimName") for v in volumes])

    def test_dashboards_and_alerts_are_the_files_as_they_are(self):
        documents = rendered(HERE / "values" / "defaults.yaml")
        dashboards = one(documents, "ConfigMap", "states-tofu-state-dashboards")
        packed = json.loads(dashboards["data"]["tofu-state.json"])
        self.assertEqual(packed, json.loads((CHART / "dashboards" / "tofu-state.json").read_text()))
        alerts = yaml.safe_load((CHART / "alerts" / "tofu-state.yaml").read_text())
        self.assertEqual(one(documents, "PrometheusRule")["spec"], alerts)

    def test_every_alert_has_a_chapter_in_the_runbook(self):
        chapters = re.findall(r"^#+ (.+)$", (ROOT / "RUNBOOK.md").read_text(), re.MULTILINE)
        alerts = yaml.safe_load((CHART / "alerts" / "tofu-state.yaml").read_text())
        rules = [rule for group in alerts["groups"] for rule in group["rules"] if "alert" in rule]
        self.assertGreater(len(rules), 0)
        for rule in rules:
            with self.subTest(alert=rule["alert"]):
                self.assertIn(rule["alert"], chapters)
                self.assertEqual(rule["annotations"]["runbook"], f"RUNBOOK.md#{rule['alert'].lower()}")


class Runbook(unittest.TestCase):
    """Whoever follows a link of the runbook at night gets somewhere."""

    def test_links_within_it_lead_to_a_chapter(self):
        text = (ROOT / "RUNBOOK.md").read_text()
        headings = re.findall(r"^#+ (.+)$", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
        # As GitHub and Forgejo make anchors of headings.
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        links = re.findall(r"\]\(#([^)]+)\)", text)
        self.assertGreater(len(links), 10)
        self.assertEqual(set(links) - anchors, set())


if __name__ == "__main__":
    unittest.main(verbosity=1)
