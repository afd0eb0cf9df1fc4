"""Fetch the third-party JavaScript that examples and tests use.

None of it is kept in this repository. `npm pack` does the work, with the registry that npm is set up for, and checks
each package's integrity. Destinations are ignored by git.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

# (package, version) → destination folder → files of the package
FILES = {
    ("gsap", "3.15.0"): {
        "examples/gsap/vendor": ["dist/gsap.min.js"],
        "tests/compositions/gsap/vendor": [
            "dist/gsap.min.js",
            "index.js",
            "gsap-core.js",
            "CSSPlugin.js",
            "dist/CustomEase.min.js",
            "dist/MotionPathPlugin.min.js",
            "dist/SplitText.min.js",
            "dist/TextPlugin.min.js",
        ],
        "tests/compositions/shader_transition/vendor": ["dist/gsap.min.js"],
    },
    ("@hyperframes/shader-transitions", "0.8.41"): {
        "tests/compositions/shader_transition/vendor": ["dist/index.global.js"]
    },
    ("animejs", "3.2.2"): {"tests/compositions/anime3/vendor": ["lib/anime.min.js"]},
    ("animejs", "4.5.0"): {"tests/compositions/anime4/vendor": ["dist/bundles/anime.umd.min.js"]},
    ("lottie-web", "5.13.0"): {"tests/compositions/lottie/vendor": ["build/player/lottie.min.js"]},
    ("@lottiefiles/dotlottie-web", "0.80.0"): {
        "tests/compositions/dotlottie/vendor": ["dist/index.js", "dist/dotlottie-player.wasm"]
    },
    ("three", "0.187.0"): {"tests/compositions/three/vendor": ["build/three.core.js", "build/three.module.js"]},
    ("motion", "14.14.0"): {
        "tests/compositions/motion/vendor": ["dist/motion.js"],
        "tests/compositions/motion_sequence/vendor": ["dist/motion.js"],
    },
    ("hls.js", "1.7.4"): {"tests/formats/vendor": ["dist/hls.min.js"]},
    ("d3", "7.9.0"): {"tests/compositions/d3/vendor": ["dist/d3.min.js"]},
    ("leaflet", "1.9.4"): {
        "tests/compositions/leaflet/vendor": ["dist/leaflet.js", "dist/leaflet.css"],
        "tests/compositions/leaflet/vendor/images": [
            "dist/images/layers.png",
            "dist/images/layers-2x.png",
            "dist/images/marker-icon.png",
        ],
    },
    ("maplibre-gl", "6.17.0"): {
        "tests/compositions/maplibre/vendor": [
            "dist/maplibre-gl.mjs",
            "dist/maplibre-gl-shared.mjs",
            "dist/maplibre-gl-worker.mjs",
            "dist/maplibre-gl.css",
        ]
    },
}


def fetch(package: str, version: str, wanted: dict[str, list[str]]) -> None:
    npm = shutil.which("npm")
    if npm is None:
        sys.exit(f"npm is needed to fetch {package}: install it (Debian: apt-get install npm)")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{package}@{version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        [archive] = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as files:
            for destination, members in wanted.items():
                for member in members:
                    target = REPOSITORY / destination / Path(member).name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    file = files.extractfile(f"package/{member}")
                    if file is None:
                        sys.exit(f"{package} {version} has no {member}")
                    target.write_bytes(file.read())
                    print(f"{target.relative_to(REPOSITORY)}: {package} {version}")


if __name__ == "__main__":
    for (package, version), wanted in FILES.items():
        fetch(package, version, wanted)
