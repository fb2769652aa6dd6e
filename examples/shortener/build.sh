#!/bin/sh
# Puts the sources together into one file, as a bundler would.
set -eu
mkdir -p dist
cat src/alphabet.js src/index.js > dist/index.js
echo "dist/index.js: $(wc -c < dist/index.js) bytes"
