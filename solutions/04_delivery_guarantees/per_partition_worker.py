"""At least once with offsets of its own: each partition is handled and committed for itself."""

import os

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata

from streamgym.workers import at_end

servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
producer = KafkaProducer(bootstrap_servers=servers)
consumer = KafkaConsumer(
    bootstrap_servers=servers,
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    max_poll_records=10,
)
consumer.subscribe([os.environ["INPUT_TOPIC"]])
while not at_end(consumer):
    for partition, records in consumer.poll(1000).items():
        for record in records:
            sent = producer.send(os.environ["OUTPUT_TOPIC"], record.value, record.key)
        sent.get(20)
        producer.flush()
        consumer.commit({partition: OffsetAndMetadata(records[-1].offset + 1, "", -1)})
producer.close()
consumer.close()
