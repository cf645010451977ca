"""What is quoted from an answer is fit for a log line."""

import pytest

from streams.issuers.words import redacted


@pytest.mark.parametrize(
    ("hidden", "text", "said"),
    [
        ("Al", "Al already has it, AL.", "[hidden] already has it, [hidden]."),
        ("Ada", "Ada%20King", "[hidden]%20King"),
        ("S3cret-Key", "key=S3cret-Keyx", "key=[hidden]x"),
        ("\u00c9lo", "\u00e9lo and \u00e9loge", "[hidden] and \u00e9loge"),
        ("", "nothing", "nothing"),
    ],
)
def test_a_short_name_is_hidden_as_a_word_and_a_key_wherever_it_is(hidden: str, text: str, said: str) -> None:
    assert redacted(text, [hidden]) == said
