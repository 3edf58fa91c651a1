"""The errors that a user of the stack can meet: one class, and a closed list of codes."""

from enum import StrEnum


class Code(StrEnum):
    """The code of an error. Codes are stable; `docs/reference/errors.md` lists each with its cause and its remedy."""

    CONTEXT_UNKNOWN = "stack-context-unknown"
    CONTEXT_INVALID = "stack-context-invalid"
    PACKAGE_MISSING = "stack-package-missing"
    PACKAGE_INVALID = "stack-package-invalid"
    APP_INVALID = "stack-app-invalid"
    ARCHITECTURE_MISMATCH = "stack-architecture-mismatch"
    SYNTHESIS_FAILED = "stack-synthesis-failed"
    DATA_KEPT = "stack-data-kept"
    BUCKET_MISSING = "stack-bucket-missing"
    OBJECTS_NOT_DELETED = "stack-objects-not-deleted"
    AWS_FAILED = "stack-aws-failed"


class StackError(Exception):
    """An operation that failed.

    `what` is the operation and its subject, `why` the cause, and `hint` the remedy if there is one.
    """

    def __init__(self, code: Code, what: str, why: str, hint: str | None = None) -> None:
        super().__init__(f"{what}: {why}")
        self.code = code
        self.what = what
        self.why = why
        self.hint = hint

    def render(self) -> str:
        """Returns the text for a terminal, with the hint on a line of its own."""
        text = f"error[{self.code}]: {self.what}: {self.why}"
        return f"{text}\nhint: {self.hint}" if self.hint else text
