import copy
import decimal
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirbridge.errors import InvalidContent, TooLarge
from fhirbridge.fhir import wire


@pytest.mark.parametrize(
    "digits",
    [
        *("1.00", "0.10", "1e2", "1E+2", "-0.0", "-0", "7e-3", "0.000000001", "70.1", "1.0E-10"),
        *("12345678901234567890", "-9223372036854775809", "123456789012345678901234567890123"),
    ],
)
def test_digits_survive(digits: str) -> None:
    text = f'{{"value":{digits}}}'

    assert wire.dump(wire.parse(text)) == text.encode()


@pytest.mark.parametrize("number", ["5", "-5", "0", "2147483648", "999999999999999999"])
def test_integers_are_int(number: str) -> None:
    assert type(wire.parse(f'{{"value":{number}}}')["value"]) is int


def test_order_of_names_and_text_survive() -> None:
    text = '{"z":1,"a":{"ü":"ü\\n😀","b":[null,true,false,"",{}]}}'.encode()

    assert wire.dump(wire.parse(text)) == text


def test_escaped_surrogate_pair_is_one_character() -> None:
    assert wire.parse('{"a":"\\ud83d\\ude00"}') == {"a": "😀"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b"{",
        b'{"a":1',
        b'{"a":1}}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":.5}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1,"a":2}',
        b'{"b":[{"a":1,"a":1}]}',
        b"[]",
        b"[1]",
        b'"text"',
        b"1",
        b"null",
        b"true",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"\\ud800":1}',
        b'{"a":"\\u0000"}',
        b'{"a":"line\nbreak"}',
        b"\xff\xfe{\x00}\x00",
        b'{"a":1e999999999999}',
        b'{"a":1e-999999999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b'{"a":[' * 60 + b"]}" * 60,
        b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[}" * 100_000,
        b'{"a":"' + b"\\" * 99_999,
        b"<Patient xmlns='http://hl7.org/fhir'/>",
    ],
    ids=lambda data: repr(data[:30]),
)
def test_bad_text_is_invalid_content_quickly(data: bytes) -> None:
    started = time.perf_counter()

    with pytest.raises(InvalidContent) as caught:
        wire.parse(data)

    assert caught.value.http_status == 400
    assert caught.value.issues[0].code == "structure"
    assert time.perf_counter() - started < 1


def test_a_body_over_the_limit_is_too_large_quickly() -> None:
    data = b'{"a":"' + b"x" * 50_000_000 + b'"}'
    started = time.perf_counter()

    with pytest.raises(TooLarge):
        wire.parse(data, max_bytes=wire.DEFAULT_MAX_BYTES)

    assert time.perf_counter() - started < 0.5


def test_what_is_stored_is_read_whatever_its_length() -> None:
    data = b'{"a":"' + b"x" * wire.DEFAULT_MAX_BYTES + b'"}'

    assert len(wire.parse(data)["a"]) == wire.DEFAULT_MAX_BYTES


def test_messages_hold_no_values() -> None:
    for text in (
        '{"ssn":"078-05-1120"',
        '{"a":"078-05-1120","a":1}',
        '{"078-05-1120":1,"078-05-1120":1}',
    ):
        with pytest.raises(InvalidContent) as caught:
            wire.parse(text)
        assert "078" not in str(caught.value)


def test_depth_of_one_hundred_is_read() -> None:
    text = '{"a":' + "[" * 99 + "]" * 99 + "}"

    assert wire.dump(wire.parse(text)) == text.encode()


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    text = '{"a":"' + "[{" * 500 + '","b":"\\\\","c":"\\"' + "[" * 500 + '"}'

    assert wire.parse(text)["b"] == "\\"


def test_many_siblings_are_not_depth() -> None:
    text = '{"a":[' + ",".join(['{"b":[]}'] * 5000) + "]}"

    assert len(wire.parse(text)["a"]) == 5000


def test_byte_order_mark_is_ignored() -> None:
    assert wire.parse(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


def test_decimal_behaves_as_a_number_and_keeps_its_text_in_copies() -> None:
    value = wire.parse('{"value":1.0E+1}')["value"]

    assert value == 10
    assert hash(value) == hash(decimal.Decimal(10))
    assert value + 1 == 11
    for copied in (
        copy.copy(value),
        copy.deepcopy({"a": value})["a"],
        pickle.loads(pickle.dumps(value)),  # noqa: S301
    ):
        assert wire.text_of(copied) == "1.0E+1"


def test_canonical_bytes_ignore_order_but_not_types_or_digits() -> None:
    def key(text: str) -> bytes:
        return wire.canonical(wire.parse(text))

    assert key('{"a":1,"b":[1,2]}') == key('{ "b": [1, 2], "a": 1 }')
    assert len({key(f'{{"a":{value}}}') for value in ("1", "1.0", "1.00", "true", '"1"')}) == 5
    assert key('{"a":[1,2]}') != key('{"a":[2,1]}')


def test_pretty_output_keeps_digits() -> None:
    assert (
        wire.dump(wire.parse('{"a":{"b":1.00}}'), pretty=True)
        == b'{\n  "a": {\n    "b": 1.00\n  }\n}\n'
    )


def test_infinite_decimal_is_never_written() -> None:
    with pytest.raises(TypeError):
        wire.dump({"a": decimal.Decimal("NaN")})


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
_NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-99, max_value=99)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT | _NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(_TEXT, _JSON, max_size=4))
def test_what_is_read_is_written_again(value: dict[str, object]) -> None:
    def prepare(item: object) -> object:
        if isinstance(item, int) and not isinstance(item, bool) and abs(item) > 10**17:
            return decimal.Decimal(item)
        if isinstance(item, dict):
            return {name: prepare(inner) for name, inner in item.items()}
        return [prepare(inner) for inner in item] if isinstance(item, list) else item

    written = wire.dump(prepare(value))

    assert wire.dump(wire.parse(written)) == written
    assert wire.canonical(wire.parse(written)) == wire.canonical(prepare(value))


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_input_is_read_or_refused(data: bytes | str) -> None:
    try:
        wire.parse(data)
    except InvalidContent as exc:
        assert exc.issues[0].diagnostics


def _member(name: str, colon: str, value: str) -> str:
    return f'"{name}"{colon}{value}'


JSON_TEXTS = st.recursive(
    st.sampled_from(
        (
            *('"a"', '"x\\":"', '": "', '"2026-01-05"', '"\\ud83d\\ude00"', '"\\u0041"', '""'),
            *("0", "-0", "-0.0", "7", "1.50", "1e2", "12345678901234567890", "null", "true"),
        )
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.lists(
            st.tuples(st.sampled_from(["a", "b", "c:"]), st.sampled_from([":", " :", ": "]), inner),
            max_size=3,
        ).map(lambda members: f"{{{','.join(_member(*each) for each in members)}}}"),
    ),
    max_leaves=8,
)


@given(st.tuples(JSON_TEXTS, st.sampled_from([":", "\n:"])).map(lambda t: f'{{"v"{t[1]}{t[0]}}}'))
def test_quick_reading_says_what_careful_reading_says(text: str) -> None:
    quick = wire._read_quickly(text.encode())

    if quick is not None:
        careful = wire._DECODER.decode(text)  # which refuses a name that stands twice
        assert wire.canonical(quick) == wire.canonical(careful)


def test_ordinary_resources_are_read_quickly() -> None:
    text = b'{"resourceType": "Patient", "multipleBirthInteger": 0, "birthDate": "1980-01-05"}'

    assert wire._read_quickly(text) == wire.parse(text)
    assert wire._read_quickly(text) is not None
