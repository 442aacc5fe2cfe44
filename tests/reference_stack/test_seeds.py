from reference_stack.seeds import stream, uniform


def test_the_same_names_give_the_same_numbers_and_other_names_do_not():
    first = stream(1, "arrivals", 3).random(4).tolist()

    assert first == stream(1, "arrivals", 3).random(4).tolist()
    assert first != stream(2, "arrivals", 3).random(4).tolist()
    assert first != stream(1, "arrivals", 4).random(4).tolist()


def test_names_do_not_run_together():
    assert uniform(1, "ab", "c") != uniform(1, "a", "bc")


def test_numbers_do_not_change_between_releases():
    assert stream(7, "pinned").integers(0, 1000, 3).tolist() == [280, 805, 260]
    assert uniform(7, "pinned") == 0.7456456021923196


def test_uniforms_lie_in_the_unit_interval():
    draws = [uniform(1, "u", i) for i in range(2000)]

    assert min(draws) >= 0.0
    assert max(draws) < 1.0
    assert abs(sum(draws) / 2000 - 0.5) < 0.03
