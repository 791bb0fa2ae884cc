"""The pipelines of examples/ are whole, and run: each job's own shell steps,
in the environment that its CI system would set, push through a real gate
that knows nothing of the job but who mints its token."""

import concurrent.futures
import os
import re
import shutil
import subprocess
import uuid

import pytest
import yaml
from ci import Ci
from gate import BIN, PROTECT_MAIN, ROOT, contents_below, make_upstream, until

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


def believe(g, ci, name):
    """Put the example's part of gitgate.yaml into force, with the names of
    the gate and of the issuer that are here."""
    part = yaml.safe_load((EXAMPLES / "issuers" / f"{name}.yaml").read_text())
    (issuer,) = part["identity"]["issuers"]
    assert issuer["audience"] == PUBLIC
    issuer.update({"audience": g.url, "issuer": ci.issuer.url})
    g.config.update(part)
    assert g.reload(), g.log()
    return issuer


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


def job_environment(ci, name, g):
    if name == "github-actions":
        return ci.github(repository_owner_id="1234567", workflow="through the gate")
    if name == "gitlab":
        ids = {"namespace_id": "42", "project_id": "7", "job_project_id": "7"}
        return ci.gitlab(g.url, ref_protected="true", pipeline_source="schedule", **ids)
    if name == "jenkins":
        return ci.jenkins(g.url, sub="https://jenkins.example.com/job/acme-app/")
    return ci.buildkite(organization_id="0184990a-477b-4fa8-9968-496074483cee", build_source="ui")


def run_job(env, directory, scripts, timeout=240):
    """All that a job says, and its exit code: the first that is not 0."""
    said, code = "", 0
    for at, script in scripts:
        p = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=directory / (at or "."), env=env, capture_output=True, text=True, timeout=timeout,
        )
        said += p.stdout + p.stderr
        code = p.returncode
        if code != 0:
            break
    return code, said


def approve(g, job):
    """What a person does meanwhile; the hold."""

    def held():
        if job.done():
            raise AssertionError(f"the job has ended: {job.result()}")
        return g.api("GET", "/holds?state=pending", g.reviewer).json["holds"]

    holds = until("the push is held", held, 60, g.log)
    assert len(holds) == 1
    assert g.review(holds[0]["id"], g.reviewer).status == 200
    return holds[0]


def prepare(ci, g, name, tmp_path):
    file, read = FULL[name]
    settings, scripts = read(local((EXAMPLES / file).read_text(), g))
    directory = tmp_path / "job"
    directory.mkdir()
    settings = dict(settings)
    assert settings.pop("aud", g.url) == g.url
    env = {**job_environment(ci, name, g), **settings}
    return env, directory, scripts


@pytest.mark.parametrize("name", FULL)
def test_pipeline_runs(acme, ci, tmp_path, name):
    issuer = believe(acme, ci, name)
    env, directory, scripts = prepare(ci, acme, name, tmp_path)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        job = pool.submit(run_job, env, directory, scripts)
        hold = approve(acme, job)
        code, said = job.result()
    assert code == 0, said
    # who pushed is what the token says, and what was approved has landed
    prefix = issuer.get("principal").split("{")[0]
    assert hold["principal"].startswith(prefix), hold["principal"]
    refs = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname) %(contents:subject)"],
        cwd=acme.bare, capture_output=True, text=True, check=True, env={**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"},
    ).stdout
    for branch in ("refs/heads/main", "refs/heads/bot/update"):
        assert f"{branch} update of " in refs
    # nothing of a token is left behind, on disk or in what the job said
    assert not SECRET.search(said)
    for home in (directory, ci.home):
        for path, content in contents_below(home):
            assert not SECRET.search(content.decode("latin-1")), path


@pytest.mark.parametrize("name", FULL)
def test_the_job_of_somebody_else_is_refused(acme, ci, tmp_path, name):
    """Same issuer, same audience: another organisation's."""
    believe(acme, ci, name)
    env, directory, scripts = prepare(ci, acme, name, tmp_path)
    foreign = {"repository_owner_id": "666", "namespace_id": "666", "organization_id": str(uuid.uuid4())}
    ci.claims.update({k: v for k, v in foreign.items() if k in ci.claims})
    if name == "jenkins":
        ci.claims["sub"] = "https://jenkins.example.com/job/other/"
    if "GITGATE_ID_TOKEN" in env:
        env["GITGATE_ID_TOKEN"] = ci.mint(acme.url)
    code, said = run_job(env, directory, scripts)
    assert code != 0 and not (directory / "work").exists(), said
    assert not acme.api("GET", "/holds", acme.reviewer).json["holds"]


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
    libs = needed() - {"libc.so.6", "libm.so.6"}
    out = subprocess.run(["dpkg-query", "-S", *(f"*/{lib}" for lib in libs)], capture_output=True, text=True).stdout
    for lib in libs:
        owners = {line.split(":")[0] for line in out.splitlines() if line.endswith(f"/{lib}")}
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


def test_agent_in_a_pod(acme, ci, tmp_path):
    """The same with a token that the cluster mints and renews."""
    believe(acme, ci, "kubernetes")
    home = tmp_path / "home"
    home.mkdir()
    projected = tmp_path / "token"
    uid = "5f1d6c1e-4a44-4f56-8c9a-6a4f0c9d2b11"
    pod = {"namespace": "agents", "serviceaccount": {"name": "coder", "uid": uid}}
    ci.claims = {"sub": "system:serviceaccount:agents:coder", "kubernetes.io": pod}
    more = {"GITGATE_TOKEN_FILE": str(projected)}
    projected.write_text(ci.mint("https://kubernetes.default.svc"))
    p = run_entrypoint(ci, acme, more, home, ["true"])
    assert p.returncode != 0 and "stays here" in p.stderr
    projected.write_text(ci.mint(acme.url))
    p = run_entrypoint(ci, acme, more, home, container_command(acme))
    assert p.returncode == 0, p.stderr
    assert branch_is_there(acme)
