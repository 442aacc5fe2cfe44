from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from chaos.domain.scenario import Number, Strict
from chaos.domain.wrong import first_of


class Inner(Strict):
    within: Number = 1.0


class Thing(Strict):
    names: Annotated[list[str], Field(min_length=1)] = ["a"]
    by: dict[str, Number] = {}
    inner: Inner = Inner()
    says: Annotated[str, Field(min_length=3, max_length=6)] = "this"
    count: Annotated[int, Field(ge=0, le=9, strict=True)] = 1
    share: Annotated[Number, Field(gt=0, lt=1.5)] = 1.0
    sure: Annotated[bool, Field(strict=True)] = True


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"names": "late-data"}, "names: must be a list, not 'late-data'"),
        ({"names": None}, "names: must be a list, and is left empty"),
        ({"names": []}, "names: must hold 1 or more"),
        ({"names": ["a", 2]}, "names.1: must be text, not 2"),
        ({"by": ["a"]}, "by: must be a mapping of keys to values"),
        ({"inner": 4}, "inner: must be a mapping of keys to values, not 4"),
        ({"inner": {"within": True}}, "inner.within: must be a number, not true"),
        ({"inner": {"withn": 1}}, "inner.withn: there is no such key"),
        ({"says": "so"}, "says: must be 3 characters long or more"),
        ({"says": "x" * 99}, "says: must be 6 characters long at most"),
        ({"says": 10**99}, f"says: must be text, not 1{'0' * 39}…"),
        ({"count": 1.5}, "count: must be a whole number, not 1.5"),
        ({"count": -1}, "count: must be at least 0"),
        ({"count": 10}, "count: must be at most 9"),
        ({"share": 0.0}, "share: must be above 0"),
        ({"share": 1.5}, "share: must be below 1.5"),
        ({"share": float("nan")}, "share: must be a finite number, not nan"),
        ({"sure": "yes"}, "sure: must be true or false, not 'yes'"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_plain_words(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError) as error:
        Thing.model_validate(given)
    assert first_of(error.value) == says


def test_text_that_is_no_json_is_said_to_be_none() -> None:
    with pytest.raises(ValidationError) as error:
        Thing.model_validate_json('{"count": ')
    assert first_of(error.value).startswith("is not JSON: EOF while parsing a value at line 1")
