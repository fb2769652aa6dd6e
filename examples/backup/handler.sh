#!/bin/bash
# Prints the name under which a backup of today belongs.
set -euo pipefail
printf '{"name": "backup-%s.tar.gz"}\n' "$(date -u +%Y-%m-%d)"
