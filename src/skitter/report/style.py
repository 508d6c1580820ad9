"""How the page looks: one sheet, whose hash is the only thing that the page's policy lets in."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

__all__ = ["POLICY", "STYLE"]

STYLE = """
:root { color-scheme: light dark;
  --ink: #1f2430; --dim: #667085; --line: #e3e6eb; --ground: #f5f6f8; --card: #fff; --link: #1d5f9e;
  --fetched: #3a86c8; --redirected: #9a7bd0; --left: #a9b1bc; --failed: #e0604c; --pending: #e5b546;
  --band: #3a86c826; --good: #2f8f5b; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e4e7ec; --dim: #98a2b3; --line: #2c323c; --ground: #12151a; --card: #1a1e25; --link: #7db8ee;
  --fetched: #4d9de0; --redirected: #a98be0; --left: #667080; --failed: #ee7361; --pending: #e5b546;
  --band: #4d9de033; --good: #5cc48c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 74rem; padding: 2rem 1rem 3rem; color: var(--ink);
  background: var(--ground);
  font: .9375rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: clamp(1.3rem, 4vw, 1.9rem); line-height: 1.2; margin: 0; overflow-wrap: anywhere;
  letter-spacing: -.01em; }
h2 { font-size: 1.1rem; margin: 0 0 .5rem; }
h3 { font-size: .875rem; margin: .25rem 0 .5rem; color: var(--dim); font-weight: 600; }
p { margin: .25rem 0 .5rem; overflow-wrap: anywhere; }
a { color: var(--link); text-decoration: none; overflow-wrap: anywhere; }
a:hover { text-decoration: underline; }
code { font: .9em ui-monospace, monospace; }
.dim, .note, footer { color: var(--dim); }
.note { margin: -.25rem 0 .75rem; max-width: 60rem; }
.state { display: inline-block; vertical-align: .25em; margin-left: .5rem; padding: .1rem .6rem;
  border-radius: 1rem;
  font-size: .8125rem; font-weight: 600; letter-spacing: 0; color: var(--good);
  border: 1px solid currentColor; }
.state.open { color: var(--pending); }
.cards { display: grid; grid-template-columns: repeat(5, 1fr); gap: .75rem;
  margin: 1.25rem 0; }
.cards div, section { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; }
.cards div { padding: .7rem .9rem; }
.cards b { display: block; font-size: 1.35rem; line-height: 1.25; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.cards span { color: var(--dim); font-size: .8125rem; }
.cards .bad b { color: var(--failed); }
section { padding: 1.1rem 1.25rem; margin: 1rem 0; }
nav { display: flex; flex-wrap: wrap; gap: .35rem 1.1rem; margin: 1rem .25rem; font-size: .875rem; }
nav b { color: var(--dim); font-weight: 500; font-variant-numeric: tabular-nums; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1rem 2rem; }
.scroll { overflow-x: auto; }
svg.chart { display: block; width: 100%; height: auto; margin: .25rem 0 1rem; }
svg.w1080 { min-width: 40rem; }
svg.share { display: block; width: 100%; height: 1rem; border-radius: .4rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0;
  margin: .5rem 0 0;
  color: var(--dim); font-size: .875rem; }
.legend .key { width: .7rem; height: .7rem; margin-right: .4rem; vertical-align: -.02rem; }
.k0 { fill: var(--fetched); } .k1 { fill: var(--redirected); } .k2 { fill: var(--left); }
.k3 { fill: var(--failed); } .k4 { fill: var(--pending); }
rect:not(.hover):hover { opacity: .8; }
.t { font-size: 12px; fill: var(--dim); font-variant-numeric: tabular-nums; } .m { text-anchor: middle; }
.e { text-anchor: end; } .v { fill: var(--ink); }
.grid { stroke: var(--line); } .axis { stroke: var(--dim); } .pause { stroke: var(--dim);
  stroke-dasharray: 3 4; }
.band { fill: var(--band); } .p90 { fill: none; stroke: var(--fetched); stroke-opacity: .45; }
.median { fill: none; stroke: var(--fetched); stroke-width: 2; stroke-linejoin: round; }
.hover { fill: transparent; } .hover:hover { fill: var(--ink); fill-opacity: .07; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; line-height: 1.4;
  font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .75rem .4rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 500; vertical-align: bottom; }
td:last-child, th:last-child { padding-right: 0; }
tbody tr:last-child td { border-bottom: 0; }
td { overflow-wrap: anywhere; min-width: 4rem; }
.n { text-align: right; white-space: nowrap; min-width: 0; width: 1%; padding-right: 1.25rem; }
.hosts .n { width: auto; padding-right: .75rem; }
.badge { display: inline-block; padding: 0 .45rem; border-radius: .35rem; font-size: .8125rem;
  font-weight: 600;
  border: 1px solid currentColor; white-space: nowrap; }
.badge.k3 { color: var(--failed); } .badge.k2 { color: var(--dim); } .badge.k1 { color: var(--redirected); }
.badge.k0 { color: var(--fetched); }
.hosts table { table-layout: fixed; min-width: 56rem; }
.hosts th:nth-child(1) { width: 25%; } .hosts th:nth-child(2) { width: 12%; } .hosts th:nth-child(9) {
  width: 19%; }
.hosts svg { display: block; width: 100%; height: .55rem; margin-top: .4rem; border-radius: .2rem; }
.dead td { width: 50%; }
details { margin: .25rem 0; } summary { cursor: pointer; color: var(--link); }
details .wide { max-height: 42rem; overflow: auto; }
ul { margin: .1rem 0; padding-left: 1.1rem; }
footer { margin: 2rem .25rem 0; font-size: .8125rem; }
@media (max-width: 50rem) { .cards { grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); } }
@media print { section { break-inside: avoid-page; } }
"""

# Nothing is loaded from anywhere and no script runs, even if something slipped in; the sheet is known by its
# hash, so that no other style counts.
_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
