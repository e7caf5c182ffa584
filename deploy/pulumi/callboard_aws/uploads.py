"""The bucket for uploaded files: hosts share no disk, so in multi mode `CALLBOARD_FILES_URL` names it."""

import json

import pulumi
import pulumi_aws as aws

from callboard_aws.plan import Plan

#: Days after which the parts of an upload that never ended are removed.
_UNFINISHED_DAYS = 1


class Uploads(pulumi.ComponentResource):
    """A private, encrypted bucket that takes TLS only; emptied and removed with the stack, or `keepData`."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("callboard:aws:Uploads", plan.name)
        child = pulumi.ResourceOptions(parent=self)
        bucket = aws.s3.Bucket(
            "uploads",
            bucket_prefix="callboard-uploads-",
            force_destroy=not plan.keep_data,
            tags=plan.tags_of("uploads"),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=plan.keep_data),
        )
        #: Of the bucket, for policies.
        self.arn = bucket.arn
        self.url = bucket.bucket.apply(lambda name: f"s3://{name}/files")
        closed = aws.s3.BucketPublicAccessBlock(
            "uploads",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            "uploads",
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=child,
        )
        aws.s3.BucketLifecycleConfiguration(
            "uploads",
            bucket=bucket.id,
            rules=[
                {
                    "id": "unfinished",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": _UNFINISHED_DAYS},
                }
            ],
            opts=child,
        )
        aws.s3.BucketPolicy(
            "uploads",
            bucket=bucket.id,
            policy=bucket.arn.apply(_tls_only),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[closed]
            ),  # both at once is a conflict at AWS
        )
        self.register_outputs({"url": self.url})


def _tls_only(arn: str) -> str:
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
