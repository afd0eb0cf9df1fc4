"""Take one file out of a package of the npm registry: fetch_npm.py PACKAGE VERSION PATH_IN_TARBALL DESTINATION.

Needs no npm: it reads the registry that npm's own configuration names. The tarball's integrity is checked.
"""

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

DEFAULT_REGISTRY = "https://registry.npmjs.org/"


def main(package: str, version: str, member: str, destination: str) -> None:
    document = json.loads(read(f"{registry()}{package}/{version}"))
    tarball = read(document["dist"]["tarball"])
    algorithm, _, expected = document["dist"]["integrity"].partition("-")
    if base64.b64encode(hashlib.new(algorithm, tarball).digest()).decode() != expected:
        sys.exit(f"{package} {version}: the tarball does not have the integrity that the registry names")
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        file = archive.extractfile(member)
        if file is None:
            sys.exit(f"{package} {version} has no {member}")
        target = Path(destination)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read())
    print(f"{destination}: {package} {version}")


def registry() -> str:
    url = os.environ.get("NPM_CONFIG_REGISTRY", "")
    if not url and shutil.which("npm"):
        run = subprocess.run(["npm", "config", "get", "registry"], capture_output=True, text=True, check=False)
        url = run.stdout.strip() if run.returncode == 0 else ""
    return (url or DEFAULT_REGISTRY).rstrip("/") + "/"


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
