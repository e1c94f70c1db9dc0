#!/usr/bin/env bash
# Written by stackplan from a plan; change the plan, not this file.
# Starts one llama-server of the plan in the foreground:  serve.sh SERVER [more llama-server options]
# STACKPLAN_HOME is the folder that holds models/ (default ~/.local/share/stackplan).
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
home=${STACKPLAN_HOME:-$HOME/.local/share/stackplan}

usage() {
  echo "usage: $(basename -- "$0") SERVER [more llama-server options]; SERVER is one of:" >&2
  echo '  red-8b  hot  http://127.0.0.1:8601' >&2
  echo '  green-8b  hot  http://127.0.0.1:8602' >&2
  exit 2
}

case "${1:-}" in
  red-8b) port=8601 resident=1 ;;
  green-8b) port=8602 resident=1 ;;
  *) usage ;;
esac
server=$1
shift

cd -- "$home"
exec "${LLAMA_SERVER:-llama-server}" --models-preset "$here/$server.ini" --models-max "$resident" \
  --host 127.0.0.1 --port "$port" --no-ui --cors-origins localhost "$@"
