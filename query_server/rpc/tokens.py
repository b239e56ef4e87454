"""Bearer tokens: a TOML file with one line a token, which holds its sha256 and never the token itself.

    annotators = { roles = ["select"], sha256 = "…" }

Tokens are 256 random bits, so a plain hash keeps them: there is nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from query_server.errors import corrupt_file, invalid_argument

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Role(StrEnum):
    """What a token allows; ``administer`` allows everything."""

    SELECT = "select"
    UPLOAD = "upload"
    ADMINISTER = "administer"


@dataclass(frozen=True, kw_only=True)
class Token:
    """One line of the file.

    Attributes:
        name: Names the caller in limits and logs.
        roles: What it allows.
        sha256: Of the token.
    """

    name: str
    roles: frozenset[Role]
    sha256: bytes

    def allows(self, role: Role) -> bool:
        """Tell whether the token has a role."""
        return role in self.roles or Role.ADMINISTER in self.roles


class TokenFile:
    """The tokens of a file, read again when the file changes.

    A change that cannot be read leaves the former tokens in force and is told in the log.

    Raises:
        DowserError: CORRUPT_FILE if the file is no good at start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._stamp_now()
        self._tokens = _read(path)

    def find(self, presented: str) -> Token | None:
        """Return the token presented, None where there is no such one; takes as long either way."""
        self._refresh()
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found

    def _refresh(self) -> None:
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._tokens = _read(self._path)
        except Exception as error:  # whatever is wrong with the file, the server goes on with what it knows
            _LOG.error("the former tokens stay in force: %s", error)
        else:
            _LOG.info("read %d tokens anew from %s", len(self._tokens), self._path)

    def _stamp_now(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def new_token(name: str, roles: Iterable[Role]) -> tuple[str, str]:
    """Make a token; return it and its line for the file.

    Raises:
        DowserError: INVALID_ARGUMENT for a name that cannot be.
    """
    _check_name(name)
    token = f"dowser_{secrets.token_urlsafe(32)}"
    listed = ", ".join(f'"{role}"' for role in dict.fromkeys(roles))
    digest = hashlib.sha256(token.encode()).hexdigest()
    return token, f'{name} = {{ roles = [{listed}], sha256 = "{digest}" }}'


def append_line(path: Path, line: str) -> None:
    """Add a token's line to a file, made for its owner alone where it is not there.

    Raises:
        DowserError: CORRUPT_FILE if the file is no good, INVALID_ARGUMENT if it has the name.
    """
    text = f"{line}\n"
    if path.exists():
        name = line.partition(" ")[0]
        known, content = _read(path), path.read_text(encoding="utf-8")
        if any(token.name == name for token in known):
            raise invalid_argument("name", name, f"a name that {path} does not have yet")
        if content and not content.endswith("\n"):
            text = f"\n{text}"
        if len(tomllib.loads(content + text)) != len(known) + 1:
            raise corrupt_file(path, "ends in a table, which would take the line in; write tokens one a line")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
        file.write(text)


def _read(path: Path) -> tuple[Token, ...]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise corrupt_file(path, f"cannot be read ({error.strerror}); check its path and mode") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        # Without the parser's words: they may quote the line.
        raise corrupt_file(path, "not TOML; write lines as `dowser-server token new` prints them") from None
    if mode & stat.S_IWOTH:
        raise corrupt_file(path, "every user of this machine can write it, and so make tokens; chmod 600 it")
    if mode & stat.S_IROTH:
        _LOG.warning("%s: every user of this machine can read who has tokens; chmod 600 it", path)
    return tuple(_token(path, name, entry) for name, entry in content.items())


def _token(path: Path, name: str, entry: Any) -> Token:
    if not _NAME.fullmatch(name):
        raise corrupt_file(path, "a token's name must be 1 to 64 letters, digits, - or _")
    if not isinstance(entry, Mapping) or set(entry) != {"roles", "sha256"}:
        raise corrupt_file(path, f"{name} must have roles and sha256, and nothing else")
    digest, roles = entry["sha256"], entry["roles"]
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise corrupt_file(path, f"the sha256 of {name} must be 64 lower-case hexadecimal digits")
    if not isinstance(roles, list) or not roles or any(role not in list(Role) for role in roles):
        raise corrupt_file(path, f"the roles of {name} must be some of {', '.join(Role)}")
    return Token(name=name, roles=frozenset(map(Role, roles)), sha256=bytes.fromhex(digest))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid_argument("name", name, "1 to 64 letters, digits, - or _")
