"""The JSON of a body: what is taken, what is not, where the fault is said to be; how fast."""

import json

import pytest

from shared.http.json_text import DEPTH_MAX, BadJson, Place, check


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


SOUND: dict[str, bytes] = {
    "nothing much": b" {} ",
    "letters of every kind": '{"a": "Әбілқасым Ғұмар, Ёлкина, O\'Brien-Łuk, 你好"}'.encode(),
    "an emoji as a pair of escapes": b'["\\ud83d\\ude00"]',
    "lines and tabs": b'["a\\n\\tb\\r\\n"]',
    "Latin letters in a Cyrillic word": '["Cынақов"]'.encode(),
    "an accent of its own": '["Сына\u0301қов"]'.encode(),
    "numbers": b"[0, -1, 1.5e300, 9223372036854775807]",
    "as deep as may be": nested(DEPTH_MAX),
    "the same name in two objects": b'[{"a": 1}, {"a": 1}]',
}
FORBIDDEN = (
    "\x00",
    "\x07",
    "\x1b",
    "\x7f",
    "\x9b",
    "\u061c",
    "\u200f",
    "\u202e",
    "\u2067",
    "\ufffe",
)
UNSOUND: dict[str, tuple[bytes, str, Place]] = {
    "nothing": (b" ", "json_invalid", ()),
    "two things": (b"{} {}", "json_invalid", ()),
    "a mark at the beginning": (b"\xef\xbb\xbf{}", "json_invalid", ()),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "not_utf_8", ()),
    "half a letter": (b'{"a": "\xd0"}', "not_utf_8", ()),
    "half a pair in bytes": (b'["\xed\xa0\xbd"]', "not_utf_8", ()),
    "half a pair": (b'{"a": ["x", "\\ud83d"]}', "forbidden_character", ("a", 1)),
    "a pair the wrong way round": (b'["\\ude00\\ud83d"]', "forbidden_character", (0,)),
    "a raw line end in a text": (b'["a\nb"]', "json_invalid", ()),
    "NaN": (b'{"a": NaN}', "json_invalid", ()),
    "minus infinity": (b"[-Infinity]", "json_invalid", ()),
    "a number beyond all": (b"[1e400]", "number_out_of_range", ()),
    "a long number": (b"[" + b"7" * 20 + b"]", "number_out_of_range", ()),
    "a longer one": (b"[-" + b"7" * 100_000 + b"]", "number_out_of_range", ()),
    "too deep": (nested(DEPTH_MAX + 1), "nested_too_deeply", ()),
    "much too deep": (nested(500_000), "nested_too_deeply", ()),
    "a name twice": (b'{"a": {"b": 1, "c": 2, "b": 1}}', "name_twice", ("b",)),
    "a name twice in other letters": (b'{"a": 1, "\\u0061": 2}', "name_twice", ("a",)),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_json_is_taken(name: str) -> None:
    check(SOUND[name])


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_json_is_not_and_its_rule_is_named(name: str) -> None:
    body, rule, place = UNSOUND[name]
    with pytest.raises(BadJson) as fault:
        check(body)
    assert (fault.value.rule, fault.value.place) == (rule, place)


@pytest.mark.parametrize("sign", FORBIDDEN, ids=ascii)
def test_no_text_and_no_name_holds_what_hides(sign: str) -> None:
    for escaped in (True, False):
        for body, place in (
            ({"a": [f"x{sign}y"]}, ("a", 0)),
            ({"a": {f"x{sign}": 1}}, ("a", f"x{sign}")),
        ):
            text = json.dumps(body, ensure_ascii=escaped)
            with pytest.raises(BadJson) as fault:
                check(text.encode())
            # A raw control character is not even JSON.
            assert fault.value.rule in ("forbidden_character", "json_invalid")
            if fault.value.rule == "forbidden_character":
                assert fault.value.place == place
            assert sign not in fault.value.message


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 2_000_000,
        b'{"a":' * 400_000,
        b"{" + b",".join(b'"%d":1' % number for number in range(150_000)) + b',"0":1}',
        b"[" + b'"\\ud83d\\ude00",' * 150_000 + b'"\\u202e"]',
        b"[" + b"9" * 2_000_000 + b"]",
    ],
    ids=["open", "open names", "names", "pairs", "digits"],
)
def test_two_megabytes_of_malice_are_refused(body: bytes) -> None:
    with pytest.raises(BadJson) as fault:
        check(body)
    assert len(fault.value.message) < 500
