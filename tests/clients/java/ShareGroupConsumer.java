// Joins a share group (Kafka 4), prints and accepts what it gets.
// --bootstrap-server HOST:PORT,… --topic T --group G [--records 100] [--timeout-ms 60000] [--set key=value]…

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.config.ConfigResource;

public final class ShareGroupConsumer {
    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        String group = flags.text("--group");
        // A share group begins at the end of the log unless it is told otherwise, and only the group can be told.
        try (Admin admin = Admin.create(flags.config())) {
            AlterConfigOp earliest =
                    new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(
                    Map.of(new ConfigResource(ConfigResource.Type.GROUP, group), List.of(earliest))).all().get();
        }
        Properties config = flags.config(
                "group.id", group, "share.acknowledgement.mode", "explicit",
                "key.deserializer", Line.STRING_DESERIALIZER, "value.deserializer", Line.BYTES_DESERIALIZER);
        int records = flags.number("--records", 100);
        long deadline = System.currentTimeMillis() + flags.number("--timeout-ms", 60_000);
        int read = 0;
        int acknowledged = 0;
        try (KafkaShareConsumer<String, byte[]> consumer = new KafkaShareConsumer<>(config)) {
            consumer.subscribe(List.of(flags.text("--topic")));
            while (read < records && System.currentTimeMillis() < deadline) {
                int polled = 0;
                for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    polled++;
                    consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                    Line.print("partition", record.partition(), "offset", record.offset(), "key", record.key(),
                            "valueBytes", record.value().length);
                }
                read += polled;
                if (polled > 0 && consumer.commitSync().values().stream().allMatch(error -> error.isEmpty())) {
                    acknowledged += polled;
                }
            }
        }
        Line.print("done", read >= records, "read", read, "acknowledged", acknowledged);
    }
}
