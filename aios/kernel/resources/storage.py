"""`agent.storage`: files."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, Literal

from aios.errors import InvalidArgument
from aios.kernel.request import Request, nothing
from aios.kernel.resources.files import FileInfo, Found, Group, Grouped, Hit, Joined, Link, Pair, Summary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from aios.kernel.resources.llm import LLM
    from aios.kernel.values import JsonObject

PART: Final = 4000
"""Characters of a text that are summarised at once: what a small model can read."""

MOST_PARTS: Final = 20
_TOKENS_PER_WORD: Final = 2


class Storage:
    """`agent.storage`: files, every write of which is a version. A relative path is below the agent's own folder.

    Other areas are `/groups/<name>/...`, `/shared/...` and `/agents/<id>/...`, as far as the access rules let the agent.
    """

    def __init__(self, llm: LLM) -> None:
        """Give it the models that summaries are made by."""
        self._llm = llm

    def write(self, path: str, content: str | bytes, *, expect: int | None = None) -> Request[FileInfo]:
        """Write a whole file as a new version.

        Args:
            path: the file; folders that are missing are made.
            content: text or bytes.
            expect: the version that this replaces (0: none); another one raises `VersionConflict`. None: the last writer
                wins.
        """
        return Request("storage", "write", {"path": path, **_content(content), **_given(expect=expect)}, decode=_info)

    def create(self, path: str, content: str | bytes = "") -> Request[FileInfo]:
        """Write a file that must not exist yet, else `VersionConflict`."""
        return Request("storage", "create", {"path": path, **_content(content)}, decode=_info)

    def append(self, path: str, content: str | bytes, *, expect: int | None = None) -> Request[FileInfo]:
        """Add to the end of a file, or make it; nothing of another writer is lost in between.

        Args:
            path: the file; folders that are missing are made.
            content: text or bytes.
            expect: the version that it is added to (0: none); another one raises `VersionConflict`.
        """
        return Request("storage", "append", {"path": path, **_content(content), **_given(expect=expect)}, decode=_info)

    def read(self, path: str, *, version: int | None = None, start: int = 0, length: int | None = None) -> Request[str]:
        """A file's text, of its newest version unless another is named.

        Args:
            path: the file.
            version: which one.
            start: first byte; moved back to where its character begins.
            length: bytes at most; no character is cut. None: all.
        """
        args = {"path": path, "version": version, **({"start": start} if start else {}), **_given(length=length)}
        return Request("storage", "read", args, decode=lambda r: str(r[-1]["content"]))

    def read_bytes(
        self, path: str, *, version: int | None = None, start: int = 0, length: int | None = None
    ) -> Request[bytes]:
        """A file's bytes, or a range of them."""
        args = {"path": path, "version": version, "start": start, "encoding": "base64", **_given(length=length)}
        return Request("storage", "read", args, decode=lambda r: base64.b64decode(r[-1]["content"]))

    def list(self, pattern: str = "**", *, folders: bool = False) -> Request[Sequence[FileInfo]]:
        """The files that match a glob pattern, by path: `*` and `?` stay within a name, `**` spans folders."""
        args = {"pattern": pattern, **({"folders": True} if folders else {})}
        return Request("storage", "list", args, decode=lambda r: [FileInfo(**f) for f in r[-1]])

    def mkdir(self, path: str) -> Request[None]:
        """Make a folder and those it lies in; one that is there is left as it is."""
        return Request("storage", "mkdir", {"path": path}, decode=nothing)

    def stat(self, path: str) -> Request[JsonObject]:
        """What is known of a file or folder: version, size, media type, digest, times, whether search knows it.

        `parts` says by how many parts search finds it: 0 for what is binary, and for a PDF that is encrypted, broken or
        made of pictures.
        """
        return Request("storage", "stat", {"path": path})

    def move(self, source: str, target: str, *, replace: bool = False) -> Request[Sequence[FileInfo]]:
        """Move a file, or a folder with all that is in it. What is at the target is kept unless `replace` is set."""
        args = {"source": source, "target": target, "replace": replace}
        return Request("storage", "move", args, decode=lambda r: [FileInfo(**f) for f in r[-1]])

    def copy(self, source: str, target: str, *, replace: bool = False) -> Request[Sequence[FileInfo]]:
        """Copy a file, or a folder with all that is in it; the contents are stored once."""
        args = {"source": source, "target": target, "replace": replace}
        return Request("storage", "copy", args, decode=lambda r: [FileInfo(**f) for f in r[-1]])

    def delete(self, path: str, *, everything: bool = False, expect: int | None = None) -> Request[None]:
        """Delete a file, or an empty folder; its versions stay.

        Args:
            path: the file or folder.
            everything: of a folder: with all that is in it.
            expect: the version that is to go; another one raises `VersionConflict`.
        """
        args = {"path": path, **({"everything": True} if everything else {}), **_given(expect=expect)}
        return Request("storage", "delete", args, decode=nothing)

    def history(self, path: str, *, limit: int = 100) -> Request[Sequence[JsonObject]]:
        """The versions that are kept, newest first: when, by whom, by which operation, how large."""
        return Request("storage", "history", {"path": path, "limit": limit})

    def rollback(
        self,
        path: str,
        versions: int | None = None,
        *,
        to: int | None = None,
        before: datetime | None = None,
        expect: int | None = None,
    ) -> Request[JsonObject]:
        """Give a file back the content that it had, as a new version.

        Args:
            path: the file.
            versions: so many versions back; 1 if nothing else is said.
            to: the version to go back to.
            before: as it was at this instant; it must know its zone.
            expect: the version that the file is at; another one raises `VersionConflict`.
        """
        if before is not None and before.tzinfo is None:
            raise InvalidArgument("before", str(before), "give an instant that knows its zone")
        instant = before.isoformat() if before is not None else None
        return Request(
            "storage", "rollback", {"path": path, **_given(versions=versions, to=to, before=instant, expect=expect)}
        )

    def diff(self, path: str, *, old: int | None = None, new: int | None = None) -> Request[str]:
        """What changed between two versions of a text, as a unified diff; by default by the newest one."""
        args = {"path": path, **_given(old=old, new=new)}
        return Request("storage", "diff", args, decode=lambda r: str(r[-1]["diff"]))

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        by: Literal["words", "meaning", "both"] = "both",
        pattern: str = "**",
        media_type: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> Request[Found]:
        """Files that fit a query, best first.

        Args:
            query: words, a question, a description.
            k: how many files at most.
            by: `words`: those with the query's words; `meaning`: those that mean something like it; or both, fused.
            pattern: where to look, a glob pattern such as `/groups/staff/**/*.md`; by default the agent's own folder.
            media_type: such as `text/markdown`.
            after: changed then or later.
            before: changed earlier.
        """
        args = {"query": query, "k": k, "by": by, "pattern": pattern}
        args |= _given(media_type=media_type, **_instants(after=after, before=before))
        return Request("storage", "search", args, decode=lambda r: _found(r[-1]))

    def group(
        self,
        key: Literal["type", "folder", "agent", "day", "label"],
        *,
        labels: Sequence[str] = (),
        members: int = 20,
        query: str = "",
        by: Literal["words", "meaning", "both"] = "words",
        k: int = 100,
        pattern: str = "**",
        media_type: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> Request[Grouped]:
        """Files put together by what they have in common, with counts.

        Args:
            key: `type`; `folder`; `agent` that wrote the newest version; `day` on which it was written; or `label`.
            labels: for `label`: what there is to choose from; each file goes to the one that it means most like.
            members: how many files of each group are told; all are counted.
            query: only files that a search finds; empty: all.
            by: how that search looks, as for `search`.
            k: how many files it finds at most.
            pattern: where to look, a glob pattern; by default the agent's own folder.
            media_type: such as `text/markdown`.
            after: changed then or later.
            before: changed earlier.
        """
        args = {"key": key, "members": members, "pattern": pattern, **({"labels": [*labels]} if labels else {})}
        args |= {"query": query, "by": by, "k": k} if query else {}
        args |= _given(media_type=media_type, **_instants(after=after, before=before))
        return Request("storage", "group", args, decode=lambda r: _grouped(r[-1]))

    def join(
        self,
        left: str,
        right: str,
        *,
        on: Literal["name", "stem", "meaning"] = "stem",
        left_query: str = "",
        right_query: str = "",
        min_score: float | None = None,
        limit: int = 100,
    ) -> Request[Joined]:
        """Pairs of files of two sets that belong together.

        Args:
            left: one set, a glob pattern.
            right: the other; a file may be in both, but is never its own pair.
            on: the same `name`; the same `stem`, which is the name without its last suffix; or `meaning`, of the whole files.
            left_query: only the 100 files of that set that fit these words best; empty: all.
            right_query: the same of the other.
            min_score: for `meaning`: the lowest cosine similarity of a pair, from 0 to 1; 0.4 if none is given.
            limit: how many pairs at most.
        """
        args: JsonObject = {"left": left, "right": right, "on": on, "limit": limit}
        args |= {"left_query": left_query} if left_query else {}
        args |= {"right_query": right_query} if right_query else {}
        args |= _given(min_score=min_score)
        return Request("storage", "join", args, decode=lambda r: _joined(r[-1]))

    def index(self) -> Request[int]:
        """Have search know all that was written until now, instead of in a moment; gives how many files are still left."""
        return Request("storage", "index", {}, decode=lambda r: int(r[-1]["unindexed"]))

    async def summarise(self, path: str, *, words: int = 100, model: str = "") -> Summary:
        """What is in a text, in about so many words; made once for each content, long texts part by part.

        Raises:
            ContextOverflow: a part is more than the model can read.
        """
        asked: JsonObject = {"path": path, "words": words, "model": model}
        found: JsonObject = await Request("storage", "summarise", asked)
        text, version = found["text"], found["version"]
        if found["summary"] is not None:
            return Summary(found["summary"], version, kept=True, characters=0, of=0)
        parts = [text[start : start + PART] for start in range(0, min(len(text), PART * MOST_PARTS), PART)]
        told = [await self._short(part, words=words, model=model) for part in parts]
        whole = told[0] if len(told) == 1 else await self._short("\n\n".join(told), words=words, model=model)
        kept = {**asked, "digest": found["digest"], "content": whole}
        await Request("storage", "keep_summary", kept)
        return Summary(whole, version, kept=False, characters=min(len(text), PART * MOST_PARTS), of=len(text))

    def share(self, path: str, *, seconds: float = 86400.0, version: int | None = None) -> Request[Link]:
        """A link that lets anybody who has it read a file, for a time.

        Args:
            path: the file.
            seconds: until it expires; a year at most.
            version: which one; None: whatever is the newest when the link is opened.
        """
        args = {"path": path, "seconds": float(seconds), **_given(version=version)}
        return Request("storage", "share", args, decode=lambda r: Link(**r[-1]))

    def unshare(self, path: str, link: str) -> Request[None]:
        """Let a link of a file (its `id` or `link`) open nothing any more."""
        return Request("storage", "unshare", {"path": path, "link": link}, decode=nothing)

    def links(self, path: str) -> Request[Sequence[JsonObject]]:
        """The links to a file, newest first: until when, open, expired or revoked."""
        return Request("storage", "links", {"path": path})

    async def _short(self, text: str, *, words: int, model: str) -> str:
        if not text.strip():
            return ""
        prompt = f"Summarise the following text in at most {words} words. Answer with the summary only.\n\n{text}"
        reply = await self._llm.chat(prompt, model=model, max_tokens=_TOKENS_PER_WORD * words)
        return reply.text.strip()


def _found(result: JsonObject) -> Found:
    return Found(tuple(Hit(**hit) for hit in result["hits"]), result["unindexed"])


def _grouped(result: JsonObject) -> Grouped:
    groups = [
        Group(**{**group, "members": tuple(FileInfo(**one) for one in group["members"])}) for group in result["groups"]
    ]
    return Grouped(tuple(groups), result["files"], result["unindexed"])


def _joined(result: JsonObject) -> Joined:
    pairs = [Pair(FileInfo(**one["left"]), FileInfo(**one["right"]), one["score"]) for one in result["pairs"]]
    return Joined(tuple(pairs), result["more"], result["unindexed"])


def _info(results: list[JsonObject]) -> FileInfo:
    return FileInfo(**results[-1])


def _content(content: str | bytes) -> JsonObject:
    if isinstance(content, bytes):
        return {"content": base64.b64encode(content).decode(), "encoding": "base64"}
    return {"content": content}


def _instants(**instants: datetime | None) -> dict[str, str]:
    return {name: instant.isoformat() for name, instant in instants.items() if instant is not None}


def _given(**values: object) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}
