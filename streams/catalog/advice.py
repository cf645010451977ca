"""What a catalog may say, and probably does not mean."""

from collections.abc import Iterator

from streams.bus import schemas
from streams.catalog.loading import CatalogDocument


def advice(document: CatalogDocument) -> Iterator[str]:
    """A line for each, with its place."""
    for number, template in enumerate(document.templates.values()):
        types = {type for r in template.requirements for type in r.types} - {schemas.BADGE_AWARDED}
        if types and not any(_names_address(event_type) for event_type in types):
            names = ", ".join(sorted(types))
            yield (
                f"templates[{number}] ({template.name or template.id}): {names} carries the "
                "learner's id alone: a badge waits until another event that the catalog names carries the "
                "e-mail address, such as org.openedx.learning.course.passing.status.updated.v1"
            )


def _names_address(event_type: str) -> bool:
    return schemas.learner_path(event_type) != ("user_id",)
