"""What the demo asks for: two users, three characters, batches of 1, 2, 4 and 8."""

from dataclasses import dataclass, field
from typing import Any

#: May register characters that everybody can use.
STUDIO = "studio"


@dataclass(frozen=True)
class Role:
    """A character and who registers it."""

    name: str
    owner: str
    premade: bool = False
    embedding: str | None = None

    def body(self) -> dict[str, Any]:
        return {"name": self.name, "premade": self.premade, "embedding": self.embedding}


@dataclass(frozen=True)
class Wish:
    """One batch that somebody asks for."""

    username: str
    role: Role
    quantity: int
    prompt: str
    style: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        asked = {"prompt": self.prompt, "quantity": self.quantity, "parameters": self.parameters}
        return asked | {"width": 512, "height": 768} | ({"style": self.style} if self.style else {})

    @property
    def title(self) -> str:
        return f"{self.username} · {self.role.name} · {self.quantity}"


OPAL_FEVER = Role("Opal Fever", STUDIO, premade=True, embedding="opal_fever")
IRON_LILY = Role("Iron Lily", "Areg")
NIGHT_HERON = Role("Night Heron", "Mira")
ROLES = (OPAL_FEVER, IRON_LILY, NIGHT_HERON)

#: All sent at the same moment. The first two want the same folder: their numbers must not mix.
#: The last one fails on purpose: its checkpoint is on no backend, and a placeholder says so.
WISHES = (
    Wish("Areg", OPAL_FEVER, 8, "portrait in opal light, silver hair"),
    Wish("Areg", OPAL_FEVER, 4, "laughing on a rainy street at night", style="noir"),
    Wish("Mira", OPAL_FEVER, 2, "reading by a window"),
    Wish("Areg", IRON_LILY, 2, "armour of petals, dawn"),
    Wish("Mira", NIGHT_HERON, 4, "standing in still water", style="watercolour"),
    Wish("Mira", NIGHT_HERON, 1, "in flight", parameters={"checkpoint": "not-installed.safetensors"}),
)
