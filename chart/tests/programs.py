"""The programs that the chart's tests run: on PATH, or in the cache where `tools/fetch-peers` puts them."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "chart" / "tofu-state"
# The version stands in tools/fetch-peers, too.
HELM = ("helm", "helm-3.22.0")


def find(name, pinned):
    """The program's path; an error that says what to do if it is nowhere."""
    default = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "tofu-state"
    cached = pathlib.Path(os.environ.get("TOFU_STATE_CACHE") or default) / pinned / name
    found = shutil.which(name) or (cached if cached.is_file() else None)
    if not found:
        raise RuntimeError(f"`{name}` is neither on PATH nor in the cache: run `tools/fetch-peers {name}`")
    return str(found)


def helm(*arguments):
    """Runs helm without the settings of whoever runs the tests: status, standard output, standard error."""
    with tempfile.TemporaryDirectory() as home:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE", "XDG_"))}
        done = subprocess.run(
            [find(*HELM), *arguments], env={**kept, "HOME": home}, capture_output=True, text=True, check=False
        )
    return done.returncode, done.stdout, done.stderr


def go_module_folders():
    """Where the Go modules of tools/crds are, by name; fetched if need be."""
    download = subprocess.run(
        ["go", "mod", "download", "-json"], cwd=ROOT / "tools" / "crds", capture_output=True, text=True, check=False
    )
    if download.returncode != 0:
        raise RuntimeError(f"the modules of tools/crds could not be fetched: {download.stdout}{download.stderr}")
    decoder, text, folders = json.JSONDecoder(), download.stdout.strip(), {}
    while text:
        module, end = decoder.raw_decode(text)
        folders[module["Path"]] = pathlib.Path(module["Dir"])
        text = text[end:].strip()
    return folders
