#!/bin/sh
# Begin an agent's container: a clone whose remote is the gate, then the
# agent itself in it.
#
#	GITGATE_URL         the gate
#	GITGATE_REPOSITORY  what to clone, acme/app
#	GITGATE_TOKEN_FILE  where its token is mounted; without it: what
#	                    gitgate credential finds (a CI system, a projected
#	                    file of Kubernetes)
#	FORGE_URL           optional, https://github.com: pushes and clones that
#	                    name the forge go to the gate all the same
#
# The token stays in its file: git asks for it each time and keeps nothing.
set -eu
: "${GITGATE_URL:?is not set}" "${GITGATE_REPOSITORY:?is not set}"

helper="!gitgate credential --url $GITGATE_URL"
if [ -n "${GITGATE_TOKEN_FILE:-}" ]; then
	[ -r "$GITGATE_TOKEN_FILE" ] || {
		echo "$0: $GITGATE_TOKEN_FILE cannot be read: is it mounted?" >&2
		exit 1
	}
	helper="$helper --file $GITGATE_TOKEN_FILE"
fi
git config --global --replace-all "credential.$GITGATE_URL.helper" ""
git config --global --add "credential.$GITGATE_URL.helper" "$helper"
if [ -n "${FORGE_URL:-}" ]; then
	git config --global "url.$GITGATE_URL/.insteadOf" "$FORGE_URL/"
fi
git config --global user.name "${GIT_USER_NAME:-agent}"
git config --global user.email "${GIT_USER_EMAIL:-agent@example.com}"

work=${GITGATE_WORK:-$HOME/work}
[ -d "$work/.git" ] ||
	git clone --quiet "$GITGATE_URL/$GITGATE_REPOSITORY.git" "$work"
cd "$work"
exec "$@"
