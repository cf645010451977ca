"""Base 58 in Bitcoin's alphabet, as multibase's `z`: how Data Integrity writes keys and signatures.

A few lines of our own, since the library for it has had no release since 2021.
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


def unmultibase(text: str) -> bytes:
    """What `multibase` made of its data; raises `ValueError` for anything else."""
    digits = text.removeprefix("z")
    number = 0
    for digit in digits:
        number = number * 58 + ALPHABET.index(digit)
    zeros = len(digits) - len(digits.lstrip(ALPHABET[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)
