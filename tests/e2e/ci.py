"""Stand-ins for CI systems: how each of them gives a job its ID token.

    with Ci(tmp_path) as ci:
        env = ci.github(repository="acme/app", ref="refs/heads/main")
        ... run a step with env: it has what the CI system would set, no more ...

The tokens come from one stand-in issuer (ci.issuer); `ci.env` is an
environment without any CI system in it, with this build's gitgate on PATH.
"""

import os
import shlex
import urllib.parse
import uuid
from pathlib import Path

from gate import BIN
from issuer import Issuer

AGENT = """#!/bin/sh
# stands in for {name}: asks the stand-in issuer
[ "$*" ] && [ "${{{audience}}}" ] || exit 2
[ "$1 $2" = {words} ] || {{ echo "unknown command $*" >&2; exit 2; }}
exec curl -sSf --get --data-urlencode "audience=${{{audience}}}" {url}
"""


class Ci:
    def __init__(self, directory, **issuer):
        self.dir = Path(directory) / "ci"
        self.bin = self.dir / "bin"
        self.home = self.dir / "home"
        for d in (self.bin, self.home):
            d.mkdir(parents=True)
        self.issuer = Issuer(**issuer)
        self.issuer.extra = self._answer
        self.claims = {}
        self.request_token = "job-" + uuid.uuid4().hex
        self.failures = []  # statuses to answer first
        self.minted = []  # audiences that were asked for
        self.value = None  # what to answer instead of a token

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.issuer.close()

    @property
    def env(self):
        return {
            "PATH": f"{self.bin}:{BIN}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
            **{k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_"))},
        }

    def _answer(self, method, path, headers, body):
        at = urllib.parse.urlsplit(path)
        if not at.path.startswith("/mint/"):
            return None
        query = urllib.parse.parse_qs(at.query)
        if self.failures:
            return self.failures.pop(0), {}, b"{}"
        if at.path == "/mint/github":
            if headers.get("Authorization") != f"Bearer {self.request_token}" or query.get("api-version") != ["2.0"]:
                return 401, {}, b"{}"
        elif at.path != "/mint/plain":
            return 404, {}, b"{}"
        audience = query["audience"][0]
        self.minted.append(audience)
        token = self.mint(audience) if self.value is None else self.value
        if at.path == "/mint/plain":
            return 200, {}, token.encode()
        return 200, {}, b'{"value":"' + token.encode() + b'"}'

    def mint(self, audience, **more):
        return self.issuer.mint({**self.claims, "aud": audience, **more})

    # -- the environments of jobs --

    def github(self, permission=True, **claims):
        """A step of GitHub Actions, with or without `id-token: write`."""
        self.claims = {"repository": "acme/app", "ref": "refs/heads/main", "event_name": "push", **claims}
        env = {**self.env, "GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_REPOSITORY": self.claims["repository"]}
        env["GITHUB_REF_NAME"] = self.claims["ref"].split("/", 2)[2]
        if permission:
            env["ACTIONS_ID_TOKEN_REQUEST_URL"] = f"{self.issuer.url}/mint/github?api-version=2.0"
            env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = self.request_token
        return env

    def gitlab(self, audience, **claims):
        """A job of GitLab CI whose `id_tokens` has GITGATE_ID_TOKEN."""
        self.claims = {"project_path": "acme/app", "ref": "main", "ref_type": "branch", **claims}
        env = {**self.env, "GITLAB_CI": "true", "CI": "true", "CI_PROJECT_PATH": self.claims["project_path"]}
        if audience:
            env["GITGATE_ID_TOKEN"] = self.mint(audience)
        return env

    def agent(self, name, words, audience):
        """A program of the CI's own on PATH; audience: a shell word."""
        path = self.bin / name
        url = f"{self.issuer.url}/mint/plain"
        path.write_text(AGENT.format(name=name, words=shlex.quote(words), audience=audience, url=shlex.quote(url)))
        path.chmod(0o755)

    def buildkite(self, **claims):
        self.claims = {"organization_slug": "acme", "pipeline_slug": "app", "build_branch": "main", **claims}
        self.agent("buildkite-agent", "oidc request-token", "4")
        return {**self.env, "BUILDKITE": "true", "CI": "true", "BUILDKITE_BRANCH": self.claims["build_branch"]}

    def circleci(self, **claims):
        """With its command, that takes {"aud": ...} for --claims."""
        self.claims = {"oidc.circleci.com/project-id": "p", **claims}
        self.agent("circleci", "run oidc", "5")
        path = self.bin / "circleci"
        path.write_text(path.read_text().replace('audience=${5}"', 'audience=$(printf %s "$5" | jq -r .aud)"'))
        return {**self.env, "CIRCLECI": "true", "CI": "true"}

    def jenkins(self, audience, **claims):
        """A step within withCredentials for the variable GITGATE_ID_TOKEN."""
        self.claims = {"build_number": 7, **claims}
        return {**self.env, "JENKINS_URL": "https://jenkins.example.com/", "GITGATE_ID_TOKEN": self.mint(audience)}
