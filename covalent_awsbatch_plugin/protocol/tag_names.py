"""Names of the tags by which a job's dispatch, node, function and server are found again."""

from __future__ import annotations

TAG_DISPATCH = "covalent-awsbatch:dispatch"
TAG_NODE = "covalent-awsbatch:node"
TAG_FUNCTION = "covalent-awsbatch:function"
TAG_SERVER = "covalent-awsbatch:server"
TAG_PROPERTIES = "covalent-awsbatch:properties"
