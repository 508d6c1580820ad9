"""All settings: frozen, nested, validated once. Flags, variables, TOML keys and keyword arguments
are made from these fields, so that a setting exists exactly once.

A field's name is the option's (``max_body`` is ``--max-body``, ``SKITTER_MAX_BODY`` and
``max_body`` in TOML). Durations are seconds and sizes bytes once parsed; as text they take units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from skitter.errors import ConfigError
from skitter.values import (
    BadSecret,
    nearest,
    parse_choice,
    parse_duration,
    parse_flag,
    parse_header,
    parse_least_size,
    parse_network,
    parse_pair,
    parse_percent,
    parse_processes,
    parse_proxy,
    parse_size,
    parse_text,
    parse_whole,
)
from skitter.version import VERSION

__all__ = [
    "ARCHIVES",
    "Config",
    "Http",
    "Limits",
    "Option",
    "Output",
    "Politeness",
    "Scope",
    "Terminal",
    "build",
    "options",
]

# Endings of outputs that hold what went over the wire.
ARCHIVES = (".warc", ".warc.gz")

# Name, version and where to complain: RFC 9309 2.2.1, RFC 9110 10.1.5.
_USER_AGENT = f"skitter/{VERSION.rpartition('.')[0]} (+https://skitter.example/bot)"


@dataclass(frozen=True, slots=True)
class Option:
    """How a field is written and read, wherever it is set."""

    name: str
    group: str
    default: Any
    help: str
    parse: Callable[[object], Any]
    metavar: str | None
    short: str | None
    many: bool

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        return self.parse is parse_flag


def _option(
    default: Any,
    text: str,
    parse: Callable[[object], Any] = parse_text,
    metavar: str | None = None,
    *,
    short: str | None = None,
    secret: bool = False,
) -> Any:
    many = default == ()
    facts = {"help": text, "parse": parse, "metavar": metavar, "short": short, "many": many}
    return field(default=default, metadata=facts, repr=not secret)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which URLs are admitted."""

    depth: int | None = _option(None, "links from a seed; 0 = seeds alone", parse_whole(0), "N", short="-d")
    scope: str = _option(  # "host": what a person means by "this site"; wget and Heritrix agree
        "host", "which links are followed: none, under the seed's folder, same host, same "
        "registrable domain, all", parse_choice("page", "prefix", "host", "domain", "any"),
        "{page,prefix,host,domain,any}",
    )  # fmt: skip
    include: tuple[str, ...] = _option(
        (), "follow only URLs that match: glob, or re:EXPRESSION", parse_text, "P"
    )
    exclude: tuple[str, ...] = _option(
        (), "never visit URLs that match: glob, or re:EXPRESSION", parse_text, "P"
    )
    sitemaps: bool = _option(
        False, "also take URLs from sitemaps named by robots.txt or at /sitemap.xml", parse_flag
    )
    no_trap_guard: bool = _option(False, "no trap verdicts (see the reference)", parse_flag)

    @property
    def by_level(self) -> bool:
        """Must a host's URLs be visited level by level, so that ``depth`` cuts at the true distance?

        Otherwise a page that is first found by a detour (because a shorter way had to be tried
        again) would be taken for deeper than it is, and what lies behind it would be missing.
        """
        return bool(self.depth)


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop, and how much at once."""

    limit: int | None = _option(
        None,
        "stop after exactly N fetched pages, over all runs of the job",
        parse_whole(1),
        "N",
        short="-n",
    )
    time_limit: float | None = _option(None, "stop taking new URLs after T", parse_duration, "T")
    # One hour: a Retry-After beyond it is a maintenance window; a supervisor should come back then.
    max_wait: float = _option(
        3600.0, "stop with exit code 6 when all that remains must wait longer", parse_duration, "T"
    )
    # 64: enough to overlap many hosts, well under common limits of open files (256 to 1,024).
    concurrency: int = _option(64, "requests in flight, all hosts together", parse_whole(1), "N", short="-c")
    # 30 s: curl and browsers wait longer; a crawler has other things to do meanwhile.
    timeout: float = _option(30.0, "for one request, connect to last byte", parse_duration, "T")
    # 10 MiB: Colly's cap is 10 MB, Katana's 4 MiB; of HTML pages, one in a million is larger.
    max_body: int = _option(10 * 1024 * 1024, "decoded bytes of one response", parse_size, "SIZE")
    # 3: Crawlee, Scrapling and StormCrawler; Scrapy has 2.
    retries: int = _option(3, "more tries after the first, for errors that may pass", parse_whole(0), "N")
    # 1: a small crawl waits for servers, not for us; each one more takes about 20 MiB.
    processes: int = _option(
        1, "worker processes, which fetch, parse and run handlers; auto = as many as cores",
        parse_processes, "N",
    )  # fmt: skip
    # 100 ms: asyncio's own slow_callback_duration.
    slow_callback: float = _option(
        0.1, "report code that holds the event loop for longer; 0 = never", parse_duration, "T"
    )
    fail_on: float | None = _option(
        None, "exit 4 if more than PCT % of the visits failed", parse_percent, "PCT"
    )


@dataclass(frozen=True, slots=True)
class Politeness:
    """How a host is treated."""

    # Adaptive from 1 to 4: PRECEDENTS section 3 asks for 2 to 4 at a stranger's host.
    per_host: int | None = _option(
        None,
        "requests in flight to one host, to start with and at most (default: 1, adapting up to 4)",
        parse_whole(1),
        "N",
    )
    delay: float = _option(
        0.0,
        "least time between two requests to one host; robots' Crawl-delay if that is longer",
        parse_duration,
        "T",
    )
    separate: tuple[str, ...] = _option(
        (),
        "networks (CIDR, or cdn, loopback, all, none) where hosts at one address do not share a window"
        " (default: cdn and loopback)",
        parse_network,
        "NET",
    )
    no_robots: bool = _option(False, "ignore robots.txt", parse_flag)


@dataclass(frozen=True, slots=True)
class Http:
    """What is sent, and through what. Headers, cookies and auth go to the seeds' origins only."""

    header: tuple[str, ...] = _option(
        (),
        "request header, to the seeds' origins only, or @FILE; repeatable",
        parse_header,
        "'Name: value'",
        short="-H",
        secret=True,
    )
    user_agent: str = _option(
        _USER_AGENT,
        "User-Agent; its first word is the name looked up in robots.txt",
        parse_text,
        "UA",
        short="-A",
    )
    cookie: tuple[str, ...] = _option(
        (),
        "cookie, to the seeds' origins only, or @FILE; repeatable",
        parse_pair("=", "name=value"),
        "'k=v'",
        short="-b",
        secret=True,
    )
    auth: str | None = _option(
        None,
        "HTTP Basic credentials, to the seeds' origins only, or @FILE",
        parse_pair(":", "USER:PASS"),
        "USER:PASS",
        secret=True,
    )
    proxy: str | None = _option(
        None,
        "http:// proxy for all requests, or @FILE",
        parse_proxy,
        "PROXY",
        short="-x",
        secret=True,
    )
    # Off: whoever links to a crawled page must not choose what is asked of the network around it.
    allow_private: bool = _option(
        False, "public pages may lead to private addresses (metadata addresses never)", parse_flag
    )
    ca_file: str | None = _option(
        None, "trust this certificate authority (PEM file) instead of the system's", parse_text, "FILE"
    )
    insecure: bool = _option(False, "do not verify TLS certificates", parse_flag)


@dataclass(frozen=True, slots=True)
class Output:
    """Where things go."""

    input: str | None = _option(
        None,
        "more seeds, one a line; - = stdin; # comments and blank lines skipped",
        parse_text,
        "FILE",
        short="-i",
    )
    output: tuple[str, ...] = _option(
        (),
        "output by its ending (.jsonl, .csv, .sqlite, .parquet, .warc.gz ...), - = JSONL on stdout; "
        "repeatable (default: JOB/pages.jsonl; fetch: -)",
        parse_text,
        "FILE",
        short="-o",
    )
    field: tuple[str, ...] = _option(
        (),
        "extra record field: html, text, markdown, headers, outlinks; repeatable",
        parse_choice("html", "text", "markdown", "headers", "outlinks"),
        "NAME",
    )
    job: str | None = _option(
        None,
        "the job's folder; continues what is there (default: HOST.crawl of the first URL; fetch: none)",
        parse_text,
        "DIR",
    )
    fresh: bool = _option(False, "discard the job's state and outputs first", parse_flag)
    durable: bool = _option(False, "fsync before each commit: survives power loss too", parse_flag)
    # 200 MiB: room for what else lives on the disk, and for the few MiB that a polite end still writes.
    min_free: int = _option(
        200 * 1024 * 1024,
        "stop politely when the disk has less room (of a smaller disk: a tenth); 0 = when it is full",
        parse_least_size,
        "SIZE",
    )

    @property
    def archives(self) -> bool:
        """Is some output of records an archive?"""
        return any(path.endswith(ARCHIVES) for path in self.output)


@dataclass(frozen=True, slots=True)
class Terminal:
    """What is shown."""

    dry_run: bool = _option(
        False, "print the canonical seeds and the rule that each meets; contact nobody", parse_flag
    )
    quiet: bool = _option(False, "no progress, no summary", parse_flag, short="-q")
    verbose: bool = _option(False, "a line for every URL and wait", parse_flag, short="-v")
    log_format: str = _option("text", "text or json", parse_choice("text", "json"), "{text,json}")
    no_color: bool = _option(False, "no colours (also NO_COLOR)", parse_flag)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything, in groups."""

    scope: Scope = Scope()
    limits: Limits = Limits()
    politeness: Politeness = Politeness()
    http: Http = Http()
    output: Output = Output()
    terminal: Terminal = Terminal()


_GROUPS = {
    "scope": Scope,
    "limits": Limits,
    "politeness": Politeness,
    "http": Http,
    "output": Output,
    "terminal": Terminal,
}


def options() -> dict[str, Option]:
    """Every option by name, in the order of the help."""
    found = {}
    for group, kind in _GROUPS.items():
        for item in fields(kind):
            found[item.name] = Option(item.name, group, item.default, **item.metadata)
    return found


def build(*sources: tuple[str, Mapping[str, object]]) -> Config:
    """Settings from named sources, later ones winning; None means "not set".

    A source is its name for messages (``"--{}"``-like template over the option) and values by
    option name. Raises ConfigError for an unknown name or a value that cannot be read.
    """
    known = options()
    values: dict[str, dict[str, Any]] = {group: {} for group in _GROUPS}
    for label, source in sources:
        for name, value in source.items():
            if name not in known:
                raise ConfigError(f"{label.format(name)}: unknown{nearest(name, known)}")
            if value is not None:
                option = known[name]
                values[option.group][name] = _read(option, value, label.format(_said(label, option)))
    return Config(**{group: kind(**values[group]) for group, kind in _GROUPS.items()})


def _said(label: str, option: Option) -> str:
    """The option's name in the spelling of its source."""
    return option.flag[2:] if label.startswith("--") else option.name


def _read(option: Option, value: object, said: str) -> object:
    several = value if option.many and isinstance(value, list | tuple) else [value]
    parsed = []
    for item in several:
        try:
            parsed.append(option.parse(item))
        except BadSecret as error:  # logs keep what is said here
            raise ConfigError(f"{said}: {error}") from None
        except ValueError as error:
            raise ConfigError(f"{said}: {item!r}: {error}") from None
    return tuple(parsed) if option.many else parsed[0]
