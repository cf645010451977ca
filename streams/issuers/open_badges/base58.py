"""Base 58 in Bitcoin's alphabet, as multibase's `z`: how Data Integrity writes keys and signatures.

Ten lines of our own, since the library for it has had no release since 2021.
"""

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def multibase(data: bytes) -> str:
    """`data` in base 58 with its multibase prefix; a leading zero byte becomes a `1`."""
    number = int.from_bytes(data)
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "z" + ALPHABET[0] * zeros + "".join(reversed(digits))
