import numpy as np
import pytest

from reference_stack.arrays import DamagedBytes, pack, unpack

ARRAYS = {
    "a": np.arange(6.0).reshape(2, 3),
    "b": np.array([3, -1]),
    "c": np.array([True]),
    "d": np.zeros((0, 4)),
}


def test_arrays_and_facts_come_back_as_they_went():
    facts, arrays = unpack(pack({"day": 3, "name": "x"}, ARRAYS))

    assert facts == {"day": 3, "name": "x"}
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].shape == array.shape
        assert np.array_equal(arrays[name], array)


def test_the_same_input_gives_the_same_bytes():
    assert pack({"x": 1, "y": 2}, ARRAYS) == pack({"y": 2, "x": 1}, ARRAYS)


def test_torn_bytes_are_refused_wherever_they_are_torn():
    data = pack({"day": 3}, ARRAYS)

    for end in range(len(data)):
        with pytest.raises(DamagedBytes):
            unpack(data[:end])
    with pytest.raises(DamagedBytes, match="too many"):
        unpack(data + b"\0")
    with pytest.raises(DamagedBytes):
        unpack(b"PK\x03\x04" + data)


def test_a_shape_that_nothing_fits_is_refused():
    data, shape = pack({}, {"a": np.zeros((1,) * 12)}), b"1" + b", 1" * 11

    for wild in (
        b"9" * len(shape),
        b"-" + b"9" * (len(shape) - 1),
        b"9.5".ljust(len(shape)),
        b"null".ljust(34),
        b'"a", 2000000000000000'.ljust(34),
        b"[1], 2000000000000000".ljust(34),
        b"-1".ljust(len(shape)),
        b"-1, -1".ljust(len(shape)),
    ):
        with pytest.raises(DamagedBytes):
            unpack(data.replace(shape, wild))


def test_a_header_too_deep_to_read_is_refused():
    header = b"[" * 200_000

    with pytest.raises(DamagedBytes):
        unpack(pack({}, {})[:8] + len(header).to_bytes(8, "little") + header)
