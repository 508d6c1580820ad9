"""The page: whole, closed in itself, and readable for many hosts."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser
from tests.report.conftest import Document, one

from skitter.cli.main import main
from skitter.frontier import Database
from skitter.report.figures import read_figures
from skitter.testing import Site


def test_it_is_valid_and_loads_nothing(html: str) -> None:
    page = Document(html)
    assert not page.tags & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "image",
        "use",
    }
    assert not page.attributes & {"src", "style", "srcset", "action", "xlink:href", "background"}
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "url(" not in html
    assert "@import" not in html
    for link in page.hrefs:
        assert str(link["href"]).startswith(("http://", "https://", "#"))
        assert str(link["href"]).startswith("#") or "noreferrer" in str(link["rel"])


def test_the_policy_lets_in_the_style_alone(html: str) -> None:
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_it_names_what_it_is_about(site: Site, html: str) -> None:
    page = LexborHTMLParser(html)
    assert one(html, "h1").text().split() == ["job", "finished"]
    assert len(page.css("svg.chart")) == 9
    assert all(svg.css("title") for svg in page.css("svg.chart"))
    assert "Nobody links here" not in one(html, "#duplicates").text()
    assert site.url("/alone") in one(html, "#orphans").text()


def test_a_job_of_which_nothing_has_come_yet_has_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Database(tmp_path / "job.db").close()
    assert main(["report", str(tmp_path), "-o", "-"]) == 0
    page = Document(capsys.readouterr().out)
    assert "unfinished" in page.text
    assert "Nothing has ended yet." in page.text


def test_of_many_hosts_the_first_are_shown_and_the_rest_is_counted(tmp_path: Path) -> None:
    make_hosts(tmp_path, 1_200)
    assert main(["report", str(tmp_path)]) == 0
    html = (tmp_path / "report.html").read_text()
    Document(html)
    hosts = one(html, "#hosts")
    assert len(hosts.css("tbody tr")) == 1_000
    assert len(hosts.css("details tbody tr")) == 975
    assert hosts.css("tbody tr td")[0].text() == "http://h1200.example"
    assert "and 200 more hosts: skitter export has all." in hosts.text()
    assert len(html) < 2_000_000
    figures = read_figures(tmp_path / "job.db")
    assert [host.pending for host in figures.by_host[:3]] == [1200, 1199, 1198]


def make_hosts(folder: Path, number: int) -> None:
    database = Database(folder / "job.db")
    with database.transaction():
        for host in range(1, number + 1):
            values = (host, f"http://h{host}.example")
            database.connection.execute("INSERT INTO host (id, origin) VALUES (?, ?)", values)
            rows = [(host, n, host * 10_000 + n, f"http://h{host}.example/{n}") for n in range(host)]
            database.connection.executemany(
                "INSERT INTO pending (host, due, depth, seq, key, url, attempts, spent, seed, given)"
                " VALUES (?, 0, 0, ?, ?, ?, 0, 0, 0, 0)",
                rows,
            )
    database.close()
