"""docs/dashboards.md: every dashboard with its picture, and what each panel of it says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from workers.dashboards.panels import RUNBOOKS

OUT: Final = Path("docs/dashboards.md")
_RUNBOOKS: Final = f"${{{RUNBOOKS}}}"

_HEAD: Final = """\
# Dashboards

Five dashboards for Grafana, in `k8s/monitoring/dashboards`. They are code, in `workers/dashboards`: which
panels there are in `wall_board.py` and its neighbours, what all panels have in `panels.py`, which series a
query may see in `promql.py`. `make dashboards` writes the JSON and this page again; a test holds both equal
to the code.

**The pictures are not Grafana's.** Grafana could not be had on the machine that Mien is developed on, so no
dashboard was ever opened in it. Each picture is drawn by `workers/dashboards/picture.py` from the
dashboard's file and from what a real Prometheus answered to each of its queries, while the chain, a probe,
a lost camera and alerts ran on one machine for some minutes, with rules evaluated each second: so what is
said of 30 days is that of these minutes. `make pictures` does all of that again. What a test can show
without Grafana is shown:

- every query of every panel is parsed by promtool, names only series that Mien exports or records, and is
  answered by a real Prometheus in `tests/integration/test_dashboards.py`;
- with one namespace chosen, no query sees anything of another Mien in the same Prometheus.

## Use

- **Grafana** takes the files by its provisioning (compose does so), or in Kubernetes by a ConfigMap with
  the label that its sidecar looks for. The uids `mien-wall`, `mien-pipeline`, `mien-model`, `mien-alerts`
  and `mien-slo` stay, so that links to them can be kept.
- **Choose** at the top: data source, cluster, namespace, cameras. Cluster and namespace are one at a time:
  numbers of two Miens are never added up. Where Prometheus has no such label, nothing is there to choose
  and all is shown. The truth probe's camera is left out of all that counts cameras.
- **Links** lead from each dashboard to the others, with what was chosen and the time, and from each panel
  that an alert watches to that alert's runbook. Where the runbooks are is one address in each file, the
  variable `runbooks`: `make rules dashboards RUNBOOKS=https://…/operations.md` sets your
  own.
- **A scrape interval** of 15 s or less is best: rates are over four scrapes. Tell Grafana the interval in
  the data source.
"""


def page(documents: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page, as Markdown, of dashboards by the name of their file."""
    return "\n".join([_HEAD, *(_section(name, document) for name, document in documents.items())])


def _section(name: str, document: Mapping[str, Any]) -> str:
    title = document["title"].partition(": ")[2]
    lines = [f"## {title}", "", document["description"], "", f"![{title}](dashboards/{name}.png)", ""]
    for spec in document["panels"]:
        if spec["type"] == "row":
            lines += ["", f"{spec['title']}:", ""] if lines[-1] else [f"{spec['title']}:", ""]
        else:
            lines.append(f"- **{spec['title']}**: {spec['description']}{_runbook(spec)}")
    return "\n".join([*lines, ""])


def _runbook(spec: Mapping[str, Any]) -> str:
    """The way to the runbook, beside this page rather than where the dashboard says."""
    return "".join(
        f" [{link['title'].removeprefix('Runbook: ')}]({link['url'].replace(_RUNBOOKS, 'operations.md')})"
        for link in spec.get("links", [])
    )
