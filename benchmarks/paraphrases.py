"""Facts, and two questions about each in other words: what a search by meaning has to bring together."""

from __future__ import annotations

from typing import Final

FACTS: Final = {
    "My sister Karin moved to Lisbon last spring.": (
        "In which city does my sibling live now?",
        "Where has Karin gone?",
    ),
    "The spare key lies under the blue flower pot.": (
        "Where do I find the second key?",
        "What is the key hidden under?",
    ),
    "I am allergic to peanuts.": ("Which food must I avoid?", "What makes me ill when I eat it?"),
    "The wifi password is marmalade-42.": ("How do I get on the internet here?", "Code of the wireless network?"),
    "Our dog is named Bertil and he is three years old.": ("How old is my pet?", "What do we call the dog?"),
    "The dentist appointment is on the ninth of March.": (
        "When do I see the doctor for my teeth?",
        "Date of my dentist visit?",
    ),
    "Grandmother's bread recipe needs rye flour and buttermilk.": (
        "What goes into granny's loaf?",
        "Ingredients of the bread?",
    ),
    "The car makes a rattling noise when it brakes.": (
        "What is wrong with my vehicle?",
        "When does the car sound strange?",
    ),
    "I owe Henrik two hundred crowns for the concert.": (
        "To whom do I have a debt?",
        "How much money does Henrik get?",
    ),
    "The attic window has to be repaired before winter.": (
        "What needs mending in the house?",
        "What must be fixed upstairs?",
    ),
    "My favourite composer is Sibelius.": ("Whose music do I like best?", "Which composer do I love?"),
    "The meeting with the bank was moved to Thursday.": (
        "On what weekday do I talk to the bank?",
        "New day of the bank meeting?",
    ),
    "We planted eleven apple trees behind the barn.": (
        "How many fruit trees are there?",
        "What grows behind the barn?",
    ),
    "The boat is called Albatross and lies in Visby harbour.": (
        "Where is my ship moored?",
        "What is the name of the boat?",
    ),
    "Aunt Greta collects old stamps from Brazil.": ("Who has a stamp collection?", "What is my aunt's hobby?"),
    "The train to Oslo leaves at seven in the morning.": (
        "When do I depart for Norway by rail?",
        "At what hour goes the train?",
    ),
    "My shoe size is forty-four.": ("How large are my feet?", "Which size of shoes shall I order?"),
    "The neighbours complained about the drums at night.": (
        "Who was angry about noise?",
        "What disturbed the people next door?",
    ),
    "I studied chemistry in Uppsala for two years.": (
        "What did I learn at university?",
        "Where did I go to university?",
    ),
    "The red folder contains the insurance papers.": (
        "Where are the documents for the insurance?",
        "What is in the red folder?",
    ),
}
"""Two questions per fact; they share few words with it."""

_TOPICS: Final = (
    "the weather",
    "lunch",
    "a walk",
    "the news",
    "a film",
    "the garden",
    "work",
    "music",
    "a book",
    "the sea",
)


def filler(turn: int) -> str:
    """Something to say that matters to no question."""
    return f"Let us chat about {_TOPICS[turn % len(_TOPICS)]}, {turn}."


def talk(turns: int) -> list[str]:
    """What a user says in so many turns: the facts early, one in every second turn, filler else."""
    facts = list(FACTS)
    return [facts[turn // 2] if turn % 2 and turn // 2 < len(facts) else filler(turn) for turn in range(turns)]


def questions() -> dict[str, str]:
    """Every question, and the fact that answers it."""
    return {question: fact for fact, asked in FACTS.items() for question in asked}
