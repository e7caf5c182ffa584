"""The Pulumi program: reads the stack's configuration and builds Callboard, on one host or on several."""

import pulumi

from callboard_aws.configured import configured
from callboard_aws.installation import Installation
from callboard_aws.reading import ConfigError, read

try:
    plan = read(configured("callboard"), stack=pulumi.get_stack(), region=pulumi.Config("aws").get("region"))
except ConfigError as error:
    raise pulumi.RunError(str(error)) from None  # the text alone, without a traceback
if not plan.certificate_arn:
    pulumi.log.warn("no certificateArn: keys and tasks travel unencrypted; see README.md, TLS")
for name, value in Installation(plan).outputs.items():
    pulumi.export(name, value)
