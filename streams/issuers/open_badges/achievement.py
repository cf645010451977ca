"""What a badge is given for, as the credential and the API tell it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Achievement:
    """What a badge is given for. `criteria` says in words what has to be done."""

    id: str
    name: str
    description: str
    criteria: str
    image: str = ""

    def told(self) -> dict[str, Any]:
        """As Open Badges has it."""
        told: dict[str, Any] = {
            "id": self.id,
            "type": ["Achievement"],
            "name": self.name,
            "description": self.description,
            "criteria": {"narrative": self.criteria},
        }
        if self.image:
            told["image"] = {"id": self.image, "type": "Image"}
        return told
