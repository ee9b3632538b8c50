"""Splunk HTTP Event Collector (HEC), the guide's payload format 2, and all that its destination can say.

`format` is what the table loads; `options` has its settings, `event` writes events, `endpoint` knows
the collector's URLs, `answers` reads what it answers, and `ack` waits for indexer acknowledgement.
Facts are of Splunk's manual "Getting Data In", chapters on HEC, unless another source is named.
"""

from vaulytica.formats.splunk_hec.format import SplunkHecFormat
from vaulytica.formats.splunk_hec.options import SplunkOptions

__all__ = ["SplunkHecFormat", "SplunkOptions"]
