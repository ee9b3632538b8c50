"""Wire formats, one file each. To add one: a file here, a line in `FORMATS`; its contract tests run by themselves."""

from vaulytica.registry import Table

FORMATS = Table(
    "format",
    "vaulytica.formats",
    {
        "json": "vaulytica.formats.json:JsonFormat",
        "splunk_hec": "vaulytica.formats.splunk_hec:SplunkHecFormat",
        "datadog": "vaulytica.formats.datadog:DatadogFormat",
        "datadog_logs": "vaulytica.formats.datadog_logs:DatadogLogsFormat",
        "elastic": "vaulytica.formats.elastic:ElasticFormat",
        "ecs": "vaulytica.formats.elastic:EcsFormat",
        "template": "vaulytica.formats.templating.template:TemplateFormat",
        "structured": "vaulytica.formats.templating.structured:StructuredFormat",
        "function": "vaulytica.formats.function:FunctionFormat",
    },
)
