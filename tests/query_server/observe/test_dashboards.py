"""The Grafana dashboard and the alert rules ask only for what a server says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import promql_parser
import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/dowser.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
# Prometheus itself puts these on every series it scrapes.
SCRAPED = {"instance", "job"}


def selectors(text: str) -> list[tuple[str, set[str]]]:
    """Return (series, labels asked of it) for every selector of a query, as Grafana would send it."""
    text = text.replace("$__rate_interval", "5m").replace("$instance", ".*")
    found = []

    def walk(expression, grouped: set[str]) -> None:
        match expression:
            case promql_parser.VectorSelector():
                asked = {matcher.name for matcher in expression.matchers.matchers}
                found.append((expression.name, asked | grouped))
            case promql_parser.MatrixSelector():
                walk(expression.vector_selector, grouped)
            case promql_parser.AggregateExpr():
                walk(
                    expression.expr, grouped | set(expression.modifier.labels if expression.modifier else ())
                )
            case promql_parser.Call():
                for argument in expression.args:
                    walk(argument, grouped)
            case promql_parser.BinaryExpr():
                walk(expression.lhs, grouped)
                walk(expression.rhs, grouped)
            case promql_parser.ParenExpr() | promql_parser.UnaryExpr() | promql_parser.SubqueryExpr():
                walk(expression.expr, grouped)
            case promql_parser.NumberLiteral():
                pass
            case _:
                raise TypeError(f"a query may not hold {type(expression).__name__}")

    walk(promql_parser.parse(text), set())
    return found


QUERIES = [
    *((panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]),
    *((one["name"], one["expr"]) for one in DASHBOARD["annotations"]["list"]),
    *((rule["alert"], rule["expr"]) for rule in RULES),
]


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_asks_for_series_and_labels_that_a_server_has(observed, title, query):
    labels_of: dict[str, set[str]] = {}
    for name, pairs in observed.samples():
        labels_of.setdefault(name, set(SCRAPED)).update(label for label, _ in pairs)
    asked = selectors(query)
    assert asked
    for name, labels in asked:
        assert name in labels_of, f"{title}: no server has {name}"
        assert labels <= labels_of[name], f"{title}: {name} has no {labels - labels_of[name]}"


def test_a_misspelled_series_and_a_broken_query_would_be_noticed():
    assert selectors("sum by (method) (rate(dowser_requests_totals[5m]))") == [
        ("dowser_requests_totals", {"method"})
    ]
    with pytest.raises(ValueError):
        selectors("sum by (method (dowser_ready)")


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_and_from_where(panel):
    assert panel["title"]
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
        assert source == {"type": "prometheus", "uid": "${datasource}"}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_panels_have_ids_of_their_own_and_do_not_overlap():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    covered = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & covered
        assert all(x < 24 for x, _ in cells)
        covered |= cells


def test_the_variables_that_queries_use_are_declared():
    declared = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(PANELS))) - {"__rate_interval"}
    assert used == declared


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_grave_it_is_and_what_to_do(rule):
    assert rule["labels"]["severity"] in {"page", "ticket", "info"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
