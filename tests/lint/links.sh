#!/bin/sh
# What the built executables are: linked only with what their role may have,
# position independent, full RELRO, no executable stack, stack protector.
#
#	tests/lint/links.sh BUILD_DIR
set -eu
build=$1
bad=0
complain() {
	echo "$*"
	bad=1
}

# The first wall of the sandbox: libraries a role must not be linked with.
may_not() {
	program=$1
	shift
	linked=$(readelf -d "$build/$program" | sed -n 's/.*NEEDED.*\[\(.*\)\].*/\1/p')
	for lib in "$@"; do
		case "$linked" in
		*"$lib"*) complain "$program is linked with $lib" ;;
		esac
	done
}
may_not gitgate-inspector libcurl libsqlite libpq libmicrohttpd libgnutls \
	libssl libcrypto libjansson libyaml libargon2
may_not gitgate-courier libgit2 libsqlite libpq libmicrohttpd libgnutls \
	libjansson libyaml libargon2
may_not gitgate-gate libgit2 libcurl
may_not gitgate-hook libgit2 libcurl libsqlite libpq libmicrohttpd libgnutls \
	libssl libcrypto libjansson libyaml libargon2
may_not gitgate-messenger libgit2 libsqlite libpq libmicrohttpd libgnutls \
	libjansson libyaml libargon2
may_not gitgate-saml libgit2 libcurl libsqlite libpq libmicrohttpd libgnutls \
	libssl libyaml libargon2
may_not gitgate libgit2 libmicrohttpd libgnutls
# it listens, and follows logs by libcurl; of a gate it has nothing else
may_not gitgate-witness libgit2 libsqlite libpq libjansson libyaml libargon2 \
	libhs libpcre2
# XML and what signs it: in the process that does nothing else
for p in gitgate gitgate-gate gitgate-inspector gitgate-courier gitgate-hook \
	gitgate-messenger gitgate-witness; do
	may_not $p liblasso libxml2 libxmlsec libxslt libglib libgobject
done

for p in gitgate gitgate-gate gitgate-inspector gitgate-courier gitgate-hook \
	gitgate-messenger gitgate-saml gitgate-witness; do
	f=$build/$p
	readelf -h "$f" | grep -q 'Type:.*DYN' || complain "$p: not PIE"
	readelf -lW "$f" | grep -q GNU_RELRO || complain "$p: no RELRO"
	readelf -d "$f" | grep -Eq 'BIND_NOW|FLAGS_1.*NOW' ||
		complain "$p: no BIND_NOW"
	readelf -lW "$f" | grep GNU_STACK | grep -q 'RWE' &&
		complain "$p: executable stack"
	readelf -sW "$f" | grep -q __stack_chk_fail ||
		complain "$p: no stack protector"
done
exit $bad
