#!/bin/sh
# Install the identity providers that the end-to-end tests run (the packages
# of tests/npm/package-lock.json) in build/npm. Does nothing, quickly and
# without a network, when they are there.
set -eu
cd "$(dirname "$0")/.."
from=tests/npm
to=build/npm

mkdir -p "$to"
# Two runs at a time: the second finds the work done.
exec 9>"$to.lock"
flock 9
stamp="$(node --version) $(cat $from/package.json $from/package-lock.json | sha256sum)"
if [ "$(cat "$to/stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi
rm -f "$to/stamp"
cp $from/package.json $from/package-lock.json $from/.npmrc "$to/"
echo "installing the packages of $from in $to"
if ! (cd "$to" && npm ci --ignore-scripts --no-audit --no-fund \
	--prefer-offline); then
	cat >&2 <<'EOF'
npm could not install the identity providers that the end-to-end tests run.
Can this machine reach its package registry (npm config get registry)?
The tests that sign in with OpenID Connect or SAML will fail until
scripts/npm.sh succeeds.
EOF
	exit 1
fi
echo "$stamp" >"$to/stamp"
