"""Words that the demo's artists, albums and titles are made of; all invented."""

from typing import Final

ARTISTS: Final[dict[str, tuple[str, str]]] = {
    "ambient": ("Slow Harbour", "Nine Lanterns"),
    "piano": ("Odile Marren", "Tomasz Wrzos"),
    "folk": ("The Hazel Post", "Fenna Lykke"),
    "rock": ("Gravel Parade", "Second Ferry"),
    "jazz": ("Lund Street Five", "Imre Solté"),
    "hip hop": ("Kobalt & Ash", "Paper Elevator"),
    "reggae": ("Tin Roof Assembly", "Marlow Dread"),
    "house": ("Velvet Transit", "Aurélie Nox"),
    "synthwave": ("Night Tariff", "Chrome Orchard"),
    "chiptune": ("Pixel Ferret", "Eight Small Boxes"),
    "raga": ("Anvika Rao Trio", "Saptak Lane"),
    "gamelan": ("Sekar Lintang", "Bronze Weather"),
}
"""Two artists for each style; the styles are families of the synthesis."""

ALBUMS: Final = (
    "A Map of Small Rooms", "Blue Hour Almanac", "Counting Swallows", "Driftwood Radio", "Every Other Tuesday",
    "Field Notes", "Glasshouse", "Half a Lighthouse", "Ink and Weather", "Jars of August", "Kind Machines",
    "Letters to the Coast", "Moth Season", "Northbound", "Ordinary Miracles", "Postcards Unsent", "Quiet Engines",
    "Rooftop Grammar", "Salt Calendar", "The Long Corridor", "Underpass", "Vapour Trails", "Winter Bicycle",
    "Yard Sale",
)  # fmt: skip
"""One album for each artist."""

FIRST_WORDS: Final = (
    "Amber", "Broken", "Copper", "Distant", "Electric", "Falling", "Golden", "Hollow", "Ivory", "Lonely", "Midnight",
    "Paper", "Restless", "Silver", "Velvet",
)  # fmt: skip
SECOND_WORDS: Final = (
    "Harbour", "Lantern", "Mirror", "Orchard", "River", "Signal", "Staircase", "Tide",
)  # fmt: skip
"""A title is a first and a second word: 120 titles."""
