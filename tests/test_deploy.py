"""Templates of clusters: each fits its schema, and each command that it runs is one that bench and Ray know."""

import os
import re
import shlex
import signal
import subprocess
import textwrap
import time
from pathlib import Path

import cluster_of_one
import jsonschema
import pytest
import typer
import yaml
from processes import events

from bench.adapters.ray_runtime import import_ray
from bench.cli.app import app
from bench.deploy import list_templates, read_template

CHECKOUT = Path(__file__).parent.parent
IMAGES = ("cpu.Dockerfile", "cuda.Dockerfile")
VERBS = typer.main.get_command(app).commands
with_suites = pytest.mark.skipif("suite" not in VERBS, reason="there is no bench suite yet")
with_address = pytest.mark.skipif(
    "address" not in {parameter.name for parameter in VERBS["run"].params}, reason="bench run joins no cluster yet"
)


def parsed(words: list[str]) -> dict:
    """What the command line makes of a command of bench, whatever follows a submitted one's name included."""
    assert words[0] == "bench", words
    verb, words = typer.main.get_command(app), words[1:]
    while commands := getattr(verb, "commands", None):
        assert words[0] in commands, words
        verb, words = commands[words[0]], words[1:]
    asked = verb.make_context(verb.name, list(words)).params
    return asked | {"submitted": parsed(["bench", *asked["command"]])} if "command" in asked else asked


def ray_accepts(command: str) -> dict:
    """What Ray's command line makes of a command, which may set variables first."""
    import_ray()
    from ray.scripts.scripts import cli

    words = shlex.split(command)
    ray, verb, *words = words[next(n for n, word in enumerate(words) if "=" not in word) :]
    assert ray == "ray"
    return cli.commands[verb].make_context(verb, words).params


def test_templates_are_listed_and_printed(cli):
    told = cli("deploy")
    assert [name for name in list_templates() if name not in told.out] == []
    assert set(list_templates()) == {"cluster.yaml", "rayjob.yaml", "slurm.sh", *IMAGES}
    assert cli("deploy", "slurm.sh").out == read_template("slurm.sh")
    wrong = cli("deploy", "slurm")
    assert wrong.code == 2
    assert "got 'slurm'. Did you mean 'slurm.sh'?" in wrong.err


# --- ray up ----------------------------------------------------------------------------------------------------------


def test_cluster_file_is_one_that_ray_takes():
    import_ray()
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load(read_template("cluster.yaml"))
    prepared = prepare_config(config)  # as `ray up` does, with Ray's defaults for the provider
    validate_config(prepared)  # by Ray's own schema, and what it checks beyond
    types = prepared["available_node_types"]
    assert set(types) == {"head", "worker"}
    assert types["head"]["max_workers"] == 0
    assert types["worker"]["min_workers"] == prepared["max_workers"] == 4
    with pytest.raises(jsonschema.ValidationError, match="'max_worker' was unexpected"):
        validate_config({**prepared, "max_worker": 4})


@with_suites
def test_cluster_file_starts_ray_and_a_sweep():
    config = yaml.safe_load(read_template("cluster.yaml"))
    stop, start, sweep = config["head_start_ray_commands"]
    assert ray_accepts(start)["head"]
    joins = [ray_accepts(command) for command in config["worker_start_ray_commands"]]
    assert joins[1]["address"] == "$RAY_HEAD_IP:6379"
    assert stop == config["worker_start_ray_commands"][0] == "ray stop"
    asked = parsed(shlex.split(sweep))
    assert asked["detach"]
    assert (asked["submitted"]["suite"], asked["submitted"]["budget"]) == ("smoke", "10m")
    assert all("RAY_AUTH_MODE=token" in command for command in (start, config["worker_start_ray_commands"][1]))
    assert "~/.ray/auth_token" in config["file_mounts"]


# --- KubeRay ---------------------------------------------------------------------------------------------------------


def closed(required: str = "", **properties: dict) -> dict:
    """The schema of a mapping that has no other keys."""
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


TEXT, COUNT, SWITCH = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
QUANTITIES = {"type": "object", "additionalProperties": {"type": "string", "pattern": r"^[0-9.]+(m|[KMGT]i?)?$"}}
CONTAINER = closed(
    "name image",
    name={"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
    image=TEXT,
    ports={
        "type": "array",
        "items": closed(
            "containerPort",
            name={"type": "string", "maxLength": 15},
            containerPort={"type": "integer", "minimum": 1, "maximum": 65535},
        ),
    },
    resources=closed(requests=QUANTITIES, limits=QUANTITIES),
)
TEMPLATE = closed("spec", spec=closed("containers", containers={"type": "array", "minItems": 1, "items": CONTAINER}))
#: The part of KubeRay's resource that the template uses (ray.io/v1, KubeRay 1.5.1), by its field names and types.
RAYJOB = closed(
    "apiVersion kind metadata spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=closed("name", name={"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 47}),
    spec=closed(
        "entrypoint rayClusterSpec",
        entrypoint=TEXT,
        runtimeEnvYAML=TEXT,
        backoffLimit=COUNT,
        shutdownAfterJobFinishes=SWITCH,
        ttlSecondsAfterFinished=COUNT,
        rayClusterSpec=closed(
            "headGroupSpec",
            rayVersion=TEXT,
            authOptions=closed("mode", mode={"enum": ["token", "disabled"]}),
            headGroupSpec=closed("rayStartParams template", rayStartParams=TEXTS, template=TEMPLATE),
            workerGroupSpecs={
                "type": "array",
                "minItems": 1,
                "items": closed(
                    "groupName minReplicas maxReplicas rayStartParams template",
                    groupName=TEXT,
                    replicas=COUNT,
                    minReplicas=COUNT,
                    maxReplicas=COUNT,
                    rayStartParams=TEXTS,
                    template=TEMPLATE,
                ),
            },
        ),
    ),
)


def test_rayjob_is_one_that_kuberay_takes():
    job = yaml.safe_load(read_template("rayjob.yaml"))
    jsonschema.validate(job, RAYJOB)
    cluster = job["spec"]["rayClusterSpec"]
    pods = [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    assert len({container["image"] for pod in pods for container in pod["containers"]}) == 1
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        ray_accepts(shlex.join(["ray", "start", *(f"--{k}={v}" for k, v in group["rayStartParams"].items())]))
    assert yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"] == "30"


def test_rayjob_is_of_the_version_of_ray_that_images_hold():
    version = yaml.safe_load(read_template("rayjob.yaml"))["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"ray=={version}" in (CHECKOUT / "constraints.txt").read_text().splitlines()


@with_suites
def test_rayjob_starts_a_sweep():
    asked = parsed(shlex.split(yaml.safe_load(read_template("rayjob.yaml"))["spec"]["entrypoint"]))
    assert (asked["suite"], asked["budget"], asked["address"]) == ("smoke", "10m", "auto")
    assert asked["output"].startswith("s3://")


# --- images ----------------------------------------------------------------------------------------------------------


def instructions(name: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions with what follows each."""
    text = re.sub(r"^#.*\n", "", read_template(name), flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word
    ]


@pytest.mark.parametrize("name", IMAGES)
def test_image_holds_bench_at_pinned_versions_for_a_user_who_is_not_root(name):
    found = instructions(name)
    assert found[0] == ("FROM", "python:3.11-slim-bookworm")
    assert {word for word, _ in found} <= {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "ENTRYPOINT", "CMD"}
    (install,) = [rest for word, rest in found if "pip install" in rest]
    words = shlex.split(install.partition("&&")[0])
    assert words[words.index("-c") + 1] == "constraints.txt"
    assert words[-1] == ".[cluster]"
    order = [word for word, _ in found]
    assert found[order.index("USER")][1] == "bench"
    assert order.index("USER") < order.index("ENTRYPOINT")
    assert "useradd --create-home --uid 1000 bench" in dict(found)["RUN"]
    assert dict(found)["ENTRYPOINT"] == '["bench"]'
    assert ("cuda is None" in install) == (name == "cpu.Dockerfile")


@pytest.mark.parametrize("name", IMAGES)
def test_image_has_all_that_the_package_is_built_from(name):
    copied = [rest.split() for word, rest in instructions(name) if word == "COPY"]
    sources = {source for *several, _ in copied for source in several}
    assert all((CHECKOUT / source).exists() for source in sources)
    built = (CHECKOUT / "pyproject.toml").read_text()
    for needed in ("README.md", "LICENSE", "bench", "datasets", "search_spaces"):
        assert needed in built
        assert needed in sources


@pytest.mark.parametrize("name", IMAGES)
def test_image_runs_what_its_comment_says(name):
    (said,) = re.findall(rf"bench:{name.partition('.')[0]} (run .*)", read_template(name))
    assert parsed(["bench", *shlex.split(said)])["dataset"] == "adult"


# --- SLURM -----------------------------------------------------------------------------------------------------------

#: What stands in for SLURM on one machine: each step is a process of this machine, whatever node it is meant for.
SLURM = {
    "sbatch": """
        nodes=1; while [[ $1 == --* ]]; do [[ $1 == --nodes=* ]] && nodes=${1#*=}; shift; done
        export SLURM_JOB_ID=$$ SLURM_JOB_NODELIST="node[1-$nodes]" SLURM_SUBMIT_DIR=$PWD SLURM_CPUS_PER_TASK=1
        exec bash "$@"
    """,
    "scontrol": """
        [[ "$1 $2" == "show hostnames" ]] || exit 1
        last=${3##*-}; seq -f node%g 1 "${last%]}"
    """,
    "srun": """
        echo "$@" >>"$BENCH_TEST_STEPS"
        while [[ $1 == --* ]]; do shift; done
        exec "$@"
    """,
    # which of the addresses that a machine may have is the one to use depends on the machine
    "hostname": "echo 127.0.0.1 172.17.0.1",
}


def test_slurm_script_is_bash_and_asks_for_what_slurm_knows():
    script = read_template("slurm.sh")
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", script, re.MULTILINE))
    assert len(asked) == script.count("\n#SBATCH")
    assert asked.keys() == {"job-name", "nodes", "ntasks-per-node", "cpus-per-task", "mem", "time", "signal"}
    assert (asked["ntasks-per-node"], asked["signal"]) == ("1", "B:TERM@120")


@with_suites
def test_slurm_script_starts_a_sweep():
    script = read_template("slurm.sh")
    (default,), (sweep,) = re.findall(r"\|\| set -- (.*)", script), re.findall(r"^(bench .*) &$", script, re.MULTILINE)
    asked = parsed(shlex.split(sweep.replace('"$@"', default)))
    assert (asked["suite"], asked["budget"], asked["address"]) == ("smoke", "10m", "auto")


class Slurm:
    """Runs the script by ``sbatch``, which takes this machine for two."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, f"{folder}-slurm"
        (folder / "bin").mkdir()
        for name, body in SLURM.items():
            (folder / "bin" / name).write_text(f"#!/bin/bash\n{textwrap.dedent(body)}")
            (folder / "bin" / name).chmod(0o755)
        (folder / "slurm.sh").write_text(read_template("slurm.sh"))

    def submit(self, *words: object) -> None:
        environment = cluster_of_one.clean_environment(self.mark)
        environment["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{environment['PATH']}"
        environment |= {"BENCH_TEST_STEPS": str(self.folder / "steps")}
        environment |= {"BENCH_RAY_PORT": str(cluster_of_one.free_port())}
        with (self.folder / "log").open("w") as log:
            self.job = subprocess.Popen(
                ["sbatch", "--nodes=2", "slurm.sh", *map(str, words)],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def steps(self) -> list[str]:
        return (self.folder / "steps").read_text().splitlines()

    @property
    def leftovers(self) -> list[str]:
        """Processes and folders that the job has left."""
        return [*cluster_of_one.marked(self.mark).values(), *map(str, Path("/tmp").glob(f"ray-{self.job.pid}"))]


@pytest.fixture
def slurm(tmp_path):
    """No process of it is left when the test is over."""
    started = Slurm(tmp_path)
    yield started
    cluster_of_one.end_marked(started.mark)


ASKED = ("run", "--dataset", "penguins", "--families", "dummy,linear,naive_bayes", "--folds", 2, "--no-track")


@with_address
@pytest.mark.slow
def test_slurm_script_makes_a_cluster_of_its_machines_and_leaves_none_of_it(slurm):
    slurm.submit(*ASKED, "--trials", 3, "--output", slurm.folder / "run")
    assert slurm.job.wait(240) == 0, slurm.log
    first, second, last = slurm.steps
    assert "--nodelist=node1 ray start --head" in first
    assert "--nodelist=node2 ray start --address=127.0.0.1:" in second
    assert f"rm -rf /tmp/ray-{slurm.job.pid}" in last
    assert (slurm.folder / "run" / "DONE").exists()
    assert len({fold["worker"] for fold in events(slurm.folder / "run", "fold")}) >= 2
    assert slurm.leftovers == []


@with_address
@pytest.mark.slow
def test_slurm_script_ends_a_sweep_with_its_board_when_time_is_up(slurm):
    slurm.submit(*ASKED, "--budget", "10m", "--output", slurm.folder / "run")
    until = time.monotonic() + 240
    while len(events(slurm.folder / "run", "fold")) < 10:
        assert slurm.job.poll() is None, slurm.log
        assert time.monotonic() < until, slurm.log
        time.sleep(0.2)
    os.kill(slurm.job.pid, signal.SIGTERM)  # to the script alone, as --signal=B:TERM asks
    assert slurm.job.wait(100) == 143, slurm.log
    assert (slurm.folder / "run" / "leaderboard.csv").exists()
    assert "best: " in slurm.log
    assert slurm.leftovers == []
