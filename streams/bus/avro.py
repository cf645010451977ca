"""Avro's bytes to plain values, by a function that is written out for one schema (decision 0065)."""

from collections.abc import Callable
from struct import Struct
from typing import Any, NoReturn

Decode = Callable[[bytes, int], tuple[Any, int]]
"""The value that begins at a place of the bytes, and the place where it ends.

Raises `EOFError` where they end early, `ValueError` where they are not what the schema says.
"""

_BITS = 64
"""Of a number, at the most: in ten bytes of seven there is room for more, which no JSON could hold."""


def decoder(schema: Any) -> Decode:
    """The function for a schema that we ship; `NotImplementedError` for a type that none of these has."""
    function = _Function()
    result = function.value(schema)
    text = "\n".join(
        [
            # The same names every time, as locals: they are found sooner.
            "def decode(b, i, ends=ends, far=far, long=long):",
            " try:",
            *function.lines,
            " except IndexError:",
            "  raise EOFError from None",
            " except UnicodeDecodeError:",
            "  if j > len(b): raise EOFError from None",
            "  raise",
            # Slices are short where the bytes end early: to look once is enough.
            " if i > len(b): raise EOFError",
            f" return {result}, i",
        ]
    )
    names: dict[str, Any] = {
        "ends": _ENDS,
        "far": _far,
        "long": _long,
        "refuse": _refuse,
        "double": Struct("<d").unpack_from,
    }
    exec(text, names)  # noqa: S102  # of the schema, which is ours, only names go into it, and quoted
    made: Decode = names["decode"]
    return made


class _Function:
    """The lines that read values from the bytes `b` at `i`, and move `i` on."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._indent = 2
        self._variables = 0
        self._named: dict[str, Any] = {}

    def value(self, schema: Any) -> str:
        """Write the lines that read a value of the schema; returns the expression that it is afterwards."""
        kind = schema["type"] if isinstance(schema, dict) else schema
        match kind:
            case list():
                return self._union(kind)
            case "null":
                return "None"
            case "boolean":
                return self._read("{} = b[i] != 0", "i += 1")
            case "long":
                self._number()
                return self._read("{} = (n >> 1) ^ -(n & 1)")
            case "double":
                return self._read("if i + 8 > len(b): raise EOFError", "{}, = double(b, i)", "i += 8")
            case "string":
                self._write("j = i + ends[b[i]]", "i += 1", "if j < i: i, j = far(b, i)")
                return self._read("{} = b[i:j].decode()", "i = j")
            case "record":
                self._named[schema["name"]] = schema
                fields = [(field["name"], self.value(field["type"])) for field in schema["fields"]]
                return "{" + ", ".join(f"{name!r}: {found}" for name, found in fields) + "}"
            case "array":
                return self._blocks("[]", "{}.append({})", schema["items"])
            case "map":
                return self._blocks("{{}}", "{}[{}] = {}", "string", schema["values"])
            case str() if kind in self._named:
                return self.value(self._named[kind])
        raise NotImplementedError(kind)

    def _union(self, schemas: list[Any]) -> str:
        self._number()
        found = self._read("{} = None")
        for index, schema in enumerate(schemas):
            self._write(f"{'elif' if index else 'if'} n == {2 * index}:")
            self._indent += 1
            self._write(f"{found} = {self.value(schema)}")
            self._indent -= 1
        self._write("else: refuse()")
        return found

    def _blocks(self, empty: str, add: str, *schemas: Any) -> str:
        """An array or a map: blocks of items after their number; if that is negative, after a size, too."""
        found = self._read("{} = " + empty)
        self._number()
        self._write("while n:")
        self._indent += 1
        self._write("c = n + 1 >> 1", "if n & 1:")
        self._indent += 1
        self._number()
        self._indent -= 1
        self._write("for _ in range(c):")
        self._indent += 1
        self._write(add.format(found, *map(self.value, schemas)))
        self._indent -= 1
        self._number()
        self._indent -= 1
        return found

    def _number(self) -> None:
        """As it is written: twice the number, or twice what is above it and one if it is negative."""
        self._write("n = b[i]", "i += 1", "if n > 127: n, i = long(b, i)")

    def _read(self, *lines: str) -> str:
        """Lines that give a new variable its value."""
        self._variables += 1
        name = f"v{self._variables}"
        self._write(*(line.format(name) for line in lines))
        return name

    def _write(self, *lines: str) -> None:
        self.lines += [" " * self._indent + line for line in lines]


def _long(b: bytes, i: int) -> tuple[int, int]:
    """A number of several bytes, the first of which lies before `i`; and where it ends."""
    n, shift = b[i - 1] & 127, 7
    while True:
        byte = b[i]
        n |= (byte & 127) << shift
        i += 1
        if byte < 128 and n >> _BITS == 0:
            return n, i
        shift += 7
        if shift >= _BITS:
            _refuse()


def _far(b: bytes, i: int) -> tuple[int, int]:
    """Where a string begins and ends whose length begins before `i` and is not in `_ENDS`."""
    n, i = _long(b, i) if b[i - 1] > 127 else (b[i - 1], i)
    if n & 1:
        _refuse()
    return i, i + (n >> 1)


_ENDS = tuple(0 if byte & 1 or byte > 127 else 1 + (byte >> 1) for byte in range(256))
"""By the first byte of a string how far on the string ends; 0 where that byte does not tell."""


def _refuse() -> NoReturn:
    raise ValueError("not what the schema says")
