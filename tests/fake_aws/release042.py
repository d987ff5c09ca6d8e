"""What the container image of release 0.42 does to S3, for the benchmarks' sake.

Its job's environment names the bucket, the pickled call and where the pickled result goes;
beside the result lies a JSON list of stdout, stderr, traceback and the exception's class.
"""

from __future__ import annotations

import functools
import pickle

from covalent_awsbatch_plugin.protocol.messages import Part
from tests.fake_aws.jobs import Job
from tests.fake_aws.s3 import S3

FUNCTION = "COVALENT_TASK_FUNC_FILENAME"
NOTHING_PRINTED = b'["", "", "", ""]'


def play(job: Job, s3: S3, result: Part) -> None:
    """Store a prepared result as that release's container does."""
    variables = job.environment
    bucket, key = variables["S3_BUCKET_NAME"], variables["RESULT_FILENAME"]
    s3.get(bucket, variables[FUNCTION])
    s3.put(bucket, key, _pickled(result.data or b"", result.string))
    output = key.removesuffix(".pkl").replace("result", "io_output") + ".json"
    s3.put(bucket, output, NOTHING_PRINTED)


@functools.lru_cache(maxsize=4)
def _pickled(data: bytes, string: str) -> bytes:
    # Importing covalent takes a second and writes its configuration: only where needed.
    from covalent._workflow.transport import TransportableObject

    result = TransportableObject(None)
    result._object, result._object_string = data.decode(), string
    return pickle.dumps(result)
