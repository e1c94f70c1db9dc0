#!/bin/sh
# Written by stackplan from a plan; change the plan, not this file.
# Installs the LaunchAgents and starts the HOT ones. The rendered folder is copied to where they look for it.
set -eu

here=$(cd -- "$(dirname -- "$0")" && pwd)
home=${STACKPLAN_HOME:-$HOME/.local/share/stackplan}
agents=$HOME/Library/LaunchAgents

mkdir -p "$home/deploy" "$agents"
cp -R "$here/../." "$home/deploy/"
for plist in "$here"/org.stackplan.*.plist; do
  name=$(basename "$plist" .plist)
  cp "$plist" "$agents/"
  launchctl bootout "gui/$(id -u)/$name" 2>/dev/null || true
  launchctl bootstrap "gui/$(id -u)" "$agents/$name.plist"
done
echo "installed in $agents; logs are in ~/Library/Logs/stackplan, keys go to ~/.config/stackplan/gateway.env" >&2
