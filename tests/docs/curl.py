"""Stands in for curl in the pages' commands, so that a machine which runs the tests needs none: -s, -i, -X, -H and -d.

It is a script of the standard library alone: a page of commands starts it once for each, and loses no time by it.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit


def main(words: list[str]) -> None:
    """Does one request over HTTP, and prints the answer: with -i its status and headers first."""
    headers: dict[str, str] = {}
    url, method, data, shows_head = "", "", None, False
    while words:
        match words.pop(0):
            case "-s":
                pass
            case "-i":
                shows_head = True
            case "-X":
                method = words.pop(0)
            case "-H":
                name, _, value = words.pop(0).partition(":")
                headers[name] = value.strip()
            case "-d":
                data = words.pop(0).encode()
            case word if not word.startswith("-") and not url:
                url = word
            case word:
                sys.exit(f"curl: the pages do not use {word}")
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=60)
    connection.request(method or ("GET" if data is None else "POST"), url.partition(parts.netloc)[2], data, headers)
    answer = connection.getresponse()
    if shows_head:
        lines = [
            f"HTTP/1.1 {answer.status} {answer.reason}",
            *(f"{name}: {value}" for name, value in answer.getheaders()),
        ]
        sys.stdout.write("\n".join((*lines, "", "")))
    sys.stdout.write(answer.read().decode())


if __name__ == "__main__":
    main(sys.argv[1:])
