"""The container files, checked without a Docker engine: the schema, and that whatever they name exists in the code."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import flower.options  # noqa: F401  # defines Flower's options
import jsonschema
import pytest
import typer
import yaml
from celery.bin.celery import celery as celery_command
from sqlalchemy import make_url
from tornado.options import options as flower_options

from aios import settings
from aios.cli.main import app as aios_app
from aios.kernel.words import Pool
from aios.local.engine.options import parse as parse_engine_options
from aios.settings import Settings, app_dir

if TYPE_CHECKING:
    from pathlib import Path

    import click

ROOT = app_dir()
DOCKER = ROOT / "docker"
PORTS = {"postgres": 5432, "redis": 6379}  # of the images; Redis' protocol and Postgres' have registered ports
OTHERS = {
    "postgres": {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"},
    "redis": {"REDIS_PASSWORD", "REDISCLI_AUTH"},
}
OTHERS |= {"engine": {"HF_TOKEN", "OMP_WAIT_POLICY"}}


class Reset:
    """A value that the override takes away."""


class Loader(yaml.SafeLoader):
    """YAML with the tags of Compose's merging."""


def _override(loader: Loader, node: yaml.Node) -> object:
    sequence = isinstance(node, yaml.SequenceNode)
    return loader.construct_sequence(node, deep=True) if sequence else loader.construct_mapping(node, deep=True)


Loader.add_constructor("!override", _override)
Loader.add_constructor("!reset", lambda _loader, _node: Reset)


def read(name: str) -> dict:
    return yaml.load((DOCKER / name).read_text(), Loader)


def without_reset(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_reset(item) for key, item in value.items() if item is not Reset}
    return value


BASE = read("compose.yaml")
OVERRIDE = read("compose.cpu.yaml")
MERGED = {**BASE["services"], "engine": without_reset(BASE["services"]["engine"] | OVERRIDE["services"]["engine"])}
GPU = list(BASE["services"].items())
ALL = [*GPU, ("engine", MERGED["engine"])]
each = pytest.mark.parametrize(("name", "service"), ALL, ids=[*BASE["services"], "engine-cpu"])


def ours(service: dict) -> bool:
    return service["image"].startswith("aios")


def example_values() -> dict[str, str]:
    lines = (DOCKER / "example.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolated(text: str) -> str:
    values = example_values()

    def value(match: re.Match[str]) -> str:
        return values.get(match[1]) or (match[3] if match[2] == ":-" else "")

    return re.sub(r"\$\{(\w+)(:-|:\?)?([^}]*)\}", value, text).replace("$$", "$")


def environment(service: dict) -> dict[str, str]:
    return {name: interpolated(str(value)) for name, value in service.get("environment", {}).items()}


@pytest.mark.parametrize("name", ["compose.yaml", "compose.cpu.yaml"])
def test_it_fits_the_compose_specification(name: str) -> None:
    schema = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validate(without_reset(read(name)), schema)


def test_the_schema_would_refuse_a_misspelt_key() -> None:
    schema = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": {"a": {"image": "a", "comand": "b"}}}, schema)


def test_each_pool_has_a_service_of_its_own() -> None:
    workers = {
        name: service["command"][2] for name, service in GPU if service.get("command", [])[:2] == ["aios", "worker"]
    }
    assert workers == {f"worker-{pool.value}": pool.value for pool in Pool}
    assert all(BASE["services"][name]["deploy"]["replicas"] >= 1 for name in workers)


@each
def test_our_commands_and_their_options_exist(name: str, service: dict) -> None:
    if not ours(service):
        return
    first, *rest = service["command"]
    if first == "aios":
        parsed(typer.main.get_command(aios_app), rest)
    elif first == "celery":
        assert rest[:2] == ["-A", "tasks"]
        assert (ROOT / "tasks" / "__init__.py").is_file()
        parsed(celery_command, rest[2:])
    else:
        assert service["command"][:3] == ["python", "-m", "aios.local.engine"]
        parse_engine_options(rest[2:])


def parsed(command: click.Command, arguments: list[str]) -> None:
    """Follow the sub-commands, and parse the arguments of the last one without running it."""
    while hasattr(command, "commands"):  # no isinstance: typer brings a click of its own
        found = command.commands.get(arguments[0])
        assert found is not None, f"no command {arguments[0]!r}"
        command, arguments = found, arguments[1:]
    context = command.context_class(command, **command.context_settings)
    command.make_parser(context).parse_args(list(arguments))
    if command.name == "flower":
        for argument in arguments:
            option, _, value = argument.lstrip("-").partition("=")
            assert option in flower_options
            assert option != "conf" or (ROOT / value).is_file()


@pytest.mark.parametrize("wrong", ["serve", "worker llm --concurency 2", "db upgrad"])
def test_the_check_of_commands_would_find_a_wrong_one(wrong: str) -> None:
    with pytest.raises(Exception, match=r"[Nn]o such option|no command"):
        parsed(typer.main.get_command(aios_app), wrong.split())


@each
def test_our_variables_are_settings_that_load(
    name: str, service: dict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = environment(service)
    for variable, value in given.items():
        if variable.startswith("AIOS_"):
            assert variable.removeprefix("AIOS_").split("__")[0].lower() in Settings.model_fields, variable
            monkeypatch.setenv(variable, value)
        elif variable.startswith("FLOWER_"):
            assert variable.removeprefix("FLOWER_").lower() in flower_options, variable
        else:
            assert variable in OTHERS[name], variable
    loaded = settings.load(data_dir=tmp_path)
    if ours(service) and name != "engine":
        assert loaded.database_url
        assert loaded.redis_url
        assert loaded.engine_url


def test_the_overrides_variables_are_settings_that_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small = [service for name, service in OVERRIDE["services"].items() if name != "engine"]
    assert set(OVERRIDE["services"]) - {"engine"} == {f"worker-{pool.value}" for pool in Pool}
    for variable, value in small[0]["environment"].items():
        monkeypatch.setenv(variable, value)
    slots = parse_engine_options(OVERRIDE["services"]["engine"]["command"][3:]).slots
    assert all(service == small[0] for service in small)
    assert settings.load(data_dir=tmp_path).llm.slots == slots


@each
def test_only_migrations_know_the_owner_of_the_tables(name: str, service: dict) -> None:
    """The owner could switch off what keeps the audit log as it is."""
    values = " ".join(map(str, service.get("environment", {}).values()))
    assert ("${POSTGRES_PASSWORD" in values) == (name in {"postgres", "migrate"})
    given = environment(service)
    if ours(service) and name != "engine":
        assert make_url(given["AIOS_DATABASE_URL"]).username == "aios_app"
    if name == "migrate":
        owner, server = make_url(given["AIOS_DATABASE_OWNER_URL"]), environment(BASE["services"]["postgres"])
        assert (owner.username, owner.database) == (server["POSTGRES_USER"], server["POSTGRES_DB"])
        assert Settings(
            database_url=given["AIOS_DATABASE_URL"], database_owner_url=given["AIOS_DATABASE_OWNER_URL"]
        ).owner_database == owner.render_as_string(hide_password=False)


@each
def test_urls_lead_to_services_and_their_ports(name: str, service: dict) -> None:
    for variable, value in environment(service).items():
        if variable.endswith("_URL"):
            url = make_url(value)
            assert url.host in BASE["services"], value
            assert url.port == PORTS.get(str(url.host), 8080), value


@pytest.mark.parametrize("service", [BASE["services"]["engine"], MERGED["engine"]], ids=["tgi", "cpu"])
def test_the_engine_listens_where_the_workers_look(service: dict) -> None:
    command = service["command"]
    assert command[command.index("--port") + 1] == "8080"
    assert ":8080/health" in " ".join(service["healthcheck"]["test"])
    assert "deploy" in service or "--host" in command


def test_flower_listens_where_its_port_leads_and_only_the_host_reaches_it() -> None:
    service = BASE["services"]["flower"]
    port = environment(service)["FLOWER_PORT"]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f":{port}/" in service["healthcheck"]["test"][-1]
    assert environment(service)["FLOWER_BASIC_AUTH"].startswith("aios:")
    assert not [name for name, other in GPU if other.get("ports") and name != "flower"]


@each
def test_what_a_service_refers_to_is_there(name: str, service: dict) -> None:
    assert set(service.get("depends_on", {})) <= set(BASE["services"])
    for other, how in dict(service.get("depends_on", {})).items():
        assert how["condition"] != "service_healthy" or "healthcheck" in BASE["services"][other]
    assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(BASE["volumes"])


@each
def test_images_are_pinned_and_ours_may_do_little(name: str, service: dict) -> None:
    assert re.search(r":[\w.-]*\d+\.\d+", service["image"]), service["image"]
    if ours(service):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "privileged" not in service


@each
def test_whatever_goes_on_has_a_health_check(name: str, service: dict) -> None:
    assert name == "migrate" or "healthcheck" in service


def test_workers_stop_no_sooner_than_they_drain(tmp_path: Path) -> None:
    grace = BASE["services"]["worker-llm"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > settings.load(data_dir=tmp_path).worker.drain_seconds


def test_redis_never_evicts() -> None:
    assert "--maxmemory-policy noeviction" in BASE["services"]["redis"]["command"][-1]


def test_every_value_asked_for_is_in_the_example_and_none_besides() -> None:
    text = (DOCKER / "compose.yaml").read_text() + (DOCKER / "compose.cpu.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) == set(example_values())


def test_the_image_is_built_of_files_that_exist_by_a_user_that_is_not_root() -> None:
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    sources = {source for each_ in copied for source in each_}
    assert {"aios", "tasks", "config", "agents", "pyproject.toml"} <= sources
    assert all((ROOT / source).exists() for source in sources)
    allowed = {line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert sources == allowed
    stages = {line.split(" AS ")[1] for line in lines if line.startswith("FROM")}
    targets = {service["build"]["target"] for _, service in ALL if "build" in service}
    assert targets <= stages
    assert lines[-1] == "USER 10001:10001"
    built = [service["build"] for _, service in ALL if "build" in service]
    assert all((DOCKER / build["context"]).resolve() == ROOT for build in built)
    assert all((ROOT / build["dockerfile"]).is_file() for build in built)


def test_the_image_has_the_model_that_make_install_has() -> None:
    wanted = re.search(r"^SMOLLM2 := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert wanted is not None
    assert f'"{wanted[1]}"' in (DOCKER / "Dockerfile").read_text()


def test_images_carry_the_projects_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert {service["image"].split(":")[1] for _, service in ALL if ours(service)} == {version[1]}
