#!/bin/bash
# The main job on this machine: a gate on 127.0.0.1:8080 over a bare
# repository made on the spot. Leaves the gate running; `make demo-stop`
# ends it. Everything lies in build/demo.
#
# GITGATE_DEMO_PORT, GITGATE_DEMO_DIR and GITGATE_BUILD name another port,
# directory and build.
set -eu
cd "$(dirname "$0")/.."
demo=${GITGATE_DEMO_DIR:-$PWD/build/demo}
bin=${GITGATE_BUILD:-$PWD/build}
url=http://127.0.0.1:${GITGATE_DEMO_PORT:-8080}

stop() {
	if [ -f "$demo/pid" ] && kill -0 "$(cat "$demo/pid")" 2>/dev/null; then
		kill "$(cat "$demo/pid")"
		for _ in $(seq 100); do
			kill -0 "$(cat "$demo/pid")" 2>/dev/null || break
			sleep 0.1
		done
	fi
	rm -f "$demo/pid"
}

stop
if [ "${1:-}" = stop ]; then
	echo "the demo's gate is stopped"
	exit 0
fi
if curl -s -o /dev/null --max-time 2 "$url/healthz"; then
	echo "something else answers on $url; stop it, or set GITGATE_DEMO_PORT" >&2
	exit 1
fi

rm -rf "$demo"
mkdir -p "$demo/policy.d"
export HOME=$demo GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME="Demo Agent" GIT_AUTHOR_EMAIL=agent@example.com
export GIT_COMMITTER_NAME="Demo Agent" GIT_COMMITTER_EMAIL=agent@example.com

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

say "1. An upstream: a bare repository with a main branch"
git init -q --bare -b main "$demo/upstream.git"
git init -q -b main "$demo/seed"
(
	cd "$demo/seed"
	mkdir -p migrations
	echo "# demo" >README.md
	echo "create table users (id int);" >migrations/0001_users.sql
	git add -A
	git commit -q -m "first commit"
	git push -q "$demo/upstream.git" main
)
echo "   $demo/upstream.git"

say "2. A gate before it: config, the shipped policies, an agent, a reviewer"
cat >"$demo/gitgate.yaml" <<EOF
listen: ${url#http://}
public-url: $url
state-dir: $demo/state
policy-dir: $demo/policy.d
repositories:
  - path: demo/app
    upstream: $demo/upstream.git
EOF
cp policy.d/*.yaml policy.d/*.toml "$demo/policy.d/"
cat >"$demo/policy.d/00-access.yaml" <<'EOF'
access:
  - principals: {groups: [agents, maintainers, dba]}
    repositories: ["demo/*"]
    allow: [fetch, push]
EOF
gitgate() { "$bin/gitgate" --config "$demo/gitgate.yaml" "$@"; }
gitgate check
token=$(gitgate token create agent --group agents)
password=$(head -c 9 /dev/urandom | base64 | tr '+/' '-_')
printf '%s\n' "$password" |
	gitgate user add reviewer --group maintainers --group dba --password-stdin
reviewer_token=$(gitgate token create reviewer --group maintainers --group dba)
setsid "$bin/gitgate" --config "$demo/gitgate.yaml" serve \
	>"$demo/gitgate.log" 2>&1 </dev/null &
echo $! >"$demo/pid"
for _ in $(seq 300); do
	curl -sf -o /dev/null "$url/readyz" && break
	if ! kill -0 "$(cat "$demo/pid")" 2>/dev/null; then
		cat "$demo/gitgate.log" >&2
		exit 1
	fi
	sleep 0.1
done
curl -sf -o /dev/null "$url/readyz" || { cat "$demo/gitgate.log" >&2; exit 1; }
echo "   running, pid $(cat "$demo/pid"), log $demo/gitgate.log"

say "3. The agent clones through the gate; its push to a feature branch lands"
remote="http://agent:$token@${url#http://}/demo/app.git"
git clone -q "$remote" "$demo/work"
cd "$demo/work"
git checkout -q -b feature/hello
echo "hello" >hello.txt
git add -A
git commit -q -m "say hello"
git push -q origin feature/hello
landed=$(git -C "$demo/upstream.git" rev-parse feature/hello)
[ "$landed" = "$(git rev-parse HEAD)" ]
echo "   upstream has feature/hello at $landed"

say "4. Its push to main, with a migration, is held"
git checkout -q main
echo "alter table users add name text;" >migrations/0002_name.sql
git add -A
git commit -q -m "users have names"
if git push origin main 2>"$demo/held"; then
	echo "the push to main was not held" >&2
	exit 1
fi
cat "$demo/held"
hold=$(grep -o 'http[^ )]*/-/holds/[0-9A-Z]*' "$demo/held" | head -1)
[ -n "$hold" ]

say "The gate stays up. Now you decide:"
cat <<EOF

  review link   $hold
  sign in as    reviewer
  password      $password

  or without a browser:

    GITGATE_URL=$url GITGATE_TOKEN=$reviewer_token \\
      $bin/gitgate holds approve ${hold##*/} --comment "looks good"

  then main moves upstream without the agent:

    git -C $demo/upstream.git log --oneline main

  and the log proves it:

    $bin/gitgate audit verify --key \$(cat $demo/state/log/vkey) $demo/state/log

  the agent's remote, to try more:  $remote
  stop it with:                     make demo-stop
EOF
