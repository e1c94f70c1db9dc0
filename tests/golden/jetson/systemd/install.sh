#!/usr/bin/env bash
# Written by stackplan from a plan; change the plan, not this file.
# Installs the user units with this machine's paths. Start with: systemctl --user start stackplan-hot.target
#   STACKPLAN_HOME  the folder that holds models/ (default ~/.local/share/stackplan)
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
deploy=$(dirname -- "$here")
home=${STACKPLAN_HOME:-$HOME/.local/share/stackplan}
units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user

case "$deploy$home" in
  *[%\"\\$'\n']*) echo "error: a path with % \" \\ or a line break cannot stand in a unit: $deploy, $home" >&2; exit 2 ;;
esac

mkdir -p -- "$home" "$units/stackplan-.service.d"
cp -- "$here"/stackplan-*.service "$here"/stackplan-*.target "$units/"
# One drop-in for every unit whose name begins with stackplan-.
cat >"$units/stackplan-.service.d/paths.conf" <<EOF
[Service]
WorkingDirectory=$home
Environment="STACKPLAN_DEPLOY=$deploy"
EOF
systemctl --user daemon-reload
systemctl --user enable stackplan-hot.target
echo "installed in $units; keys go to ~/.config/stackplan/gateway.env" >&2
