#!/usr/bin/env bash
# Builds the image: scripts/build-image.sh NAME:TAG [more arguments of docker build], or npm run image -- NAME:TAG …
#   DOCKER                        the program to build with, such as podman; default docker (with BuildKit)
#   BUILD_IMAGE, RUNTIME_IMAGE    other base images; see the Dockerfile
#   NPMRC, NPM_CA                 files that npm needs to reach your registry; default ~/.npmrc and NODE_EXTRA_CA_CERTS, if any
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || { echo "name the image: npm run image -- registry.example.com/sms-channel-operator:1.2.3" >&2; exit 2; }
name="$1"; shift

arguments=(--tag "$name" --build-arg "VERSION=${name##*:}")
if revision="$(git rev-parse HEAD 2>/dev/null)"; then
  arguments+=(--build-arg "REVISION=$revision" --build-arg "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)")
fi
for base in BUILD_IMAGE RUNTIME_IMAGE; do
  [ -z "${!base:-}" ] || arguments+=(--build-arg "$base=${!base}")
done
npmrc="${NPMRC:-$HOME/.npmrc}" ca="${NPM_CA:-${NODE_EXTRA_CA_CERTS:-}}"
[ ! -f "$npmrc" ] || arguments+=(--secret "id=npmrc,src=$npmrc")
[ ! -f "$ca" ] || arguments+=(--secret "id=ca,src=$ca")

DOCKER_BUILDKIT=1 exec "${DOCKER:-docker}" build "${arguments[@]}" "$@" .
