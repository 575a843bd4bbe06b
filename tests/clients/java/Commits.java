// Reads a topic of one partition to its end as a member of a group, commits the given offsets one after another, and reads
// back after each what the group has committed. One line for each, then it leaves.
// --bootstrap-server HOST:PORT,… --topic T --group G --offsets 10,20,30 [--records 100] [--protocol consumer|classic]
// [--set key=value]…

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

public final class Commits {
    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        TopicPartition partition = new TopicPartition(flags.text("--topic"), 0);
        int records = flags.number("--records", 100);
        Properties config = flags.config(
                "group.id", flags.text("--group"), "group.protocol", flags.text("--protocol", "consumer"),
                "auto.offset.reset", "earliest", "enable.auto.commit", "false",
                "key.deserializer", Line.STRING_DESERIALIZER, "value.deserializer", Line.BYTES_DESERIALIZER);
        int read = 0;
        try (KafkaConsumer<String, byte[]> consumer = new KafkaConsumer<>(config)) {
            consumer.subscribe(List.of(partition.topic()));
            long deadline = System.currentTimeMillis() + 60_000;
            while (read < records && System.currentTimeMillis() < deadline) {
                read += consumer.poll(Duration.ofMillis(200)).count();
            }
            for (String offset : flags.text("--offsets").split(",")) {
                String error = null;
                try {
                    consumer.commitSync(Map.of(partition, new OffsetAndMetadata(Long.parseLong(offset))));
                } catch (RuntimeException e) {
                    error = e.getClass().getSimpleName();
                }
                OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
                Line.print("commit", Long.parseLong(offset), "error", error,
                        "committed", committed == null ? null : committed.offset());
            }
        }
        Line.print("done", read >= records, "read", read);
    }
}
