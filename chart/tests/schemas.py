"""Checks objects against the schemas that Kubernetes and the operators publish, unknown fields refused."""

import functools

import jsonschema
import kubernetes_validate
import yaml

from programs import go_module_folders

# The oldest Kubernetes that the chart takes (Chart.yaml), and the newest whose schemas the package has.
VERSIONS = ["1.30", "1.37"]

# Where each custom resource's definition lies in the Go module of its project (tools/crds/go.mod pins them).
DEFINITIONS = {
    "ExternalSecret": (
        "github.com/external-secrets/external-secrets",
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
    "ServiceMonitor": (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    "PrometheusRule": (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    "HTTPRoute": (
        "sigs.k8s.io/gateway-api",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
}


def closed(schema):
    """The schema with unknown fields refused, as the API server prunes them."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(part) for key, part in schema.items()}
    if isinstance(result.get("pattern"), str):
        # Go takes a flag there, Python only at the front.
        result["pattern"] = result["pattern"].replace("^(?i)", "(?i)^")
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_ended:
        result["additionalProperties"] = False
    return result


module_folders = functools.cache(go_module_folders)


@functools.cache
def custom(kind, api_version):
    """The schema of a custom resource."""
    module, file = DEFINITIONS[kind]
    definition = yaml.load((module_folders()[module] / file).read_text(), Loader=yaml.CSafeLoader)
    version = api_version.rpartition("/")[2]
    for offered in definition["spec"]["versions"]:
        if offered["name"] == version and offered["served"]:
            schema = closed(offered["schema"]["openAPIV3Schema"])
            # Described there as an open object; the API server knows it.
            schema["properties"]["metadata"] = {"type": "object"}
            return schema
    raise LookupError(f"{kind} has no served version {version}")


def check(document):
    """Raises jsonschema.ValidationError, or what says that there is no schema."""
    if document["kind"] in DEFINITIONS:
        jsonschema.validate(document, custom(document["kind"], document["apiVersion"]))
        return
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)
