"""Typed access to the metadata of one architecture: scalars, lists per block, and their mistakes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stackplan.errors import UserError

# llama.cpp stops at 512 blocks; the deepest real models have some 130.
MAX_BLOCKS = 1024
_LARGEST = 2**48


def _not_usable(key: str, value: object) -> UserError:
    return UserError(
        f"the metadata key {key} holds {str(value)[:40]!r}, which is not a size",
        hint="Convert the model again, or download another file; `stackplan inspect` lists the keys.",
        slug="gguf-metadata",
    )


@dataclass(frozen=True, slots=True)
class Keys:
    """Metadata keys below ``<architecture>.``; unset keys read as the given default."""

    architecture: str
    metadata: Mapping[str, object]

    def integer(self, name: str, default: int = 0) -> int:
        """A count or length; the largest entry where the file lists one per block."""
        value = self._get(name)
        if value is None:
            return default
        if isinstance(value, Sequence) and not isinstance(value, str):
            return max((self._size(name, item) for item in value), default=default)
        return self._size(name, value)

    def required(self, name: str) -> int:
        """A count without which there is no model. Raises UserError gguf-metadata."""
        if self._get(name) is None:
            raise UserError(
                f"the metadata key {self.architecture}.{name} is missing",
                hint="Give the file of a language or embedding model, not an adapter, projector or vocabulary.",
                slug="gguf-metadata",
            )
        return self.integer(name)

    def per_block(self, name: str, blocks: int, default: int = 0) -> list[int]:
        """One number for each block, from a scalar or from a list that may be longer than needed."""
        value = self._get(name)
        if not isinstance(value, Sequence) or isinstance(value, str):
            return [self.integer(name, default)] * blocks
        numbers = [self._size(name, item) for item in value[:blocks]]
        return numbers + [default] * (blocks - len(numbers))

    def flags(self, name: str, blocks: int) -> list[bool] | None:
        """One yes or no for each block; None when the file has no list under this key."""
        value = self._get(name)
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            return None
        listed = [bool(item) for item in value[:blocks]]
        return listed + [False] * (blocks - len(listed))

    def has(self, name: str) -> bool:
        """Whether the key is set."""
        return self._get(name) is not None

    def is_false(self, name: str) -> bool:
        """Whether the key is set and says no."""
        return self._get(name) is False

    def _get(self, name: str) -> object:
        return self.metadata.get(f"{self.architecture}.{name}")

    def _size(self, name: str, value: object) -> int:
        if not isinstance(value, int) or not -1 <= value <= _LARGEST:
            raise _not_usable(f"{self.architecture}.{name}", value)
        return max(0, int(value))
