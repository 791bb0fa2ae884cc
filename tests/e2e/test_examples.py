"""The pipelines of examples/ are whole, and an agent's container works."""

import os
import re
import shutil
import subprocess

import pytest
import yaml
from ci import Ci
from gate import BIN, PROTECT_MAIN, ROOT, contents_below, make_upstream

EXAMPLES = ROOT / "examples"
PUBLIC = "https://gate.example.com"
SECRET = re.compile(r"ggt_\w{8}|eyJ\w{8}|gh[pousr]_\w{8}|glpat-|-----BEGIN|AKIA\w{8}")


@pytest.fixture
def ci(tmp_path):
    # the profiles of real CI systems take RS256 only
    with Ci(tmp_path, alg="RS256") as c:
        yield c


@pytest.fixture
def acme(make_gate, tmp_path):
    """A gate for acme/app where main is protected; a reviewer's token."""
    bare = make_upstream(tmp_path / "upstream" / "app.git", {"README": "hello\n"})
    repositories = [{"path": "acme/app", "upstream": str(bare)}]
    g = make_gate(repositories=repositories, rules=[PROTECT_MAIN])
    g.reviewer = g.token("ann", "maintainers")
    g.bare = bare
    return g


def local(text, g):
    """A file of a pipeline, with the gate of this test in it."""
    assert PUBLIC in text and not SECRET.search(text)
    return text.replace(PUBLIC, g.url)


def test_issuers_are_taken(make_gate):
    """All of them in one configuration: no two share a name, none warns."""
    parts = [yaml.safe_load(f.read_text())["identity"]["issuers"] for f in sorted((EXAMPLES / "issuers").iterdir())]
    issuers = [issuer for part in parts for issuer in part]
    assert {i["name"] for i in issuers} >= {"github", "gitlab", "jenkins", "buildkite", "cluster"}
    g = make_gate(config={"identity": {"issuers": issuers}}, start=False)
    said = g.cli("check")
    assert "warning" not in (said.stdout + said.stderr).lower(), said


# -- reading the pipelines: (environment of the job, [(directory, script)]) --


def of_github(text):
    flow = yaml.safe_load(text)
    # YAML 1.1 reads the key `on` as true
    assert flow["permissions"] == {"id-token": "write"} and flow[True]["push"]["branches"]
    (job,) = flow["jobs"].values()
    assert job["container"] and all(set(s) <= {"name", "run", "working-directory"} for s in job["steps"])
    scripts = [(s.get("working-directory"), s["run"]) for s in job["steps"]]
    assert "${{" not in "".join(s for _, s in scripts)
    return flow["env"], scripts


def of_gitlab(text):
    (job,) = [v for v in yaml.safe_load(text).values() if isinstance(v, dict)]
    assert list(job["id_tokens"]) == ["GITGATE_ID_TOKEN"] and job["stage"] in yaml.safe_load(text)["stages"]
    # GitLab runs all lines in one shell
    return {**job["variables"], "aud": job["id_tokens"]["GITGATE_ID_TOKEN"]["aud"]}, [(None, "\n".join(job["script"]))]


def of_jenkins(text):
    assert text.count("{") == text.count("}") and text.count("'''") % 2 == 0
    assert "variable: 'GITGATE_ID_TOKEN'" in text
    env = dict(re.findall(r"^    (\w+) = '([^']*)'$", text, re.M))
    assert re.search(r'HOME = "\$\{WORKSPACE_TMP\}"', text)
    return env, [(None, s) for s in re.findall(r"\bsh '''(.*?)'''", text, re.S)]


def of_buildkite(text):
    pipeline = yaml.safe_load(text)
    (step,) = pipeline["steps"]
    # what Buildkite does to a pipeline when it is read
    bare = step["command"].replace("$$", "\0")
    assert "$" not in bare, "a single $ is Buildkite's"
    return pipeline["env"], [(None, bare.replace("\0", "$"))]


FULL = {
    "github-actions": ("github-actions.yml", of_github),
    "gitlab": ("gitlab-ci.yml", of_gitlab),
    "jenkins": ("Jenkinsfile", of_jenkins),
    "buildkite": ("buildkite.yml", of_buildkite),
}


@pytest.mark.parametrize("name", FULL)
def test_pipeline_is_whole(acme, name):
    file, read = FULL[name]
    settings, scripts = read(local((EXAMPLES / file).read_text(), acme))
    assert settings["GITGATE_URL"] == acme.url and scripts
    whole = "\n".join(script for _, script in scripts)
    assert subprocess.run(["bash", "-n"], input=whole, text=True).returncode == 0
    for part in ("gitgate credential", "git clone", "git push -o gitgate.wait"):
        assert part in whole


# -- agents in a container --


def needed():
    out = subprocess.run(["readelf", "-d", str(BIN / "gitgate")], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", out))


def test_container_files_hold_no_credential():
    for path in sorted((EXAMPLES / "container").iterdir()):
        text = path.read_text()
        assert not SECRET.search(text), path
        assert not re.search(r"^\s*(ENV|ARG)\b.*(TOKEN|PASSWORD|SECRET|KEY)", text, re.M | re.I), path
    docker = (EXAMPLES / "container/Dockerfile").read_text()
    final = docker.split("\nFROM ")[-1]
    # what the image has of this tree: a program and a script
    assert re.findall(r"^COPY .*$", final, re.M) == [
        "COPY --from=build /out/usr/bin/gitgate /usr/bin/gitgate",
        "COPY --chmod=755 examples/container/entrypoint.sh /usr/bin/agent-entrypoint",
    ]
    assert re.search(r"^USER (?!root)\w+$", final, re.M)
    compose = yaml.safe_load((EXAMPLES / "container/compose.yaml").read_text())
    agent = compose["services"]["agent"]
    assert set(agent["secrets"]) == set(compose["secrets"]) and agent["cap_drop"] == ["ALL"]
    account, pod = yaml.safe_load_all((EXAMPLES / "container/pod.yaml").read_text())
    assert account["automountServiceAccountToken"] is pod["spec"]["automountServiceAccountToken"] is False
    (volume,) = pod["spec"]["volumes"]
    (source,) = volume["projected"]["sources"]
    (mount,) = pod["spec"]["containers"][0]["volumeMounts"]
    assert source["serviceAccountToken"]["audience"] == PUBLIC and mount["name"] == volume["name"]
    # where gitgate credential looks for it
    assert f"{mount['mountPath']}/{source['serviceAccountToken']['path']}" == "/var/run/secrets/gitgate/token"


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="no dpkg")
@pytest.mark.skipif(os.environ.get("GITGATE_SAN") is not None, reason="sanitizers need libraries that no image has")
def test_the_image_has_the_libraries():
    final = (EXAMPLES / "container/Dockerfile").read_text().split("\nFROM ")[-1]
    listed = set(re.findall(r"^ +([a-z0-9 .+-]+) \\$", final, re.M))
    packages = {p for line in listed for p in line.split()}
    for lib in needed() - {"libc.so.6", "libm.so.6"}:
        out = subprocess.run(["dpkg-query", "-S", f"*/{lib}"], capture_output=True, text=True).stdout
        owners = {line.split(":")[0] for line in out.splitlines()}
        assert owners & packages, f"{lib} is in {owners}"


def run_entrypoint(ci, g, more, home, command):
    env = {**ci.env, "HOME": str(home), "GITGATE_URL": g.url, "GITGATE_REPOSITORY": "acme/app", **more}
    # as in the image: no variable but those, none of the machine's files
    return subprocess.run(
        ["sh", str(EXAMPLES / "container/entrypoint.sh"), *command], env=env, cwd=home, capture_output=True, text=True, timeout=240
    )


def container_command(g):
    agent = yaml.safe_load((EXAMPLES / "container/compose.yaml").read_text())["services"]["agent"]
    _, pod = yaml.safe_load_all((EXAMPLES / "container/pod.yaml").read_text())
    assert pod["spec"]["containers"][0]["args"] == agent["command"]
    return agent["command"]


def branch_is_there(g):
    p = subprocess.run(["git", "-c", "safe.directory=*", "show-ref", "--verify", "-q", "refs/heads/agent/hello"], cwd=g.bare)
    return p.returncode == 0


def test_agent_in_a_container(acme, ci, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    secret = tmp_path / "gitgate-token"
    secret.write_text(acme.token("coder", "agents"))
    p = run_entrypoint(ci, acme, {}, home, ["true"])
    assert p.returncode != 0 and "mints a token" in p.stderr, "without a token nothing is cloned"
    p = run_entrypoint(ci, acme, {"GITGATE_TOKEN_FILE": str(tmp_path / "none")}, home, ["true"])
    assert p.returncode == 1 and "is it mounted?" in p.stderr
    more = {"GITGATE_TOKEN_FILE": str(secret), "FORGE_URL": "https://forge.invalid"}
    p = run_entrypoint(ci, acme, more, home, container_command(acme))
    assert p.returncode == 0, p.stderr
    assert branch_is_there(acme)
    # begun again in the same place, an agent that names the forge gets the gate
    p = run_entrypoint(ci, acme, more, home, ["git", "ls-remote", "https://forge.invalid/acme/app.git"])
    assert p.returncode == 0 and "refs/heads/agent/hello" in p.stdout, p.stderr
    for path, content in contents_below(home):
        assert not SECRET.search(content.decode("latin-1")), path
