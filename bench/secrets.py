"""Secrets in text: what is shown, written or tracked passes through `redacted`, which blots them out."""

import re

#: What stands where a secret stood.
MASK = "***"

# Up to the last ``@``: a password that nobody percent-encoded may hold slashes and more of them.
_LOGIN = re.compile(r"(?i)(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*)://([^\s\"'<>]*)@")
_HOST = re.compile(r"[\w.-]+(:\d+)?")
#: Schemes where an ``@`` may also stand in the path: ``https://host/package@2/data.csv``.
_WITH_PATHS = frozenset({"http", "https", "s3", "gs", "az", "abfs", "abfss"})
_NAMED = re.compile(
    r"(?i)((?:\b|_)(?:passphrase|pwd|secret|token|sig|api_?key|credential)|[?&]key"
    r"|(?<!\w)\w*(?:passw(?:or)?d|access_?key|account_?key|secret_?key|signature))"
    r"(\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s&;\"'<>\\]+)"
)


def redacted(text: str) -> str:
    """Blot out the secrets of addresses and queries: ``user:password@``, ``?token=...``, ``password = '...'``."""
    return _NAMED.sub(rf"\1\2{MASK}", _LOGIN.sub(_without_login, text))


def _without_login(match: re.Match[str]) -> str:
    scheme, login = match[1].lower(), match[2]
    authority = re.split(r"[/?#]", login, maxsplit=1)[0]
    in_path = authority != login and _HOST.fullmatch(authority)
    # abfs://container@account.host, gs://anonymous@bucket
    plain = (scheme in ("abfs", "abfss") and ":" not in login) or login == "anonymous"
    if not authority or plain or (in_path and scheme in _WITH_PATHS):
        return match[0]
    return f"{match[1]}://{MASK}@"
