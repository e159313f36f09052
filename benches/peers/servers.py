"""Servers on the loopback address: nginx and vsftpd where they are installed, else this project's own."""

from __future__ import annotations

import ftplib
import json
import os
import pwd
import shutil
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path
from typing import Self

NGINX = """
daemon off; master_process off; pid {run}/nginx.pid; error_log {run}/nginx.log;
events {{ }}
http {{
  access_log off; sendfile on; client_body_temp_path {run}; proxy_temp_path {run};
  fastcgi_temp_path {run}; uwsgi_temp_path {run}; scgi_temp_path {run};
  server {{
    listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl; root {root};
    ssl_certificate {run}/cert.pem; ssl_certificate_key {run}/key.pem;
  }}
}}
"""
VSFTPD = """
listen=YES
listen_address=127.0.0.1
listen_port={ftp}
background=NO
anonymous_enable=YES
anon_root={root}
no_anon_password=YES
ftp_username={user}
secure_chroot_dir={run}/empty
pasv_enable=YES
seccomp_sandbox=NO
xferlog_enable=NO
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def ftp_user() -> str:
    """A user whose home is there: vsftpd goes to it before it goes to `anon_root`."""
    try:
        return (
            "ftp"
            if Path(pwd.getpwnam("ftp").pw_dir).is_dir()
            else pwd.getpwuid(os.getuid()).pw_name
        )
    except KeyError:
        return pwd.getpwuid(os.getuid()).pw_name


def logs_in(port: int) -> bool:
    try:
        with ftplib.FTP() as session:
            session.connect("127.0.0.1", port, timeout=5)
            session.login()
            return bool(session.nlst())
    except (ftplib.Error, OSError):
        return False


def find(program: str) -> str | None:
    return shutil.which(
        program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    )


class Servers:
    """`urls` maps http, https and ftp to a base URL; `by` says which program serves it."""

    def __init__(self, root: Path, run: Path) -> None:
        self.urls: dict[str, str] = {}
        self.by: dict[str, str] = {}
        self.ca: str | None = None
        self._root = root.resolve()
        self._run = run.resolve()
        self._run.mkdir(parents=True, exist_ok=True)
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            process.wait()

    def _start(self, words: list[str], port: int) -> bool:
        log = open(self._run / f"{Path(words[0]).name}.out", "wb")  # noqa: SIM115
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        self._processes.append(process)
        for _ in range(100):
            if process.poll() is not None:
                return False
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return True
        return False

    def start_real(self) -> None:
        """Starts nginx and vsftpd, and the project's own server for what they did not give."""
        nginx, vsftpd, openssl = find("nginx"), find("vsftpd"), find("openssl")
        if nginx and openssl:
            http, https = free_port(), free_port()
            command = [
                openssl,
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ]
            command += [
                "-keyout",
                f"{self._run}/key.pem",
                "-out",
                f"{self._run}/cert.pem",
                "-days",
                "30",
            ]
            command += [
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
            ]
            # An end entity, not an authority: rustls refuses a server that presents the latter.
            command += ["-addext", "basicConstraints=critical,CA:FALSE"]
            subprocess.run(command, check=True, capture_output=True)
            conf = self._run / "nginx.conf"
            conf.write_text(
                NGINX.format(run=self._run, root=self._root, http=http, https=https)
            )
            if self._start([nginx, "-p", str(self._run), "-c", str(conf)], http):
                self.urls |= {
                    "http": f"http://127.0.0.1:{http}",
                    "https": f"https://127.0.0.1:{https}",
                }
                self.by |= {"http": "nginx", "https": "nginx"}
                self.ca = f"{self._run}/cert.pem"
        if vsftpd:
            ftp = free_port()
            (self._run / "empty").mkdir(exist_ok=True)
            conf = self._run / "vsftpd.conf"
            conf.write_text(
                VSFTPD.lstrip().format(
                    run=self._run, root=self._root, ftp=ftp, user=ftp_user()
                )
            )
            if self._start([vsftpd, str(conf)], ftp) and logs_in(ftp):
                self.urls["ftp"] = f"ftp://127.0.0.1:{ftp}"
                self.by["ftp"] = "vsftpd"
        missing = [
            scheme for scheme in ("http", "https", "ftp") if scheme not in self.urls
        ]
        if missing:
            told = self.start_own(missing, 0)
            self.urls |= {scheme: told[scheme] for scheme in missing}
            self.by |= dict.fromkeys(missing, "loopback")
            self.ca = self.ca or told.get("ca")

    def start_shaped(
        self, url: str, round_trip_ms: int, rate: int | None = None
    ) -> str:
        """The URL of a server as through a line of this latency, and at most `rate` bytes a second on each connection."""
        parts = urllib.parse.urlsplit(url)
        words = ["--shape", parts.netloc, "--latency-ms", str(round_trip_ms)]
        words += ["--rate", str(rate)] if rate else []
        told = self._start_loopback(words)
        return parts._replace(netloc=told[f"shape_{parts.netloc}"]).geturl()

    def start_own(self, schemes: list[str], latency_ms: int) -> dict[str, str]:
        """Starts this project's server; it waits `latency_ms` before each answer."""
        words = ["--root", str(self._root), "--latency-ms", str(latency_ms)]
        words += ["--ca-out", f"{self._run}/ca-{latency_ms}-{'-'.join(schemes)}.pem"]
        return self._start_loopback(words + [f"--{scheme}" for scheme in schemes])

    def _start_loopback(self, words: list[str]) -> dict[str, str]:
        default = Path(__file__).parents[2] / "target/release/loopback"
        program = os.environ.get("RUSTFITS_LOOPBACK", str(default))
        process = subprocess.Popen(
            [program, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._processes.append(process)
        assert process.stdout is not None
        told: dict[str, str] = json.loads(process.stdout.readline())
        return told
