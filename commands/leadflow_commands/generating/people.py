"""Names and addresses of people who do not exist, at domains that nobody can own.

Domains end in .example (RFC 2606); telephone numbers are from the ranges that Ofcom
keeps free for drama.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST: Final = _words(
    "Ada Agnes Ahmed Akira Alba Amir Anna Anton Aylin Bela Boris Carla Chen Clara Cora Dario "
    "David Deniz Diana Edda Elena Elias Emil Emma Enzo Erik Esra Eva Fatima Felix Finn Flora "
    "Frida Gil Greta Hanna Hana Hugo Ida Igor Ines Ingrid Ivan Jana Jonas Jose Julia Kaito Karim "
    "Kira Lars Lea Leila Leo Lin Lina Luca Lucia Maja Malik Mara Marek Maria Mei Mila Milan Mina "
    "Mona Nadia Nico Nils Nina Noa Nora Olga Omar Oskar Pablo Paula Petra Pia Rafael Rana Rosa "
    "Ruben Samira Sara Selma Sofia Sven Tarek Thea Tim Uma Vera Viktor Wanda Yara Yusuf Zoe"
)
_LAST: Final = _words(
    "Abel Adler Arslan Bauer Beck Berg Blum Brandt Busch Celik Conti Costa Dahl Demir Dietz Dubois "
    "Ebert Engel Falk Fischer Frank Fuchs Garcia Graf Gross Haas Hahn Hansen Hartmann Heinz Horn "
    "Huber Ito Jansen Kaiser Kaya Keller Klein Koch Kovac Kraus Kruger Lang Lehmann Lindner Lopez "
    "Lorenz Maier Marino Martin Mayer Meier Moreau Moser Nagel Nakamura Neumann Novak Ortiz Otto "
    "Pavlov Peters Petrov Pohl Popov Ramos Reuter Ricci Richter Roth Ruiz Sato Sauer Schmitt "
    "Schulz Seidel Silva Simon Sommer Stark Stein Suzuki Tanaka Thomas Toth Urban Vogel Vogt "
    "Wagner Weber Werner Winter Wolf Yilmaz Ziegler Zimmer"
)
_COMPANY: Final = _words(
    "Anker Birke Brise Dach Eiche Fels Flur Gipfel Glut Hafen Heide Insel Kante Kiesel Kompass "
    "Kranich Krone Linde Lotse Merle Mole Nord Quelle Rampe Reif Ried Ruder Segel Spindel Stern "
    "Tal Turm Ufer Wald Weiche Welle Werft Wiese Zeder Zinne"
)
_TRADE: Final = _words(
    "Anlagen Bau Dienste Energie Haustechnik Klima Logistik Maschinen Netze Technik"
)
_AREAS: Final = (
    "113496",
    "114496",
    "115496",
    "116496",
    "117496",
    "118496",
    "121496",
    "131496",
    "141496",
    "151496",
    "161496",
    "207946",
    "191498",
)


def person(rng: Random, number: int) -> dict[str, Any]:
    """The contact data that somebody leaves; `number` keeps e-mail addresses apart."""
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    name, trade = rng.choice(_COMPANY), rng.choice(_TRADE)
    data = {
        "name": f"{first} {last}",
        "email": f"{first}.{last}.{number}@{name}-{trade}.example".lower(),
        "company": f"{name} {trade}",
    }
    if rng.random() < 0.62:
        data["phone"] = f"+44{rng.choice(_AREAS)}0{rng.randrange(1000):03d}"
    return data


def again(rng: Random, before: dict[str, Any], number: int) -> dict[str, Any]:
    """The same person with another address, as duplicates come about."""
    user = before["name"].replace(" ", "").lower()
    data = {**before, "email": f"{user}.{number}@mail.example"}
    if rng.random() < 0.5:
        data.pop("phone", None)
    return data
