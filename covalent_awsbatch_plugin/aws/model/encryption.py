"""How S3 is asked to encrypt what the server and its jobs write."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ...protocol import env_names


@dataclass(frozen=True)
class Encryption:
    """Server-side encryption that each write names, as some buckets' policies require.

    Attributes:
        kind: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``; empty for the bucket's default.
        kms_key: Id or ARN of the KMS key; empty for the account's own key of S3.
    """

    kind: str = ""
    kms_key: str = ""

    def parameters(self) -> dict[str, str]:
        """Return the parameters of PutObject."""
        named = {"ServerSideEncryption": self.kind, "SSEKMSKeyId": self.kms_key}
        return {name: value for name, value in named.items() if value}

    def environment(self) -> dict[str, str]:
        """Return the variables by which a job's worker learns of it."""
        named = {
            env_names.ENV_ENCRYPTION: self.kind,
            env_names.ENV_KMS_KEY: self.kms_key,
        }
        return {name: value for name, value in named.items() if value}

    @property
    def folder(self) -> str:
        """What keeps objects that tasks share from those of another encryption, in their keys."""
        named = self.parameters()
        return hashlib.sha256(repr(named).encode()).hexdigest()[:8] if named else ""


# What the bucket does by itself.
DEFAULT_ENCRYPTION = Encryption()
