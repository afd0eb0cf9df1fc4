#!/bin/sh
# What pip cannot install: fonts for the examples, npm for their GSAP, and setpriv, which ties Chromium to our life.
# Only as root on Debian, and only what is missing; elsewhere the machine's own packages are used as they are.
set -eu
command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || exit 0
missing=""
fc-list 2>/dev/null | grep -q "Liberation Sans" || missing="$missing fontconfig fonts-liberation"
fc-list 2>/dev/null | grep -q "DejaVu Sans" || missing="$missing fonts-dejavu-core"
command -v npm >/dev/null || missing="$missing npm"
command -v setpriv >/dev/null || missing="$missing util-linux"
[ -n "$missing" ] || exit 0
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
