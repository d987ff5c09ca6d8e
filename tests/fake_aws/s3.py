"""S3: buckets and objects, immediately consistent, with what the plugin relies on."""

from __future__ import annotations

import itertools
import re
import uuid
from xml.sax.saxutils import escape

from tests.fake_aws.errors import ApiError
from tests.fake_aws.objects import (
    NAMESPACE,
    Answer,
    Bucket,
    Object,
    Request,
    byte_range,
    check_body,
    check_condition,
    check_encryption,
    find_object,
    kept_headers,
    listed,
    malformed,
    object_headers,
    parse_xml,
    parts_of,
    xml_answer,
)

LEAST_PART = 5 * 1024 * 1024
LISTED_AT_ONCE = 1000
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class S3:
    """The service's state, and one method for each operation."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self._etags = itertools.count(1)

    def add_bucket(self, name: str, owner: str, region: str) -> None:
        """Create a bucket."""
        if not BUCKET.fullmatch(name):
            raise ValueError(f"{name!r} is no bucket's name")
        self.buckets[name] = Bucket(owner, region)

    def put(self, bucket: str, key: str, data: bytes) -> Object:
        """Store an object, as a job does."""
        stored = Object(data, self._etag())
        self.buckets[bucket].objects[key] = stored
        return stored

    def get(self, bucket: str, key: str) -> bytes:
        """Return an object's content; KeyError where there is none."""
        return self.buckets[bucket].objects[key].data

    @staticmethod
    def operation(request: Request) -> str:
        """Return the operation's name."""
        kind = (request.method, "key" if request.key else "bucket", _subresource(request))
        try:
            return OPERATIONS[kind]
        except KeyError:
            raise ApiError("NotImplemented", f"The fake has no {kind}", 501) from None

    def call(self, operation: str, request: Request, region: str) -> Answer:
        """Answer a request signed for ``region``."""
        bucket = self._bucket(request, region)
        handler = getattr(self, METHODS[operation])
        answer: Answer = handler(bucket, request)
        return answer

    def _bucket(self, request: Request, region: str) -> Bucket:
        bucket = self.buckets.get(request.bucket)
        if bucket is None:
            raise ApiError("NoSuchBucket", "The specified bucket does not exist", 404)
        expected = request.headers.get("x-amz-expected-bucket-owner")
        if expected is not None and expected != bucket.owner:
            raise ApiError("AccessDenied", "Access Denied", 403)
        if region != bucket.region:
            where = {"x-amz-bucket-region": bucket.region}
            text = "The bucket must be addressed at the endpoint of its own region."
            raise ApiError("PermanentRedirect", text, 301, where)
        return bucket

    # Objects

    def put_object(self, bucket: Bucket, request: Request) -> Answer:
        check_body(request)
        check_encryption(bucket, request)
        check_condition(bucket, request)
        stored = Object(request.body, self._etag(), kept_headers(request.headers))
        bucket.objects[request.key] = stored
        return Answer(headers={"ETag": stored.etag})

    def get_object(self, bucket: Bucket, request: Request) -> Answer:
        found = find_object(bucket, request.key)
        wanted = request.headers.get("Range")
        if wanted is None:
            return Answer(found.data, headers=object_headers(found))
        first, last = byte_range(wanted, len(found.data))
        headers = object_headers(found)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(found.data)}"
        return Answer(found.data[first : last + 1], 206, headers)

    def head_object(self, bucket: Bucket, request: Request) -> Answer:
        found = find_object(bucket, request.key)
        return Answer(headers={**object_headers(found), "Content-Length": str(len(found.data))})

    def delete_object(self, bucket: Bucket, request: Request) -> Answer:
        bucket.objects.pop(request.key, None)
        return Answer(status=204)

    def delete_objects(self, bucket: Bucket, request: Request) -> Answer:
        check_body(request)
        document = parse_xml(request.body)
        keys = [element.text or "" for element in document.iter(f"{{{NAMESPACE}}}Key")]
        if not 1 <= len(keys) <= LISTED_AT_ONCE:
            raise malformed()
        for key in keys:
            bucket.objects.pop(key, None)
        quiet = (document.findtext(f"{{{NAMESPACE}}}Quiet") or "").lower() == "true"
        deleted = [] if quiet else [f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys]
        return xml_answer("DeleteResult", *deleted)

    # Buckets

    def head_bucket(self, bucket: Bucket, request: Request) -> Answer:
        return Answer(headers={"x-amz-bucket-region": bucket.region})

    def get_bucket_location(self, bucket: Bucket, request: Request) -> Answer:
        region = "" if bucket.region == "us-east-1" else bucket.region
        body = f'<LocationConstraint xmlns="{NAMESPACE}">{region}</LocationConstraint>'
        return Answer(body.encode())

    def list_objects_v2(self, bucket: Bucket, request: Request) -> Answer:
        query = request.query
        prefix = query.get("prefix", "")
        after = max(query.get("continuation-token", ""), query.get("start-after", ""))
        found = sorted(key for key in bucket.objects if key.startswith(prefix) and key > after)
        size = min(int(query.get("max-keys", LISTED_AT_ONCE)), LISTED_AT_ONCE)
        page, rest = found[:size], found[size:]
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        return xml_answer(
            "ListBucketResult",
            f"<Name>{request.bucket}</Name><Prefix>{escape(prefix)}</Prefix>",
            f"<KeyCount>{len(page)}</KeyCount><MaxKeys>{size}</MaxKeys>",
            f"<IsTruncated>{'true' if rest else 'false'}</IsTruncated>{more}",
            *(listed(key, bucket.objects[key]) for key in page),
        )

    # Multipart uploads

    def create_multipart_upload(self, bucket: Bucket, request: Request) -> Answer:
        check_encryption(bucket, request)
        upload = uuid.uuid4().hex
        bucket.uploads[upload] = {}
        return xml_answer(
            "InitiateMultipartUploadResult",
            f"<Bucket>{request.bucket}</Bucket><Key>{escape(request.key)}</Key>",
            f"<UploadId>{upload}</UploadId>",
        )

    def upload_part(self, bucket: Bucket, request: Request) -> Answer:
        check_body(request)
        number = int(request.query["partNumber"])
        if not 1 <= number <= 10_000:
            raise ApiError("InvalidArgument", "Part number must be 1 to 10000")
        part = Object(request.body, self._etag())
        parts_of(bucket, request)[number] = part
        return Answer(headers={"ETag": part.etag})

    def complete_multipart_upload(self, bucket: Bucket, request: Request) -> Answer:
        parts = parts_of(bucket, request)
        named = parse_xml(request.body).iter(f"{{{NAMESPACE}}}PartNumber")
        chosen = [parts.get(int(element.text or 0)) for element in named]
        whole = [part for part in chosen if part is not None]
        if not whole or len(whole) != len(chosen):
            raise ApiError("InvalidPart", "One or more of the specified parts could not be found")
        if any(len(part.data) < LEAST_PART for part in whole[:-1]):
            raise ApiError("EntityTooSmall", "A part is smaller than the minimum allowed size")
        check_condition(bucket, request)
        etag = f'"{self._etag().strip(chr(34))}-{len(whole)}"'
        bucket.objects[request.key] = Object(b"".join(part.data for part in whole), etag)
        del bucket.uploads[request.query["uploadId"]]
        return xml_answer(
            "CompleteMultipartUploadResult",
            f"<Bucket>{request.bucket}</Bucket><Key>{escape(request.key)}</Key>",
            f"<ETag>{escape(etag)}</ETag>",
        )

    def abort_multipart_upload(self, bucket: Bucket, request: Request) -> Answer:
        bucket.uploads.pop(request.query["uploadId"], None)
        return Answer(status=204)

    def _etag(self) -> str:
        return f'"{next(self._etags):032x}"'


OPERATIONS = {
    ("PUT", "key", ""): "PutObject",
    ("GET", "key", ""): "GetObject",
    ("HEAD", "key", ""): "HeadObject",
    ("DELETE", "key", ""): "DeleteObject",
    ("POST", "bucket", "delete"): "DeleteObjects",
    ("HEAD", "bucket", ""): "HeadBucket",
    ("GET", "bucket", "location"): "GetBucketLocation",
    ("GET", "bucket", "list-type"): "ListObjectsV2",
    ("POST", "key", "uploads"): "CreateMultipartUpload",
    ("PUT", "key", "uploadId"): "UploadPart",
    ("POST", "key", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "key", "uploadId"): "AbortMultipartUpload",
}
METHODS = {name: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in OPERATIONS.values()}


def _subresource(request: Request) -> str:
    names = ("delete", "location", "list-type", "uploads", "uploadId")
    return next((name for name in names if name in request.query), "")
