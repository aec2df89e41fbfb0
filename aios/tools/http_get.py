"""`http_get`: fetch a page from a host that the operator allowed, and never from our own network."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx

from aios.errors import AddressDenied, InvalidArgument, ToolFailed, ToolUnavailable
from aios.kernel.values import clean
from aios.kernel.words import Effect
from aios.tools.addresses import Permitted, Resolve, is_public, pinned, system_resolve
from aios.tools.tool import Tool, tool

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Mapping

    from aios.kernel.values import JsonObject

NAME: Final = "http_get"
_REDIRECTS: Final = 5
_LONGEST_URL: Final = 2_048
_PORTS: Final = {"http": 80, "https": 443}
# Others are rare, and some of Python's decoders are slow or no text decoders at all.
_CHARSETS: Final = ("utf-8", "ascii", "us-ascii", "utf-16", "iso-8859-", "latin-1", "windows-125", "cp125")


@dataclass(frozen=True)
class Fetcher:
    """Fetches pages under the operator's rules.

    Attributes:
        allow: host names; `*.host` for its sub-domains, `host:port` for a port other than 80 and 443.
        body_bytes: longer bodies are cut here.
        seconds: one fetch, redirects and all, ends by then.
        resolve: how names become addresses.
        permitted: which addresses may be reached.
        tool: whose errors these are.
        headers: sent to the host that was asked for, and to no other that it redirects to.
    """

    allow: tuple[str, ...]
    body_bytes: int = 1_000_000
    seconds: float = 20.0
    resolve: Resolve = system_resolve
    permitted: Permitted = is_public
    tool: str = NAME
    headers: Mapping[str, str] = field(default_factory=dict)

    def fetch(self, url: str) -> JsonObject:
        """The answer to GET, after at most five redirects, each checked like the first address.

        Raises:
            AddressDenied: the host or its address is not allowed.
            InvalidArgument: `url` is no URL.
            ToolFailed: the answer cannot be used.
            ToolUnavailable: the host does not answer.
        """
        until = time.monotonic() + self.seconds
        # No proxy and no .netrc of the environment: what was checked is what is connected to.
        first = _host(_parsed(url))
        with httpx.Client(trust_env=False, follow_redirects=False, verify=_tls()) as client:
            for _ in range(_REDIRECTS + 1):
                answer = self._once(client, url, until=until, own=_host(_parsed(url)) == first)
                if isinstance(answer, dict):
                    return answer
                url = answer
        raise ToolFailed(self.tool, "TooManyRedirects", f"more than {_REDIRECTS}; the last one is {url!r}")

    def _once(self, client: httpx.Client, url: str, *, until: float, own: bool) -> JsonObject | str:
        """The answer, or the URL that it redirects to."""
        request = self._request(client, url, seconds=until - time.monotonic(), own=own)
        try:
            response = client.send(request, stream=True)
            try:
                if response.has_redirect_location:
                    return _redirected(self.tool, url, response.headers["location"])
                return self._told(url, response, until=until)
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise ToolUnavailable(self.tool, url, str(error) or type(error).__name__) from error

    def _request(self, client: httpx.Client, url: str, *, seconds: float, own: bool) -> httpx.Request:
        """A request to the checked address itself, for the host by name in its header and its certificate."""
        parsed = _parsed(url)
        host = _host(parsed)
        port = parsed.port or _PORTS[parsed.scheme]
        if not _allowed(host, port, self.allow):
            raise AddressDenied(url, f"{host} is not in the setting tools.http_allow")
        address = pinned(url, host=host, port=port, resolve=self.resolve, permitted=self.permitted, tool=self.tool)
        return client.build_request(
            "GET",
            parsed.copy_with(host=address, fragment=None),
            # Identity: a compressed body could unpack to any size.
            headers={
                **(self.headers if own else {}),
                "Host": parsed.netloc.decode(),
                "Accept-Encoding": "identity",
                "User-Agent": "aios",
            },
            extensions={"sni_hostname": host},
            timeout=max(seconds, 0.001),
        )

    def _told(self, url: str, response: httpx.Response, *, until: float) -> JsonObject:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ToolFailed(self.tool, "Compressed", f"{url!r} answers compressed though asked not to")
        body = bytearray()
        for chunk in self._chunks(response, until=until):
            body += chunk
        return {
            "url": url,
            "status": response.status_code,
            "content_type": clean(response.headers.get("content-type", "")),
            "text": clean(bytes(body[: self.body_bytes]).decode(_charset(response), errors="replace")),
            "truncated": len(body) > self.body_bytes,
        }

    def _chunks(self, response: httpx.Response, *, until: float) -> Iterator[bytes]:
        """The body up to one chunk beyond the limit; slow senders are cut off by the clock."""
        size = 0
        for chunk in response.iter_raw():
            yield chunk
            size += len(chunk)
            if size > self.body_bytes:
                return
            if time.monotonic() > until:
                raise httpx.ReadTimeout(f"not finished after {self.seconds} s")


def http_get_tool(fetcher: Fetcher) -> Tool:
    """The tool that fetches by these rules."""

    def http_get(url: str) -> JsonObject:
        """Fetch a web page or an API's answer; gives its status, content type and text.

        Args:
            url: the address, with http:// or https://.

        Examples:
            Fetch https://example.org/page. -> {"url": "https://example.org/page"}
        """
        return fetcher.fetch(url)

    # The outer limit comes second: the fetcher's own leaves no thread behind.
    return tool(name=NAME, effect=Effect.NONE, timeout_seconds=fetcher.seconds + 5)(http_get)


def _parsed(url: str) -> httpx.URL:
    if len(url) > _LONGEST_URL:
        raise InvalidArgument("url", url[:80], f"give one of at most {_LONGEST_URL} characters")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidArgument("url", url, f"give a valid URL ({error})") from error
    if parsed.scheme not in _PORTS or not parsed.host:
        raise InvalidArgument("url", url, "give an address with http:// or https:// and a host")
    if parsed.userinfo:
        raise AddressDenied(url, "it carries a user name or a password")
    return parsed


def _redirected(tool: str, url: str, location: str) -> str:
    """Where an answer sends us on to; refused here if it leaves HTTP, and checked like any other address if not."""
    try:
        target = _parsed(url).join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise ToolFailed(tool, "BadRedirect", f"{url!r} redirects to no valid URL ({error})") from error
    if target.scheme not in _PORTS or not target.host:
        raise AddressDenied(url, f"it redirects to {str(target)[:80]!r}, which is no HTTP address")
    return str(target)


@functools.cache
def _tls() -> ssl.SSLContext:
    # Reading the certificates takes as long as a fetch, so it is done once.
    return httpx.create_ssl_context(trust_env=False)


def _host(url: httpx.URL) -> str:
    """The host as it is looked up: in ASCII, lower case, without the dot of a fully qualified name."""
    return url.raw_host.decode("ascii").lower().rstrip(".")


def _allowed(host: str, port: int, allow: Iterable[str]) -> bool:
    for entry in allow:
        name, _, entry_port = entry.lower().partition(":")
        ports = {entry_port} if entry_port else {str(usual) for usual in _PORTS.values()}
        if str(port) in ports and (host.endswith(name[1:]) if name.startswith("*.") else host == name):
            return True
    return False


def _charset(response: httpx.Response) -> str:
    named = (response.charset_encoding or "utf-8").lower()
    return named if named.startswith(_CHARSETS) else "utf-8"
