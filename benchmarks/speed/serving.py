"""nginx as a child in the foreground, with a configuration, a folder and a log of its own.

    python serving.py FOLDER [CORE]

serves FOLDER until it is stopped, pinned to CORE if one is given; the URL is printed.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Nginx", "find_nginx", "nginx", "unpack"]

# No limits that a crawler could run into, and nothing that it would wait for: the server is not measured. The
# log is written when its buffer is full, and at the end.
_CONF = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections {connections}; }}
http {{
    types {{ text/html html; }}
    default_type text/plain;
    log_format pages "$status\\t$sent_http_content_type\\t$host\\t$request_uri";
    access_log {log} pages buffer=1m;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
    open_file_cache max={kept} inactive=1h;
    open_file_cache_valid 1h;
    log_not_found off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {root};
        autoindex off;
    }}
}}
"""
_PATIENCE = 5.0  # seconds that it may take to start


@dataclass(frozen=True)
class Nginx:
    """A server that runs; `log` is complete when it has ended."""

    url: str
    log: Path


@contextmanager
def nginx(root: Path, log: Path, core: int | None = None) -> Iterator[Nginx]:
    """Serve a folder on a free port of the loopback interface."""
    program = find_nginx()
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        files = _all_files()
        text = _CONF.format(
            folder=folder,
            log=log.resolve(),
            port=port,
            root=root.resolve(),
            files=files,
            connections=min(files // 2, 50_000),
            kept=min(files // 4, 10_000),  # each is an open file, and connections need theirs
            # Or the worker becomes somebody who may not read what root has put there.
            user="user root;" if os.geteuid() == 0 else "",
        )
        conf = Path(folder) / "nginx.conf"
        conf.write_text(text)
        command = [str(program), "-p", folder, "-c", str(conf), "-e", f"{folder}/error.log"]
        if core is not None:
            command = ["taskset", "-c", str(core), *command]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            _wait(server, port, Path(folder) / "error.log")
            yield Nginx(f"http://127.0.0.1:{port}/", log)
        finally:
            server.terminate()  # which also writes what the log has in its buffer
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            _warn(Path(folder) / "error.log")


def _warn(errors: Path) -> None:
    """Say so if the server itself was in trouble: then the figures are its own."""
    lines = errors.read_text(errors="replace").splitlines() if errors.exists() else []
    grave = [line for line in lines if "[alert]" in line or "[crit]" in line or "[emerg]" in line]
    if grave:
        print(f"<!-- nginx, {len(grave)} times: {grave[0]} -->", flush=True)


def find_nginx() -> Path:
    """The nginx of this machine, or Debian's, unpacked into the cache without being installed."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if found:
        return Path(found)
    unpacked = unpack("nginx", "nginx-common")
    program = unpacked / "usr" / "sbin" / "nginx" if unpacked else None
    if program is None or not program.exists():
        raise SystemExit("no nginx: install it (apt-get install nginx), or put it on the PATH")
    return program


def unpack(*packages: str) -> Path | None:
    """Debian packages, unpacked into the cache; nothing is installed. None where apt cannot get them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skitter-bench"
    folder = cache / "-".join(packages)
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory() as place:
        done = Path(place) / "done"
        try:
            subprocess.run(["apt-get", "download", *packages], cwd=place, check=True, capture_output=True)
            for archive in Path(place).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", str(archive), str(done)], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        cache.mkdir(parents=True, exist_ok=True)
        shutil.move(done, folder)
    return folder


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _all_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def _wait(server: subprocess.Popen[bytes], port: int, errors: Path) -> None:
    """Until it answers."""
    until = time.monotonic() + _PATIENCE
    while True:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None or time.monotonic() > until:
            said = errors.read_text().strip() if errors.exists() else ""
            raise SystemExit(f"nginx does not start: {said or 'it says nothing'}")
        time.sleep(0.01)


def main(folder: str, core: str | None = None) -> None:
    """Serve until stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "log"
        with nginx(Path(folder), log, int(core) if core else None) as server:
            print(server.url, flush=True)
            try:
                signal.pause()
            except KeyboardInterrupt:
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
