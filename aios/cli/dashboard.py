"""The screen of `aios top`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Key, Resize
from textual.widgets import DataTable, Footer, Static

from aios.cli import dials, screen
from aios.errors import AiosError

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject
    from aios.sdk.client import Client
    from aios.sdk.gauges import Gauges

_FAILURES = 4
_LOW = 18  # rows of a terminal in which the agents need all the room


class Dashboard(App[None]):
    """Looks at a system again and again, and does to the chosen agent what a key says."""

    TITLE = "aios top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #headline, #question { height: auto; max-height: 2; padding: 0 1; }
    #headline { background: $primary-background; text-style: bold; }
    #question { color: $warning; display: none; }
    #above { height: auto; max-height: 11; }
    #pools { width: 3fr; height: auto; max-height: 11; }
    #cores { width: 2fr; height: auto; max-height: 11; }
    #agents { height: 1fr; min-height: 4; }
    #failures { height: auto; max-height: 4; padding: 0 1; color: $error; }
    .low #above, .low #failures { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "nice", "Priority"),
        Binding("p", "pause", "Pause/go on"),
        Binding("k", "cancel", "Cancel"),
        Binding("a", "approve", "Approve"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, client: "Client", *, every_seconds: float = 1.0, limit: int = 200) -> None:
        super().__init__()
        self._client = client
        self._every_seconds = every_seconds
        self._limit = limit
        self._last: Gauges | None = None
        self._pending: tuple[frozenset[str], Callable[[str], object]] | None = None

    def compose(self) -> ComposeResult:
        """Lay the tables out."""
        yield Static("", id="headline", markup=False)
        with Horizontal(id="above"):
            yield DataTable(id="pools", show_cursor=False)
            yield DataTable(id="cores", show_cursor=False)
        yield DataTable(id="agents", cursor_type="row", zebra_stripes=True)
        yield Static("", id="failures", markup=False)
        yield Static("", id="question", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Name the columns and begin to look."""
        for name, columns in (("pools", dials.POOLS), ("cores", dials.CORES), ("agents", dials.AGENTS)):
            self._table(name).add_columns(*columns)
        self._table("agents").focus()
        self.look()
        self.set_interval(self._every_seconds, self.look)

    def on_resize(self, event: Resize) -> None:
        """In a low terminal the agents are what is shown: keys go for the chosen one."""
        self.screen.set_class(event.size.height < _LOW, "low")

    @work(thread=True, exclusive=True, group="look")
    def look(self) -> None:
        """Read the gauges, away from the screen, and show them."""
        try:
            found = self._client.gauges(limit=self._limit)
        except AiosError as error:
            self.call_from_thread(self._complain, str(error))
        else:
            self.call_from_thread(self.show, found)

    def show(self, now: "Gauges") -> None:
        """Write gauges into the tables; the chosen agent stays chosen."""
        self.query_one("#headline", Static).update(dials.headline(now, before=self._last))
        self._last = now
        self._fill("pools", [(str(row[0]), row) for row in dials.pools(now)])
        self._fill("cores", [(str(row[0]), row) for row in dials.cores(now)])
        self._fill("agents", dials.agents(now))
        width = max(20, self.size.width - 2)
        self.query_one("#failures", Static).update("\n".join(dials.failures(now, most=_FAILURES, width=width)))

    # --- keys ---------------------------------------------------------------------------------------------------------------

    def action_nice(self) -> None:
        """Ask for a priority and give it to the chosen agent."""
        agent = self._chosen()
        if agent is not None:
            self._ask(
                f"priority of {agent[-12:]}, 0 (most urgent) to 9?",
                "0123456789",
                lambda key: self._do("nice", agent, int(key)),
            )

    def action_pause(self) -> None:
        """Pause the chosen agent, or let it go on."""
        agent = self._chosen()
        if agent is not None:
            paused = any(str(row["id"]) == agent and row["state"] == "paused" for row in self._rows())
            self._do("resume" if paused else "pause", agent)

    def action_cancel(self) -> None:
        """Cancel the chosen agent, if that is what is meant."""
        agent = self._chosen()
        if agent is not None:
            self._ask(
                f"cancel {agent[-12:]} and its children? (y/n)",
                "yn",
                lambda key: key == "y" and self._do("cancel", agent),
            )

    def action_approve(self) -> None:
        """Approve the oldest thing that the chosen agent waits for, if that is what is meant."""
        agent = self._chosen()
        asked = [row for row in (self._last.approvals if self._last else ()) if str(row["agent_id"]) == agent]
        if agent is not None and not asked:
            self._complain(f"{agent[-12:]} waits for no approval")
        elif asked:
            what = f"{asked[0]['operation']} {asked[0]['resource']} {screen.shortened(asked[0]['arguments'], 60)}"
            approval = str(asked[0]["id"])
            self._ask(f"approve {what}? (y/n)", "yn", lambda key: key == "y" and self._do("approve", approval))

    def on_key(self, event: Key) -> None:
        """A key that answers a question is no command; any other key takes the question back."""
        if self._pending is None:
            return
        answers, answered = self._pending
        self._pending = None
        self.query_one("#question", Static).display = False
        event.prevent_default()
        event.stop()
        if event.character in answers:
            answered(str(event.character))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key is a command while a question is open."""
        del parameters
        return self._pending is None or action == "quit"

    @work(thread=True, group="do")
    def _do(self, verb: str, *arguments: object) -> None:
        try:
            done = getattr(self._client, verb)(*arguments)
        except AiosError as error:
            self.call_from_thread(self._complain, str(error))
            return
        number = f" {len(done)} agents" if done is not None else ""
        self.call_from_thread(self.notify, f"{verb}:{number or ' done'}")
        self.look()

    # --- parts --------------------------------------------------------------------------------------------------------------

    def _ask(self, question: str, answers: str, answered: Callable[[str], object]) -> None:
        self._pending = frozenset(answers), answered
        shown = self.query_one("#question", Static)
        shown.update(screen.printable(question))
        shown.display = True

    def _complain(self, what: str) -> None:
        self.notify(screen.printable(what), severity="error", markup=False)

    def _rows(self) -> Sequence["JsonObject"]:
        return self._last.agents if self._last else ()

    def _chosen(self) -> str | None:
        table = self._table("agents")
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def _table(self, name: str) -> DataTable[Text]:
        return self.query_one(f"#{name}", DataTable)

    def _fill(self, name: str, rows: Sequence[tuple[str, screen.Row]]) -> None:
        table = self._table(name)
        chosen, scrolled = self._chosen() if name == "agents" else None, table.scroll_offset
        table.clear()
        for key, row in rows:
            table.add_row(*(_cell(value) for value in row), key=key)
        place = next((i for i, (key, _) in enumerate(rows) if key == chosen), None)
        if place is not None:
            table.move_cursor(row=place, scroll=False)
            table.scroll_to(y=scrolled.y, animate=False)


def _cell(value: object) -> Text:
    text = screen.printable("" if value is None else str(value))
    return Text(text, style=screen.colour(text))
