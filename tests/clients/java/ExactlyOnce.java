// Reads records as a member of a group and writes each to another topic, in transactions that carry the group's offsets; every
// second transaction is aborted at first, read again, and then committed.
// --bootstrap-server HOST:PORT,… --topic T (read) --into T2 --group G --transactional-id ID [--records 100]
// [--per-transaction 10] [--protocol consumer|classic] [--set key=value]…

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

public final class ExactlyOnce {
    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        Properties reading = flags.config(
                "group.id", flags.text("--group"), "group.protocol", flags.text("--protocol", "consumer"),
                "auto.offset.reset", "earliest", "enable.auto.commit", "false", "isolation.level", "read_committed",
                "max.poll.records", flags.text("--per-transaction", "10"),
                "key.deserializer", Line.STRING_DESERIALIZER, "value.deserializer", Line.BYTES_DESERIALIZER);
        Properties writing = flags.config(
                "transactional.id", flags.text("--transactional-id"),
                "key.serializer", Line.STRING_SERIALIZER, "value.serializer", Line.BYTES_SERIALIZER);
        int records = flags.number("--records", 100);
        long deadline = System.currentTimeMillis() + 90_000;
        int done = 0;
        int aborted = 0;
        try (KafkaConsumer<String, byte[]> consumer = new KafkaConsumer<>(reading);
                KafkaProducer<String, byte[]> producer = new KafkaProducer<>(writing)) {
            producer.initTransactions();
            consumer.subscribe(List.of(flags.text("--topic")));
            boolean abort = false;
            while (done < records && System.currentTimeMillis() < deadline) {
                ConsumerRecords<String, byte[]> polled = consumer.poll(Duration.ofMillis(200));
                if (polled.isEmpty()) {
                    continue;
                }
                Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
                Map<TopicPartition, Long> first = new HashMap<>();
                producer.beginTransaction();
                for (ConsumerRecord<String, byte[]> record : polled) {
                    TopicPartition partition = new TopicPartition(record.topic(), record.partition());
                    first.putIfAbsent(partition, record.offset());
                    next.put(partition, new OffsetAndMetadata(record.offset() + 1));
                    producer.send(new ProducerRecord<>(flags.text("--into"), record.key(), record.value()));
                }
                producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
                if (abort) {
                    producer.flush();
                    producer.abortTransaction();
                    first.forEach(consumer::seek);
                    aborted++;
                } else {
                    producer.commitTransaction();
                    done += polled.count();
                }
                abort = !abort;
            }
        }
        Line.print("done", done >= records, "written", done, "aborted", aborted > 0);
    }
}
