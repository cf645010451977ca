"""The Dockerfile as its stages and instructions: enough of its grammar for ours."""

from dataclasses import dataclass

from .chart_files import ROOT

DOCKERFILE = ROOT / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Instruction:
    word: str
    rest: str

    @property
    def from_stage(self) -> bool:
        """Whether it copies out of another stage rather than the source tree."""
        return self.rest.startswith("--from=")

    @property
    def sources(self) -> list[str]:
        return self.rest.split()[:-1]


def stages() -> list[list[Instruction]]:
    found: list[list[Instruction]] = []
    for instruction in instructions():
        if instruction.word == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def instructions() -> list[Instruction]:
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def words(stage: list[Instruction], word: str) -> list[Instruction]:
    return [instruction for instruction in stage if instruction.word == word]
