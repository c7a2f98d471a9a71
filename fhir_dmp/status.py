"""The only table of HTTP statuses: https://hl7.org/fhir/R4/http.html. Bundles write them too, in entry.response."""

from __future__ import annotations

from http import HTTPStatus

from fhir_dmp.outcome import Category

STATUS = {
    Category.MALFORMED: HTTPStatus.BAD_REQUEST,
    Category.INVALID_PARAMETER: HTTPStatus.BAD_REQUEST,
    Category.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Category.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Category.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Category.NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Category.NOT_ACCEPTABLE: HTTPStatus.NOT_ACCEPTABLE,
    Category.TIMED_OUT: HTTPStatus.REQUEST_TIMEOUT,
    Category.CONFLICT: HTTPStatus.CONFLICT,
    Category.DELETED: HTTPStatus.GONE,
    Category.PRECONDITION_FAILED: HTTPStatus.PRECONDITION_FAILED,
    Category.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Category.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Category.UNPROCESSABLE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Category.TOO_COSTLY: HTTPStatus.UNPROCESSABLE_ENTITY,
    Category.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    Category.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


def write_status(status: HTTPStatus) -> str:
    """Returns `201 Created`, the form of Bundle.entry.response.status."""
    return f"{status.value} {status.phrase}"
