"""The files that operators edit say what the code does: every setting with its default, and examples that load."""

from __future__ import annotations

import re
import runpy
import tomllib
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from aios import settings
from aios.errors import Misconfigured
from aios.settings import Settings, app_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = app_dir() / "config"
FILE = CONFIG / "aios.toml"
FLOWER = CONFIG / "flowerconfig.py"


def uncommented() -> str:
    return re.sub(r"^#(\w+ = )", r"\1", FILE.read_text(), flags=re.MULTILINE)


def described(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from described(kind)
        elif name != "data_dir":
            yield name, str(field.description)


def names(values: dict[str, object], prefix: str = "") -> set[str]:
    found = set()
    for name, value in values.items():
        found |= names(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return found


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def loaded(text: str) -> Settings:
        file = tmp_path / "aios.toml"
        file.write_text(text)
        monkeypatch.setenv("AIOS_CONFIG", str(file))
        return settings.load(data_dir=tmp_path)

    return loaded


def test_as_it_ships_the_file_changes_nothing(load) -> None:
    assert load(FILE.read_text()) == load("")


def test_with_every_comment_taken_away_it_still_says_the_defaults(load) -> None:
    assert load(uncommented()) == load("")


def test_it_names_every_setting_there_is(load) -> None:
    every = names(load("").model_dump(mode="json")) - {"data_dir"}
    assert names(tomllib.loads(uncommented())) == every


def test_each_setting_stands_below_its_description() -> None:
    text = FILE.read_text()
    for name, description in described(Settings):
        assert f"# {description}\n#{name} = " in text, name


def test_a_misspelt_setting_is_refused_by_name(load) -> None:
    with pytest.raises(Misconfigured, match="LLM__SLOTZ"):
        load("[llm]\nslotz = 3\n")


@pytest.mark.parametrize("file", sorted((CONFIG / "examples").glob("*.toml")), ids=lambda file: file.name)
def test_an_example_file_loads(load, file: Path) -> None:
    assert load(file.read_text()) != load("")


@pytest.mark.parametrize("file", sorted((CONFIG / "examples").glob("*.env")), ids=lambda file: file.name)
def test_an_example_environment_loads(load, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in file.read_text().splitlines():
        if line and not line.startswith("#"):
            monkeypatch.setenv(*line.split("=", 1))
    assert load("").database_url.startswith("postgresql://")


@pytest.fixture
def flower(monkeypatch: pytest.MonkeyPatch):
    def read(**env: str) -> dict[str, object]:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(FLOWER))

    return read


def test_flower_listens_on_loopback_and_only_looks(flower) -> None:
    values = flower()
    assert (values["address"], values["read_only"]) == ("127.0.0.1", "true")


def test_flower_takes_its_environment_first(flower) -> None:
    values = flower(FLOWER_ADDRESS="0.0.0.0", FLOWER_BASIC_AUTH="a:b", FLOWER_READ_ONLY="false")
    assert (values["address"], values["read_only"]) == ("0.0.0.0", "false")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "flower.example.com"])
def test_flower_refuses_a_network_without_a_password(flower, address: str) -> None:
    with pytest.raises(SystemExit, match="FLOWER_BASIC_AUTH"):
        flower(FLOWER_ADDRESS=address)


@pytest.mark.parametrize(
    ("shown", "args"), [("('0199-ab',)", "0199-ab"), ("['0199-ab']", "0199-ab"), ("()", ""), (None, None)]
)
def test_flower_shows_an_id_as_just_that(flower, shown: object, args: object) -> None:
    assert flower()["format_task"](SimpleNamespace(args=shown)).args == args


def test_the_owners_url_is_asked_for_its_own_database_only() -> None:
    owner = "postgresql://aios:a@h:1/aios"
    assert Settings(database_url="postgresql://app:b@h:1/aios", database_owner_url=owner).owner_database == owner
    for other in ("postgresql://app:b@h:2/aios", "postgresql://app:b@h:1/theirs"):
        assert Settings(database_url=other, database_owner_url=owner).owner_database == other
    assert Settings(database_url=owner).owner_database == owner
