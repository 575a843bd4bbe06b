// Joins a group by the protocol of KIP-848 (or the classic one), prints what it reads, commits.
// --bootstrap-server HOST:PORT,… --topic T --group G [--records 100] [--protocol consumer|classic]
// [--timeout-ms 60000] [--set key=value]…

import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;

public final class GroupConsumer {
    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        Properties config = flags.config(
                "group.id", flags.text("--group"), "group.protocol", flags.text("--protocol", "consumer"),
                "auto.offset.reset", "earliest", "enable.auto.commit", "false",
                "key.deserializer", Line.STRING_DESERIALIZER, "value.deserializer", Line.BYTES_DESERIALIZER);
        int records = flags.number("--records", 100);
        long deadline = System.currentTimeMillis() + flags.number("--timeout-ms", 60_000);
        int read = 0;
        try (KafkaConsumer<String, byte[]> consumer = new KafkaConsumer<>(config)) {
            consumer.subscribe(List.of(flags.text("--topic")));
            while (read < records && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    read++;
                    Line.print("partition", record.partition(), "offset", record.offset(), "key", record.key(),
                            "valueBytes", record.value().length);
                }
            }
            consumer.commitSync();
        }
        Line.print("done", read >= records, "read", read);
    }
}
