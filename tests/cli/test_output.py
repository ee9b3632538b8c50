from __future__ import annotations

import pytest

from vaulytica.cli.output.printing import masked_target, visible


def test_what_is_shown():
    assert visible("a\x1b[31m\u202e\x00\n\té") == "a\\u001b[31m\\u202e\\u0000\n\té"
    assert masked_target("https://h/a/0123456789abcdef0/short1?x=1&y") == "/a/***/short1?x=***&***"
    assert masked_target("https://h") == "/"


@pytest.mark.parametrize(
    "token",
    ["CANARYSECRETxyz", "abcdefghi1", "abcdefghiJ", "123456789a", "a" * 20, "-" * 20, "1" * 20],
)
def test_path_segments_that_may_be_tokens_are_masked(token):
    assert masked_target(f"https://h/services/T000/{token}/x") == "/services/T000/***/x"


@pytest.mark.parametrize(
    "path",
    [
        "/services/collector/event",
        "/servicesNS/nobody/search",
        "/security_events/_bulk",
        "/api/v2/logs",
        "/abcdefgh1",
        "/aaaaaaaaaaaaaaaaaaa",
    ],
)
def test_plain_words_of_a_path_stay_readable(path):
    assert masked_target(f"https://h{path}") == path
