"""Strict stand-ins for real destinations, one file each, written from the vendors' rules alone.

They share nothing with `formats`, on purpose: a mistake made there must not be made here as well.
"""

from vaulytica.registry import Table

DESTINATIONS = Table(
    "destination",
    "vaulytica.destinations",
    {
        "splunk_hec": "vaulytica.receiving.destinations.splunk_hec:SplunkHec",
        "elastic": "vaulytica.receiving.destinations.elastic:Elastic",
        "datadog_logs": "vaulytica.receiving.destinations.datadog_logs:DatadogLogs",
    },
)
