"""What is told of requests to platforms."""

import httpx
import pytest

from shared.traces.calls import TracedTransport
from shared.traces.current import CALL
from tests.builders.traced import Memory, Seen


async def call(memory: Memory, answer: httpx.Response | httpx.TransportError) -> list[Seen]:
    """Make one request as part of a call of ours."""

    def handle(request: httpx.Request) -> httpx.Response:
        assert "traceparent" not in request.headers
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer

    transport = TracedTransport(httpx.MockTransport(handle), memory.traces)
    url = "https://api.platform.example/profiles/anna@example.com?key=secret-of-hers"
    request = httpx.Request("PATCH", url, content=b'{"name": "Anna"}')
    token = CALL.set(memory.traces.alone())
    try:
        await transport.handle_async_request(request)
    except httpx.TransportError:
        pass
    finally:
        CALL.reset(token)
    return memory.spans()


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        pytest.param(httpx.Response(204), 204, None, id="taken"),
        pytest.param(httpx.Response(429), 429, "429", id="refused"),
        pytest.param(httpx.ReadTimeout("anna"), None, "ReadTimeout", id="no answer"),
    ],
)
async def test_a_request_is_told_by_method_host_and_answer_alone(
    answer: httpx.Response | httpx.TransportError, status: int | None, why: str | None
) -> None:
    """Paths hold addresses, queries keys; an error may quote either."""
    (span,) = await call(Memory(), answer)

    assert (span.name, span.kind) == ("PATCH", "client")
    assert span.attributes["server.address"] == "api.platform.example"
    assert span.attributes.get("http.response.status_code") == status
    assert span.attributes.get("error.type") == why
    assert span.failed == (why is not None)
    assert "anna" not in str(span).lower()
    assert "secret" not in str(span)


async def test_a_request_that_is_part_of_no_call_is_not_told() -> None:
    """A check of the account at the start is no answer's business."""
    memory = Memory()
    transport = TracedTransport(httpx.MockTransport(lambda _: httpx.Response(200)), memory.traces)

    await transport.handle_async_request(httpx.Request("GET", "https://api.platform.example/"))
    await transport.aclose()

    assert memory.spans() == []
