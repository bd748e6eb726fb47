"""What LoadForecasts measure, recorded: six weeks of one series are read in place of six weeks of every pod's."""

from tools.monitoring.rules.model import Group, Record, RuleFile

IN_FLIGHT = "service:mcp_operations_in_flight:avg1m"
OPERATIONS = "service:mcp_operations:rate1m"
SESSIONS = "service:mcp_sessions:avg1m"
STREAMS = "service:mcp_streams:avg1m"
REQUESTS = "service:http_requests_in_flight:avg1m"

_BY = "sum by (namespace, service)"


def demand() -> RuleFile:
    """A LoadForecast asks for a recorded name as it is, with namespace and service as its seriesLabels."""
    records = (
        Record(IN_FLIGHT, f"{_BY} (avg_over_time(forescale_mcp_server_active_operations[1m]))"),
        Record(OPERATIONS, f"{_BY} (rate(mcp_server_operation_duration_seconds_count[1m]))"),
        Record(SESSIONS, f"{_BY} (avg_over_time(forescale_mcp_server_active_sessions[1m]))"),
        Record(STREAMS, f"{_BY} (avg_over_time(forescale_mcp_server_active_streams[1m]))"),
        Record(REQUESTS, f"{_BY} (avg_over_time(http_server_active_requests[1m]))"),
    )
    why = "what LoadForecasts measure, summed over pods; a forecast then reads one series a workload."
    return RuleFile("demand", (Group("forescale-demand", why, records, interval="15s"),))
