#!/bin/sh
# Pin every extra of pyproject.toml: sh requirements/lock.sh [--upgrade]
# `dev` is resolved first and holds the others to its versions.
set -eu
cd "$(dirname "$0")/.."
compile() {
    name=$1
    shift
    echo "Pinning requirements/$name.txt …"
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --no-header --no-annotate --output-file "requirements/$name.txt" pyproject.toml "$@"
}
compile dev --extra web --extra worker --extra embedded --extra dev "$@"
for name in web worker portal; do
    case $name in
    web) extras="--extra web" ;;
    worker) extras="--extra web --extra worker" ;;
    portal) extras="--extra web --extra worker --extra embedded" ;;
    esac
    # shellcheck disable=SC2086 # several words on purpose
    compile $name $extras --constraint requirements/dev.txt
done
compile gpu --extra web --extra gpu --constraint requirements/web.txt "$@"
