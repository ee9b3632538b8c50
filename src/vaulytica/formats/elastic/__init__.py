"""Elasticsearch and OpenSearch, which speak the same bulk: the guide's document, or one valid against ECS.

`search` has what both formats share: a document a request, or many by `_bulk`. `document` is the
guide's, `ecs` the other (`ecs_words` reads event types, `ecs_fields` and `ecs_values` the data). `action`
and `index` say where a document belongs, `answers` reads what the destination says. Facts are of Elasticsearch's REST API reference,
unless another source is named.
"""

from vaulytica.formats.elastic.document import ElasticFormat
from vaulytica.formats.elastic.ecs import EcsFormat
from vaulytica.formats.elastic.search import ElasticOptions

__all__ = ["EcsFormat", "ElasticFormat", "ElasticOptions"]
