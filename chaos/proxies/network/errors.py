"""The errors that the API answers with."""

from __future__ import annotations

from chaos.errors import ChaosError


class ApiError(ChaosError):
    """An answer other than success: its HTTP `status` and the text of its `error` field."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


def bad_request(why: str) -> ApiError:
    """The body cannot be used as it stands."""
    return ApiError(400, f"bad request body: {why}")


def missing_field(field: str) -> ApiError:
    """A required field is absent or empty."""
    return ApiError(400, f"missing required field: {field}")


def invalid_stream() -> ApiError:
    """`stream` is neither upstream nor downstream."""
    return ApiError(400, "stream was invalid, can be either upstream or downstream")


def invalid_toxic_type() -> ApiError:
    """No toxic has that type."""
    return ApiError(400, "invalid toxic type")


def proxy_not_found() -> ApiError:
    """No proxy has that name."""
    return ApiError(404, "proxy not found")


def toxic_not_found() -> ApiError:
    """The proxy has no toxic of that name."""
    return ApiError(404, "toxic not found")


def proxy_exists() -> ApiError:
    """Another proxy has that name."""
    return ApiError(409, "proxy already exists")


def toxic_exists() -> ApiError:
    """Another toxic of the proxy, in either stream, has that name."""
    return ApiError(409, "toxic already exists")


def address_error(why: str) -> ApiError:
    """An address cannot be read, resolved or bound."""
    return ApiError(500, why)
