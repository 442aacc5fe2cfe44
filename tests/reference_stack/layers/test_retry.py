from reference_stack.layers.evidence import Retrying
from reference_stack.layers.retry import Retry, RetryParameters


def retrying(attempt: int = 2, requests: int = 100, retries: int = 0) -> Retrying:
    return Retrying(attempt, "TimedOut", requests, retries)


def test_a_retry_within_the_budget_is_made():
    assert not Retry(RetryParameters(share=0.1)).decide(retrying(retries=9)).acts


def test_the_retry_that_would_exceed_the_budget_is_not():
    decision = Retry(RetryParameters(share=0.1)).decide(retrying(retries=10))
    assert decision.acts
    assert decision.fired
    assert "10 retries for 100 requests" in decision.says


def test_the_last_attempt_is_made_and_one_more_is_not():
    layer = Retry(RetryParameters(attempts=3))
    assert not layer.decide(retrying(attempt=3)).acts
    decision = layer.decide(retrying(attempt=4))
    assert decision.acts
    assert not decision.fired  # nothing is wrong with the site: one view has asked often enough


def test_without_requests_there_is_nothing_to_spend():
    assert Retry(RetryParameters()).decide(retrying(requests=0)).acts
