"""Elements of a document, as handlers see them."""

from __future__ import annotations

from typing import Any

__all__ = ["Element"]


class Element:
    """One element of a page. ``text`` has its white space folded; ``attrs`` are plain strings."""

    __slots__ = ("_node",)

    def __init__(self, node: Any) -> None:
        self._node = node

    def __repr__(self) -> str:
        return f"<Element {self._node.tag} {self.text[:40]!r}>"

    @property
    def tag(self) -> str:
        """The element's name in lower case."""
        return str(self._node.tag)

    @property
    def text(self) -> str:
        """The text of the element and of all inside it, white space folded and stripped."""
        return " ".join(self._node.text.split())

    @property
    def attrs(self) -> dict[str, str]:
        """Attributes by name; one without a value is ``""``."""
        # The parser hands out lists for attributes that are sets of words, as class and rel.
        return {
            name: " ".join(value) if isinstance(value, list) else value or ""
            for name, value in self._node.attrs.items()
        }

    @property
    def html(self) -> str:
        """The element as HTML, itself included."""
        return str(self._node.html)

    def css(self, selector: str) -> list[Element]:
        """All elements inside that match, in document order. Raises ValueError for no CSS selector."""
        return [Element(node) for node in self._node.select(selector)]

    def xpath(self, expression: str) -> list[Any]:
        """What an XPath 1.0 expression finds from here, in document order: elements, and strings for
        attributes and text; the one value of ``count()`` and its like. Raises ValueError for no XPath."""
        found = self._node.xpath(expression)
        values = found if isinstance(found, list) else [found]
        return [value if isinstance(value, str | float | bool) else Element(value) for value in values]

    def css_first(self, selector: str) -> Element | None:
        """The first element inside that matches, or None. Raises ValueError for no CSS selector."""
        node = self._node.select_one(selector)
        return None if node is None else Element(node)
