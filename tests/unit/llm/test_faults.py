import inspect

import httpx2
import pytest
from huggingface_hub import errors as hub

from aios.errors import (
    AiosError,
    EngineFailed,
    EngineOverloaded,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    Misconfigured,
)
from aios.llm.faults import KNOWN, translate, translated

# Errors of the hub's file, repository, job, sandbox and login features, none of which an inference call touches.
OUT_OF_REACH = {
    "BucketNotFoundError", "CLIError", "CLIExtensionInstallError", "CachedRepoTreeNotFoundError", "ConfirmationError",
    "CorruptedCacheException", "DDUFCorruptedFileError", "DDUFError", "DDUFExportError", "DDUFInvalidEntryNameError",
    "DeviceCodeError", "DryRunError", "EntryNotFoundError", "FileDuplicationError", "FileMetadataError", "CacheNotFound",
    "IncompleteSnapshotError", "InferenceEndpointError", "InferenceEndpointTimeoutError", "LocalEntryNotFoundError",
    "LocalTokenNotFoundError", "NotASafetensorsRepoError", "OIDCError", "RevisionResolutionError",
    "SafetensorsParsingError", "SandboxCommandError", "SandboxError", "StrictDataclassClassValidationError",
    "StrictDataclassDefinitionError", "StrictDataclassError", "StrictDataclassFieldValidationError", "XetDownloadError",
    "XetAuthorizationError", "XetError", "XetRefreshTokenError",
}  # fmt: skip


def foreign():
    for module in (hub, httpx2):
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Exception) and not issubclass(kind, Warning):
                yield pytest.param(name, kind, id=f"{module.__name__}.{name}")


@pytest.mark.parametrize(("name", "kind"), list(foreign()))
def test_every_class_of_the_client_libraries_is_mapped_or_known_to_be_out_of_reach(name, kind):
    assert issubclass(kind, KNOWN) or name in OUT_OF_REACH, f"{name} has no entry in the table"


def response(status, *, json=None, text=None, headers=None, path="/generate_stream"):
    request = httpx2.Request("POST", f"http://core{path}")
    content = {"json": json} if json is not None else {"text": text or ""}
    return httpx2.Response(status, request=request, headers=headers, **content)


def by_http(status, **options):
    return hub.HfHubHTTPError("an error", response=response(status, **options))


def chained(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (hub.OverloadedError("Model is overloaded"), EngineOverloaded),
        (hub.ValidationError("Input validation error: x"), EngineRefused),
        (hub.GenerationError("Request failed during generation: x"), EngineFailed),
        (hub.IncompleteGenerationError("x"), EngineFailed),
        (hub.UnknownError({"message": "Model is overloaded", "http_status_code": 422}), EngineOverloaded),
        (hub.UnknownError({"message": "Input validation error: x", "http_status_code": 422}), EngineRefused),
        (hub.UnknownError({"message": "Request failed during generation: x", "http_status_code": 422}), EngineFailed),
        (hub.UnknownError("incomplete"), EngineFailed),
        (
            chained(hub.UnknownError("Tools"), by_http(422, json={"error": "Tools", "error_type": "tool_error"})),
            EngineRefused,
        ),
        (by_http(429), EngineOverloaded),
        (by_http(422, text="missing field `inputs`"), EngineRefused),
        (by_http(413), EngineRefused),
        (by_http(400), EngineRefused),
        (by_http(424), EngineFailed),
        (by_http(500), EngineFailed),
        (by_http(503), EngineFailed),
        (by_http(401), Misconfigured),
        (by_http(403), Misconfigured),
        (by_http(404), Misconfigured),
        (by_http(307), Misconfigured),
        (hub.InferenceTimeoutError("x"), EngineTimeout),
        (chained(hub.InferenceTimeoutError("x"), httpx2.ConnectTimeout("x")), EngineUnreachable),
        (httpx2.ReadTimeout("x"), EngineTimeout),
        (httpx2.ConnectError("refused"), EngineUnreachable),
        (httpx2.RemoteProtocolError("cut"), EngineFailed),
        (httpx2.InvalidURL("x"), Misconfigured),
        (httpx2.UnsupportedProtocol("x"), Misconfigured),
        (ValueError("no JSON"), EngineFailed),
        (KeyError("token"), EngineFailed),
    ],
)
def test_each_fault_becomes_the_error_whose_class_decides_about_the_retry(error, kind):
    made = translate(error, core="c", seconds=7.0)
    assert type(made) is kind
    assert AiosError.kinds[kind.__name__](*made.args).to_json() == made.to_json()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 1.0),
        ("7", 7.0),
        ("0.5", 0.5),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0),
        ("-3", 0.0),
        ("nan", 1.0),
        ("1e9", 300.0),
    ],
)
def test_an_overloaded_engine_says_when_to_come_back_or_a_second_is_assumed(header, seconds):
    headers = {} if header is None else {"retry-after": header}
    overloaded = hub.OverloadedError("Model is overloaded")
    error = chained(overloaded, by_http(429, json={"error": "x", "error_type": "overloaded"}, headers=headers))
    assert translate(error, core="c", seconds=1.0).args == ("c", seconds)


def test_the_engines_own_words_are_in_the_message():
    error = by_http(
        422, json={"error": "`inputs` tokens + `max_new_tokens` must be <= 512", "error_type": "validation"}
    )
    assert "must be <= 512" in str(translate(error, core="c", seconds=1.0))


def test_the_cause_is_kept_and_our_own_errors_pass():
    with pytest.raises(EngineFailed) as caught, translated("c", seconds=1.0):
        raise httpx2.ReadError("gone")
    assert isinstance(caught.value.__cause__, httpx2.ReadError)
    with pytest.raises(EngineRefused), translated("c", seconds=1.0):
        raise EngineRefused("c", "validation", "x")
