"""Web tools on a real server of ours: pages as text, search engines, Wikipedia and arXiv as they answer."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from aios.errors import AddressDenied, BadToolArguments, ToolFailed, ToolOff
from aios.settings import SearchSettings
from aios.tools.http_get import Fetcher
from aios.tools.knowledge import arxiv_tool, wikipedia_tool
from aios.tools.registry import Loaded, Registry
from aios.tools.web_fetch import read, web_fetch_tool
from aios.tools.web_search import web_search_tool

PAGE = """<html><head><title> The  title </title><style>p {}</style></head><body><nav>Home</nav>
<main><h1>Head</h1><p>One <b>two</b></p><script>bad()</script><ul><li>a</li><li>b</li></ul></main></body></html>"""
WIKIPEDIA = {
    "query": {
        "pages": {
            "7": {"index": 2, "title": "B", "fullurl": "http://w/B", "extract": "Second."},
            "9": {"index": 1, "title": "A", "fullurl": "http://w/A", "extract": "First.\\n"},
        }
    }
}
ARXIV = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><entry>
<id>http://arxiv.org/abs/1</id><title>Attention
 is all</title><summary> Long. </summary><published>2017-06-12T00:00:00Z</published>
<author><name>Ann</name></author><author><name>Bob</name></author></entry></feed>"""
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><feed>&b;</feed>'


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        body, kind, status = self.server.answers[urlsplit(self.path).path]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", body)
            body = ""
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


@contextmanager
def site(**answers):
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        server.seen = []
        server.answers = {f"/{path.replace('__', '/')}": (*answer, 200)[:3] for path, answer in answers.items()}
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server, f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def fetcher(*allow):
    return Fetcher(allow, permitted=lambda _: True, seconds=5)


def call(tool, **arguments):
    registry = Registry([Loaded(tool, "here")])
    return registry.call(tool.name, arguments, agent_id=uuid4(), seconds=10)


def test_a_page_is_read_without_its_markup():
    with site(page=(PAGE, "text/html; charset=utf-8")) as (_, url):
        told = call(web_fetch_tool(fetcher(url[7:])), url=f"{url}/page")
    assert (told["title"], told["status"], told["truncated"]) == ("The title", 200, False)
    assert told["text"] == "Head\nOne\ntwo\na\nb"


def test_a_long_page_is_cut_and_what_is_no_html_stays_as_it_is():
    with site(long=("word " * 200, "text/plain")) as (_, url):
        told = call(web_fetch_tool(fetcher(url[7:])), url=f"{url}/long", characters=100)
    assert (len(told["text"]), told["truncated"]) == (100, True)


def test_hostile_markup_ends_in_text():
    assert read("<div>" * 900 + "x")[1] == "x"
    assert read("<p>one<br>" * 2_000)[1].count("one") == 2_000
    begun = time.process_time()
    for hostile in (
        "<div>" * 200_000,
        "<select>" + "<option>" * 125_000,
        f"<p {' '.join(f'a{n}' for n in range(140_000))}>",
    ):
        read(hostile)
        assert time.process_time() - begun < 5
    assert read("") == ("", "")
    assert read("<title><b>\x00")[0] in {"<b>", "<b>\ufffd"}


def test_a_host_that_is_not_allowed_and_a_redirect_to_one_are_refused():
    with site(away=("http://127.0.0.2:1/x", "text/html", 302)) as (_, url):
        with pytest.raises(AddressDenied, match="http_allow"):
            call(web_fetch_tool(fetcher()), url=f"{url}/away")
        with pytest.raises(AddressDenied, match="http_allow"):
            call(web_fetch_tool(fetcher(url[7:])), url=f"{url}/away")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (SearchSettings(), "no provider is configured"),
        (SearchSettings(provider="gogle"), "is no search provider"),
        (SearchSettings(provider="brave"), "needs a key: set tools.search.key_env"),
        (SearchSettings(provider="brave", key_env="NO_SUCH_KEY"), "the variable NO_SUCH_KEY is empty"),
        (SearchSettings(provider="searxng"), "needs an address"),
    ],
)
def test_without_a_provider_or_its_key_search_is_off_and_says_what_to_set(settings, why):
    tool = web_search_tool(fetcher(), settings)
    with pytest.raises(ToolOff, match=why):
        call(tool, query="x")
    assert why in tool.why_off()


def test_brave_is_asked_with_its_key_and_its_key_goes_nowhere_else(monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    hits = {"web": {"results": [{"title": "T", "url": "http://x", "description": "D"}] * 3}}
    with site(search=(json.dumps(hits), "application/json")) as (server, url):
        settings = SearchSettings(provider="brave", key_env="MY_KEY", url=f"{url}/search")
        told = call(web_search_tool(fetcher(), settings), query="solar eclipse", k=2)
        path, headers = server.seen[0]
    assert told == [{"title": "T", "url": "http://x", "text": "D"}] * 2
    assert parse_qs(urlsplit(path).query) == {"q": ["solar eclipse"], "count": ["2"]}
    assert headers["X-Subscription-Token"] == "secret"


def test_a_key_is_not_sent_on_to_where_an_answer_redirects():
    with site(there=("ok", "text/plain")) as (there, other):
        elsewhere = other.replace("127.0.0.1", "localhost")
        with site(here=(f"{elsewhere}/there", "text/plain", 302)) as (here, url):
            from dataclasses import replace

            chosen = replace(
                fetcher(url[7:], elsewhere[7:]), headers={"X-Key": "secret"}, resolve=lambda *_: ["127.0.0.1"]
            )
            assert chosen.fetch(f"{url}/here")["text"] == "ok"
    assert here.seen[0][1]["X-Key"] == "secret"
    assert "X-Key" not in there.seen[0][1]


@pytest.mark.parametrize("answer", ["no json", "{}", '{"results": 7}', '{"results": [{"title": 1}]}'])
def test_an_answer_of_another_form_is_told(answer):
    with site(search=(answer, "application/json")) as (_, url), pytest.raises(ToolFailed, match="BadAnswer"):
        call(web_search_tool(fetcher(), SearchSettings(provider="searxng", url=url)), query="x")


def test_wikipedia_gives_articles_best_first_in_a_language():
    with site(en__api=(json.dumps(WIKIPEDIA), "application/json")) as (server, url):
        told = call(wikipedia_tool(fetcher(), f"{url}/{{language}}/api"), query="Ada", k=2)
        assert parse_qs(urlsplit(server.seen[0][0]).query)["gsrsearch"] == ["Ada"]
    assert [one["title"] for one in told] == ["A", "B"]
    with pytest.raises(BadToolArguments, match="language"):
        call(wikipedia_tool(fetcher(), "http://{language}.x/"), query="x", language="evil.example/")
    with pytest.raises(ToolOff):
        call(wikipedia_tool(fetcher(), ""), query="x")


def test_arxiv_gives_papers_and_a_bomb_is_refused():
    with site(query=(ARXIV, "application/atom+xml")) as (_, url):
        (paper,) = call(arxiv_tool(fetcher(), f"{url}/query"), query="attention")
    assert paper["authors"] == ["Ann", "Bob"]
    assert (paper["title"], paper["published"], paper["text"]) == ("Attention is all", "2017-06-12", "Long.")
    for bad in (BOMB, "<feed", ""):
        with site(query=(bad, "application/xml")) as (_, url), pytest.raises(ToolFailed, match="BadAnswer"):
            call(arxiv_tool(fetcher(), f"{url}/query"), query="x")
