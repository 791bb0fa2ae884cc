#!/bin/sh
# Install the Debian packages that a purpose needs, where they are missing:
#
#	scripts/packages.sh build|demo|test|lint|fuzz ...
#
# With sudo unless run by root. Does nothing, quickly, when all is there.
set -eu

build="build-essential pkg-config git openssh-client ca-certificates
	libgit2-dev libmicrohttpd-dev libgnutls28-dev libssl-dev libjansson-dev
	libcurl4-openssl-dev libsqlite3-dev libpq-dev libyaml-dev
	libseccomp-dev libargon2-dev librnp-dev libunistring-dev zlib1g-dev
	libvectorscan-dev libpcre2-dev libqrencode-dev
	liblasso3-dev"
demo="curl"
tests="libcmocka-dev python3 python3-pytest python3-pytest-xdist
	python3-yaml python3-html5lib python3-jsonschema python3-cryptography
	python3-dulwich python3-pygit2 apache2 nginx-light fcgiwrap openssh-server openssl gnupg jq postgresql
	curl mandoc sqlite3 python3-selenium chromium chromium-driver rsyslog rsyslog-gnutls systemd"
lint="clang clang-format clang-tidy cppcheck"
sanitizers="clang libclang-rt-14-dev"
# Node comes from elsewhere on many machines, in packages that exclude
# Debian's: what counts is the command.
command -v node >/dev/null || tests="$tests nodejs"
command -v npm >/dev/null || tests="$tests npm"

want=""
for purpose in "$@"; do
	case $purpose in
	build) want="$want $build" ;;
	demo) want="$want $demo" ;;
	test) want="$want $tests" ;;
	lint) want="$want $lint" ;;
	fuzz) want="$want $sanitizers" ;;
	*)
		echo "usage: $0 build|demo|test|lint|fuzz ..." >&2
		exit 2
		;;
	esac
done

missing=""
for p in $want; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
		grep -q 'install ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
	as_root="sudo"
	if ! command -v sudo >/dev/null; then
		echo "these packages are missing; install them as root:$missing" >&2
		exit 1
	fi
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# Servers that tests start for themselves must not be started by their
# packages.
policy=/usr/sbin/policy-rc.d
made=""
remove_policy() {
	[ -z "$made" ] || $as_root rm -f "$policy"
	made=""
}
# sh runs the EXIT trap at its own end only: a signal has to become one.
trap remove_policy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ ! -e "$policy" ]; then
	made=1
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
	$as_root chmod 755 "$policy"
fi
$as_root apt-get update -q
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
	--no-install-recommends $missing
