"""Pictures of funnels: whole, self-contained, and safe whatever the leads are called."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from leadflow.errors import InvalidInput
from leadflow_projections.metrics.figures import Funnel
from leadflow_projections.metrics.selection import Basis
from leadflow_projections.pictures.files import draw_funnel
from leadflow_projections.pictures.funnel_chart import MOST_PANELS, headline, subtitle
from tests.unit.metrics.histories import History

EVIL = "</script><script>alert('x')</script><b>&amp;\u2028"


@pytest.fixture
def sold(history: History) -> History:
    """Five leads, one of them bought, from sources with harmless and harmful names."""
    for lead, source in zip("abcde", ["fair", "fair", EVIL, None, "email"], strict=True):
        history(lead, "captured", "2026-01-01", source=source)
    history("a", "purchased", "2026-01-09")
    history("b", "lost", "2026-01-05")
    return history


class Page(HTMLParser):
    """The page's tags, its texts outside of scripts, and all that it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [v or "" for name, v in attrs if name in {"src", "href", "xlink:href"}]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["script"]:
            self.texts.append(data.strip())


def drawn(funnel: Funnel, path: Path) -> str:
    draw_funnel(funnel, path)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("by", [None, "source"])
def test_a_page_needs_nothing_but_itself(sold: History, tmp_path: Path, by: str | None) -> None:
    text = drawn(sold.funnel(by=by), tmp_path / "funnel.html")
    page = Page(text)
    assert [load for load in page.loads if not load.startswith("#")] == []
    assert page.tags.count("script") == 2
    style = text[: text.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    assert '"url"' not in text[text.rindex("<script>") :]


def test_a_page_says_what_when_and_where(sold: History, tmp_path: Path) -> None:
    funnel = sold.funnel(as_of="2026-01-31T23:59:59.999999", since="2026-01-01")
    page = Page(drawn(funnel, tmp_path / "funnel.html"))
    said = "\n".join(page.texts)
    assert "Lead funnel: 1 of 5 reached customer (20.0 %)" in said
    assert f"As of 2026-01-31 UTC, log position {funnel.reading.position:,}" in said
    for term in ("reached", "went on", "disqualified", "step conversion", "cohort"):
        assert term in page.texts
    assert "Entered the step or any later one; lost and disqualified are exits, no steps." in said


def test_names_from_outside_stay_text(sold: History, tmp_path: Path) -> None:
    page = Page(drawn(sold.funnel(by="source"), tmp_path / "funnel.html"))
    assert page.tags.count("script") == 2
    assert "b" not in page.tags
    assert any(EVIL[:-1] in text for text in page.texts)
    svg = drawn(sold.funnel(by="source"), tmp_path / "funnel.svg")
    assert {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()} <= {
        *("svg", "g", "path", "text", "tspan", "rect", "defs", "clipPath", "line", "style"),
    }


def test_svg_and_png_show_the_figures(sold: History, tmp_path: Path) -> None:
    funnel = sold.funnel()
    texts = [
        "".join(element.itertext())
        for element in ElementTree.fromstring(drawn(funnel, tmp_path / "f.svg")).iter()
        if element.tag.endswith("}text")
    ]
    for shown in (headline(funnel), *subtitle(funnel), "handed over", "100.0 %", "20.0 %", "5"):
        assert shown in "\n".join(texts)
    draw_funnel(funnel, tmp_path / "f.png")
    content = (tmp_path / "f.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = (int.from_bytes(content[i : i + 4], "big") for i in (16, 20))
    assert width > 1600
    assert height > 600


def test_undefined_is_a_dash_and_no_ratio_in_the_title(sold: History, tmp_path: Path) -> None:
    funnel = sold.funnel(basis=Basis.PERIOD, since="2026-01-08")
    assert headline(funnel) == "Lead funnel: 1 reached customer"
    assert "–" in Page(drawn(funnel, tmp_path / "f.html")).texts


def test_many_groups_show_the_largest_and_say_so(history: History, tmp_path: Path) -> None:
    for number in range(MOST_PANELS + 3):
        history(f"l{number}", "captured", "2026-01-01", source=f"source {number:02}")
    funnel = history.funnel(by="source")
    assert subtitle(funnel)[0] == "All cycles, by source (the 12 largest of 15)"
    svg = drawn(funnel, tmp_path / "f.svg")
    assert "source 11" in svg
    assert "source 12" not in svg


def test_a_funnel_of_nothing_can_be_drawn(history: History, tmp_path: Path) -> None:
    for by in (None, "source"):
        for kind in ("html", "png", "svg"):
            draw_funnel(history.funnel(by=by), tmp_path / f"f.{kind}")


def test_a_file_is_whole_or_not_there(sold: History, tmp_path: Path) -> None:
    funnel = sold.funnel()
    with pytest.raises(InvalidInput, match=re.escape("funnel.pdf names no picture")):
        draw_funnel(funnel, tmp_path / "funnel.pdf")
    with pytest.raises(FileNotFoundError):
        draw_funnel(funnel, tmp_path / "nowhere" / "funnel.svg")
    (tmp_path / "taken.svg").mkdir()
    with pytest.raises(IsADirectoryError):
        draw_funnel(funnel, tmp_path / "taken.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.svg"]
