"""A generated corpus with known answers: each document says one fact about one thing, each question asks for one kind of thing.

Questions in the documents' own words are what `grep` is good at; those in other words are what it cannot know.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

# What documents say, and how somebody asks who remembers only what it meant.
TOPICS = {
    "refund": ("The customer got the money back after the parcel arrived broken.", "reimbursement for damaged goods"),
    "hiring": ("We offered the engineer a permanent contract from June on.", "new employee recruited for a job"),
    "outage": (
        "The server room lost power and every website was unreachable.",
        "systems were down, service unavailable",
    ),
    "baking": ("Knead the dough for ten minutes and let it rise in a warm place.", "recipe for making bread"),
    "travel": (
        "The train to the coast leaves at dawn and the hotel has a sea view.",
        "holiday trip by rail to the beach",
    ),
    "health": ("The doctor prescribed tablets against the fever and a week of rest.", "medicine for an ill patient"),
    "garden": ("Plant the tulip bulbs in autumn and water the roses rarely.", "growing flowers at home"),
    "music": ("The orchestra rehearsed the symphony until the violins were in tune.", "concert practice of musicians"),
    "sport": ("Our striker scored twice and the goalkeeper saved a penalty.", "football match result"),
    "space": ("The probe orbits Saturn and photographs its icy moons.", "astronomy mission to a planet"),
    "law": ("The court ruled that the landlord must repair the heating.", "judge decides dispute about a rented flat"),
    "finance": ("Interest rates rose and the bank made mortgages dearer.", "cost of borrowing money for a house"),
    "weather": ("A storm brought hail and flooded the cellars of the valley.", "heavy rain damage"),
    "school": ("The pupils handed in their essays and the teacher marked them.", "homework graded in class"),
    "animals": ("The vet vaccinated the kitten and removed a thorn from its paw.", "treatment of a young cat"),
    "repair": ("The mechanic replaced the brakes and changed the oil.", "car maintenance in a garage"),
}
NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hugo", "Iris", "Jan", "Kim", "Leo")
PLACES = ("Berlin", "Oslo", "Lyon", "Porto", "Graz", "Turin", "Leeds", "Gent", "Brno", "Cork")


class Document(NamedTuple):
    """One file of the corpus."""

    path: str
    text: str
    topic: str


class Question(NamedTuple):
    """What is asked, and which files answer it; `exact` says that it uses the documents' own words."""

    text: str
    answers: frozenset[str]
    exact: bool


def documents(count: int, *, seed: int) -> list[Document]:
    """So many documents; their topics in turn, everything else by chance."""
    random, topics, made = Random(seed), list(TOPICS), []
    for number in range(count):
        topic = topics[number % len(topics)]
        head = f"Note {number} by {random.choice(NAMES)} in {random.choice(PLACES)}."
        noise = f"Written on day {random.randrange(1, 366)}, filed under number {random.randrange(10_000)}."
        made.append(Document(f"d{number % 17}/note{number}.md", f"# {head}\n\n{TOPICS[topic][0]}\n\n{noise}\n", topic))
    return made


def questions(corpus: list[Document]) -> list[Question]:
    """Two for each topic: in the documents' words, and in others."""
    made = []
    for topic, (said, meant) in TOPICS.items():
        answers = frozenset(document.path for document in corpus if document.topic == topic)
        words = " ".join(sorted({word.strip(".,").lower() for word in said.split()}, key=len)[-3:])
        made += [Question(words, answers, exact=True), Question(meant, answers, exact=False)]
    return made
