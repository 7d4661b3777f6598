"""The broker of one submission, whose judged topics may be read and written, and nothing else."""

from collections.abc import Mapping
from typing import ClassVar

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

from streamgym.checks.topics import PREFIX
from streamgym.stack.kafka import Kafka

LOOKING = (ACLOperation.READ, ACLOperation.DESCRIBE, ACLOperation.DESCRIBE_CONFIGS)
ALLOWED = {
    # Who deletes, truncates or alters a topic could hide what he wrote there twice.
    ResourcePattern(ResourceType.TOPIC, PREFIX, ACLResourcePatternType.PREFIXED): (
        *LOOKING,
        ACLOperation.CREATE,
        ACLOperation.WRITE,
    ),
    # Kafka's own: offsets and transactions are written by the broker alone.
    ResourcePattern(ResourceType.TOPIC, "__", ACLResourcePatternType.PREFIXED): LOOKING,
    # No settings of the broker, and none of these rules, may be altered.
    ResourcePattern(ResourceType.CLUSTER, "kafka-cluster", ACLResourcePatternType.LITERAL): (
        ACLOperation.CREATE,
        ACLOperation.DESCRIBE,
        ACLOperation.DESCRIBE_CONFIGS,
        ACLOperation.IDEMPOTENT_WRITE,
        ACLOperation.CLUSTER_ACTION,  # the broker is its own client
    ),
}
"""What everybody may do with these; with all else, topics of his own say, he may do anything."""


class GuardedKafka(Kafka):
    """A broker with an authorizer (Kafka's documentation, "Authorization and ACLs")."""

    settings: ClassVar[Mapping[str, object]] = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }

    def start(self) -> "GuardedKafka":
        """Start it, and return when its rules hold.

        Raises:
            StreamgymError: it ended, or did not answer in time.
        """
        super().start()
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        try:
            admin.create_acls(
                [
                    ACL("User:*", "*", operation, ACLPermissionType.ALLOW, resource)
                    for resource, operations in ALLOWED.items()
                    for operation in operations
                ]
            )
        finally:
            admin.close()
        return self
