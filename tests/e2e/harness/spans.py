"""Traces of tool calls made by the test itself and sent as OTLP: their mix is known to the last one."""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

CLIENT, SERVER = "made-agent", "made-server"
_SCOPE = InstrumentationScope(name="made by the test")


@dataclass(frozen=True)
class Call:
    """One trace: a client's span and, below it, the server's."""

    trace_id: str
    tool: str = "search"
    method: str = "tools/call"
    seconds: float = 0.02
    failed: bool = False
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Of both spans."""
        return f"{self.method} {self.tool}" if self.method == "tools/call" else self.method

    def spans(self) -> tuple[Span, Span]:
        """The client's and the server's, ending now."""
        end = time.time_ns()
        trace_id = bytes.fromhex(self.trace_id)
        outer, inner = trace_id[:8], trace_id[8:]
        begin = end - int(self.seconds * 1e9)
        status = Status(code=Status.STATUS_CODE_ERROR if self.failed else Status.STATUS_CODE_UNSET)
        common = {"trace_id": trace_id, "name": self.name, "attributes": self._attributes(), "status": status}
        client = Span(span_id=outer, kind=Span.SPAN_KIND_CLIENT, start_time_unix_nano=begin, **common)
        server = Span(span_id=inner, parent_span_id=outer, kind=Span.SPAN_KIND_SERVER, **common)
        client.end_time_unix_nano = server.end_time_unix_nano = end
        server.start_time_unix_nano = begin + 1_000_000
        return client, server

    def _attributes(self) -> list[KeyValue]:
        found = {"mcp.method.name": self.method, **dict(self.extra)}
        if self.method == "tools/call":
            found |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": self.tool}
        if self.failed:
            found["error.type"] = "tool_error"
        return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in found.items()]


def trace_ids(rng: random.Random) -> Iterator[str]:
    """Random ones, without end."""
    while True:
        yield format(rng.getrandbits(128) | (1 << 127), "032x")


@dataclass
class Sender:
    """Sends over OTLP/HTTP; `accepted` has the ids of all that the collector answered for with success."""

    port: int
    server: str = SERVER
    resource: Mapping[str, str] = field(default_factory=dict)
    """What the server says about itself besides its name."""
    batch: int = 250
    accepted: set[str] = field(default_factory=set)

    def send(self, calls: Iterable[Call]) -> None:
        """Raises httpx.HTTPError where a batch was not accepted."""
        rest = iter(calls)
        while batch := list(islice(rest, self.batch)):
            answer = httpx.post(
                f"http://127.0.0.1:{self.port}/v1/traces",
                content=self._request(batch).SerializeToString(),
                headers={"content-type": "application/x-protobuf"},
                timeout=30,
            )
            answer.raise_for_status()
            refused = ExportTraceServiceResponse.FromString(answer.content).partial_success
            assert refused.rejected_spans == 0, refused.error_message
            self.accepted.update(call.trace_id for call in batch)

    def _request(self, calls: Sequence[Call]) -> ExportTraceServiceRequest:
        pairs = [call.spans() for call in calls]
        return ExportTraceServiceRequest(
            resource_spans=[
                _of_service(CLIENT, [client for client, _ in pairs]),
                _of_service(self.server, [server for _, server in pairs], self.resource),
            ]
        )


def _of_service(name: str, spans: Sequence[Span], about: Mapping[str, str] | None = None) -> ResourceSpans:
    named = {"service.name": name, **(about or {})}
    resource = Resource(attributes=[KeyValue(key=k, value=AnyValue(string_value=v)) for k, v in named.items()])
    return ResourceSpans(resource=resource, scope_spans=[ScopeSpans(scope=_SCOPE, spans=spans)])
