"""What a recording must not tell: host names, users, serial numbers, addresses, ids of containers and devices.

Ids become pseudonyms, the same for the same id everywhere, so that a recording still holds together. The rules
apply to every path and every text before it is written.
"""

import hashlib
import re
from collections.abc import Iterable

_UUID = re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b")
# Kubernetes writes pod ids in folder names with underscores.
_POD = re.compile(r"\bpod[0-9a-f]{8}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{12}\b")
_LONG_ID = re.compile(r"(?<![0-9a-fA-F])[0-9a-f]{24,128}(?![0-9a-fA-F])")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
_IPV6 = re.compile(r"(?<![0-9a-fA-F:.])(?:[0-9a-fA-F]{1,4}:){3,7}:?[0-9a-fA-F]{1,4}(?![0-9a-fA-F:.])")
_MAC = re.compile(r"\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}\b")
_SERIAL = re.compile(r"(?im)^(\s*\"?[^:=\n]*\bserial[^:=\n]*[:=]\s*).*$")
_HOME = re.compile(
    r"(?<![\w.])(/home/|/Users/|/media/|/run/media/|/run/user/|/var/home/|[A-Z]:\\Users\\)([^/\\\s\"']+)"
)
_USER_UNIT = re.compile(r"\buser(?:@|-)\d+(?=\.(?:service|slice))")
_NETWORK_SOURCE = re.compile(r"(?m)( - (?:nfs4?|cifs|smb3|9p|ceph|glusterfs|lustre|fuse\.sshfs) )\S+( .*)?$")
_OPTIONS = re.compile(r"(?m)( - (?!cgroup)\S+ \S+) \S+$")
_PSEUDONYM_PREFIX = "5ac4"
_LABEL = re.compile(r"/dev/mapper/\S+")


class Redactor:
    """Replaces private text; ``private_words`` are the machine's own host and user names."""

    def __init__(self, private_words: Iterable[str] = ()) -> None:
        words = sorted(
            {word for word in private_words if len(word) >= 3 and word not in _HARMLESS}, key=len, reverse=True
        )
        self._words = re.compile(rf"(?<![\w])(?:{'|'.join(map(re.escape, words))})(?![\w])") if words else None

    def text(self, text: str) -> str:
        """``text`` without what identifies a machine or a person."""
        text = _SERIAL.sub(r"\1-", text)
        text = _NETWORK_SOURCE.sub(r"\1network:/ rw", text)
        text = _OPTIONS.sub(r"\1 rw", text)
        text = _LABEL.sub("/dev/mapper/volume", text)
        text = _POD.sub(lambda match: f"pod{pseudonym(match[0], 12)}", text)
        text = _UUID.sub(lambda match: pseudonym_uuid(match[0]), text)
        text = _LONG_ID.sub(lambda match: pseudonym(match[0], 12), text)
        text = _MAC.sub("00-00-00-00-00-00", text)
        text = _IPV4.sub("192.0.2.1", text)
        text = _IPV6.sub("2001-db8--1", text)
        text = _USER_UNIT.sub("user-0", text)
        text = _HOME.sub(lambda match: match[1] + "u" + pseudonym(match[2], 6), text)
        return self._words.sub("host", text) if self._words else text


# Names of users and hosts that tell nothing and occur in ordinary text.
_HARMLESS = frozenset(
    {"root", "user", "ubuntu", "localhost", "linux", "admin", "runner", "nvidia", "amd", "host", "docker"}
)


def pseudonym(text: str, length: int) -> str:
    """Letters and digits that stand for ``text``, the same on every machine."""
    return hashlib.sha256(f"stackplan probe {text}".encode()).hexdigest()[:length]


def pseudonym_uuid(uuid: str) -> str:
    """A UUID that stands for ``uuid``; a pseudonym is kept, so that redacting twice changes nothing."""
    digits = pseudonym(uuid.lower(), 28)
    if uuid.lower().startswith(_PSEUDONYM_PREFIX):
        return uuid.lower()
    return f"{_PSEUDONYM_PREFIX}{digits[:4]}-{digits[4:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:28]}"
