#!/usr/bin/env bash
# Written by stackplan from a plan; change the plan, not this file.
# Starts one llama-server of the plan in the foreground:  serve.sh SERVER [more llama-server options]
# STACKPLAN_HOME is the folder that holds models/ (default ~/.local/share/stackplan).
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
home=${STACKPLAN_HOME:-$HOME/.local/share/stackplan}

usage() {
  echo "usage: $(basename -- "$0") SERVER [more llama-server options]; SERVER is one of:" >&2
  echo '  worker-32b  hot  http://127.0.0.1:8101' >&2
  echo '  embedder  hot  http://127.0.0.1:8107' >&2
  echo '  reranker  hot  http://127.0.0.1:8108' >&2
  echo '  warm-gpu0  warm  http://127.0.0.1:8104' >&2
  echo '  giant-120b  cold  http://127.0.0.1:8106' >&2
  exit 2
}

case "${1:-}" in
  worker-32b) port=8101 resident=1 ;;
  embedder) port=8107 resident=1 ;;
  reranker) port=8108 resident=1 ;;
  warm-gpu0) port=8104 resident=1 ;;
  giant-120b) port=8106 resident=1 ;;
  *) usage ;;
esac
server=$1
shift

cd -- "$home"
exec "${LLAMA_SERVER:-llama-server}" --models-preset "$here/$server.ini" --models-max "$resident" \
  --host 127.0.0.1 --port "$port" --no-ui --cors-origins localhost "$@"
