#!/usr/bin/env bash
# Written by stackplan from a plan; change the plan, not this file.
# Pulls the plan's models into their Ollama servers, creates one model per role with the planned context, and loads
# the HOT ones for good. Running it again pulls nothing that is there.
#
#   pull.sh [--dry-run] [--tier hot|warm|cold|all]
#
# Ends with 0 when all is done, 1 when a model failed, 2 when it could not start (server, disk, arguments).
# OLLAMA_SCHEME_HOST replaces http://127.0.0.1, OLLAMA_MODELS is where the servers keep models (for the disk check).
set -uo pipefail

# server|port|tier|mode|source|name|bytes|context|parameters
table=(
  'ollama-hot|8202|hot|chat|small:3b|stackplan-watchdog|2147483648|16384|{"num_batch": 512, "num_ctx": 16384, "num_gpu": 999, "num_thread": 12}'
  'ollama-hot|8202|hot|embedding|embed-text:v1.5|stackplan-embedding|322122547|2048|{"num_batch": 512, "num_ctx": 2048, "num_gpu": 999, "num_thread": 12}'
)

base=${OLLAMA_SCHEME_HOST:-http://127.0.0.1}
tries=${STACKPLAN_TRIES:-3}
pause=${STACKPLAN_RETRY_SECONDS:-5}
dry_run=false
wanted=all

say() { printf '%s\n' "$*" >&2; }
stop() { say "error: $*"; exit 2; }

while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=true ;;
    --tier) shift; wanted=${1:-} ;;
    -h | --help) sed -n '2,10p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) stop "unknown argument $1" ;;
  esac
  shift
done
case $wanted in hot | warm | cold | all) ;; *) stop "--tier must be hot, warm, cold or all" ;; esac
command -v curl >/dev/null || stop "curl is needed and was not found"

# One streaming call. Ollama answers 200 and reports a failure as a line of the stream, so the stream decides.
call() { # url path, body
  local answer
  answer=$(curl -sS --fail-with-body --connect-timeout 10 -H 'Content-Type: application/json' -d "$2" "$1" 2>&1) || {
    say "  $(printf '%s' "$answer" | tail -n 1)"
    return 1
  }
  if printf '%s\n' "$answer" | grep -q '"error"[[:space:]]*:'; then
    say "  $(printf '%s\n' "$answer" | grep '"error"[[:space:]]*:' | tail -n 1)"
    return 1
  fi
  printf '%s\n' "$answer" | tail -n 1 | grep -Eq '"status"[[:space:]]*:[[:space:]]*"success"|"done"[[:space:]]*:[[:space:]]*true|"embeddings"'
}

retry() {
  local attempt=1
  until "$@"; do
    [ "$attempt" -lt "$tries" ] || return 1
    say "  try $attempt of $tries failed, next in $((pause * attempt)) s"
    sleep "$((pause * attempt))"
    attempt=$((attempt + 1))
  done
}

# Exact name in /api/tags, where a name without a tag is listed as NAME:latest.
present() { # tags, name
  local name=$2
  case ${name##*/} in *:*) ;; *) name="$name:latest" ;; esac
  printf '%s' "$1" | tr '{,' '\n' | tr -d ' ' | grep -Fqix "\"name\":\"$name\""
}

rows=()
for row in "${table[@]}"; do
  IFS='|' read -r _ _ tier _ <<<"$row"
  if [ "$wanted" = all ] || [ "$wanted" = "$tier" ]; then rows+=("$row"); fi
done
[ ${#rows[@]} -gt 0 ] || { say "no model of tier $wanted in this plan"; exit 0; }

missing_bytes=0
counted=' '
for row in "${rows[@]}"; do
  IFS='|' read -r server port tier mode source name bytes context parameters <<<"$row"
  if $dry_run; then
    say "would pull $source into $server ($base:$port) and create $name: tier $tier, $bytes bytes, context $context"
    continue
  fi
  tags=$(curl -sS --fail --connect-timeout 10 "$base:$port/api/tags") || stop "no Ollama server $server at $base:$port"
  case $counted in *" $server/$source "*) continue ;; esac
  counted="$counted$server/$source "
  present "$tags" "$source" || missing_bytes=$((missing_bytes + bytes))
done
$dry_run && exit 0

folder=${OLLAMA_MODELS:-$HOME}
free_kib=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
need_kib=$((missing_bytes * 11 / 10 / 1024))
[ "$free_kib" -ge "$need_kib" ] || stop "$folder has $free_kib KiB free, the missing models need $need_kib KiB"

failed=0
for row in "${rows[@]}"; do
  IFS='|' read -r server port tier mode source name bytes context parameters <<<"$row"
  url="$base:$port"
  tags=$(curl -sS --fail --connect-timeout 10 "$url/api/tags") || tags=''
  if present "$tags" "$source"; then
    say "present $source on $server"
  else
    say "pulling $source into $server ($bytes bytes)"
    retry call "$url/api/pull" "{\"model\":\"$source\"}" || { say "FAILED to pull $source into $server"; failed=$((failed + 1)); continue; }
  fi
  create="{\"model\":\"$name\",\"from\":\"$source\",\"parameters\":$parameters}"
  retry call "$url/api/create" "$create" || { say "FAILED to create $name on $server"; failed=$((failed + 1)); continue; }
  if [ "$tier" = hot ]; then
    # An embedding model refuses generate; an empty input just loads it. -1 is a number: the text "-1" is refused.
    if [ "$mode" = embedding ]; then
      load="$url/api/embed" body="{\"model\":\"$name\",\"input\":\"\",\"keep_alive\":-1}"
    else
      load="$url/api/generate" body="{\"model\":\"$name\",\"keep_alive\":-1,\"stream\":false}"
    fi
    retry call "$load" "$body" || { say "FAILED to load $name on $server"; failed=$((failed + 1)); continue; }
  fi
  say "ready $name on $server"
done
[ "$failed" -eq 0 ] || { say "$failed of ${#rows[@]} failed"; exit 1; }
say "all ${#rows[@]} ready"
