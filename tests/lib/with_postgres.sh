#!/bin/sh
# with_postgres.sh COMMAND [ARG...]: run COMMAND with GITGATE_TEST_PG set to
# the URL of a private PostgreSQL that lives in a temporary directory, listens
# on 127.0.0.1 and a free port only, and is gone afterwards.
set -eu

[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARG...]" >&2; exit 2; }

bin=$(command -v initdb 2>/dev/null || true)
if [ -n "$bin" ]; then
	bin=$(dirname "$bin")
else
	for d in /usr/lib/postgresql/*/bin; do
		[ -x "$d/initdb" ] && bin=$d
	done
fi
[ -n "$bin" ] || { echo "$0: no PostgreSQL server here" >&2; exit 77; }

dir=$(mktemp -d /tmp/gitgate-pg.XXXXXX)
# the server refuses to run as root
as=
if [ "$(id -u)" = 0 ]; then
	chown postgres "$dir"
	as="runuser -u postgres --"
fi

cleanup() {
	$as "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop \
	    >/dev/null 2>&1 || true
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cd "$dir"
$as "$bin/initdb" -D "$dir/data" -A trust -U gitgate -E UTF8 \
    --locale=C.UTF-8 -N >"$dir/initdb.log" 2>&1 ||
	{ cat "$dir/initdb.log" >&2; exit 1; }

# A free port, asked of the kernel; another process may take it in between,
# so try a few times.
for try in 1 2 3 4 5; do
	port=$(/usr/bin/python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	if $as "$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/data/server.log" \
	    -o "-p $port -c listen_addresses=127.0.0.1 -c fsync=off \
-c unix_socket_directories=$dir" start >/dev/null 2>&1; then
		break
	fi
	[ "$try" != 5 ] || { cat "$dir/data/server.log" >&2; exit 1; }
done
cd "$OLDPWD"

GITGATE_TEST_PG="postgresql://gitgate@127.0.0.1:$port/postgres"
GITGATE_TEST_PG_DATA="$dir/data"
export GITGATE_TEST_PG GITGATE_TEST_PG_DATA
status=0
"$@" || status=$?
exit "$status"
