"""The scrape configuration and alert rules of the profile `observe`, by Prometheus' own checker."""

from __future__ import annotations

import subprocess

import yaml

from chaos.app import compose_file, make_files
from tests.command import program

FOLDER = compose_file().parent / "deploy" / "prometheus"


def promtool(*words: str) -> str:
    done = subprocess.run(
        [program("promtool"), *words], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_and_its_rules_are_valid() -> None:
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")


def test_the_rules_fire_where_they_should_and_only_there() -> None:
    assert "SUCCESS" in promtool("test", "rules", "tests.yml")


def test_every_rule_is_seen_to_fire_and_to_be_silent_and_every_component_but_the_registry_is_scraped() -> (
    None
):
    groups = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    rules = {rule["alert"] for group in groups for rule in group["rules"]}
    tests = yaml.safe_load((FOLDER / "tests.yml").read_text())["tests"]
    cases = [one for test in tests for one in test["alert_rule_test"]]
    assert {one["alertname"] for one in cases if one["exp_alerts"]} == rules
    assert {one["alertname"] for one in cases if not one["exp_alerts"]} == rules
    scrape = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"][0]
    targets = {address.partition(":")[0] for address in scrape["static_configs"][0]["targets"]}
    spec, _ = make_files().target("reference-compose")
    assert targets == set(spec.components) - {"registry"}
