// Reads a topic to its end and commits beyond it in every way that a consumer has; tells what came of each.
// --bootstrap-server HOST:PORT,… --topic T (one partition, records in it) --group G [--records 100]
// [--protocol consumer|classic] [--set key=value]…

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

public final class CommitPastEnd {
    private static final long BEYOND = 1_000_000;

    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        TopicPartition partition = new TopicPartition(flags.text("--topic"), 0);
        long records = flags.number("--records", 100);
        Map<TopicPartition, OffsetAndMetadata> beyond = Map.of(partition, new OffsetAndMetadata(BEYOND));
        String sync;
        String async;
        String good;
        long committed;
        try (KafkaConsumer<String, byte[]> consumer = new KafkaConsumer<>(config(flags, "false"))) {
            consumer.subscribe(List.of(partition.topic()));
            read(consumer, records);
            sync = outcome(() -> {
                consumer.commitSync(beyond);
                return null;
            });
            AtomicReference<String> told = new AtomicReference<>();
            consumer.commitAsync(beyond, (offsets, error) -> told.set(name(error)));
            long deadline = System.currentTimeMillis() + 20_000;
            while (told.get() == null && System.currentTimeMillis() < deadline) {
                consumer.poll(Duration.ofMillis(100));
            }
            async = told.get();
            good = outcome(() -> {
                consumer.commitSync();
                return null;
            });
            committed = consumer.committed(Set.of(partition)).get(partition).offset();
        }
        // What is committed automatically is the position, wherever the application has put it.
        String closed;
        KafkaConsumer<String, byte[]> automatic = new KafkaConsumer<>(config(flags, "true"));
        automatic.subscribe(List.of(partition.topic()));
        while (automatic.assignment().isEmpty()) {
            automatic.poll(Duration.ofMillis(100));
        }
        automatic.seek(partition, BEYOND);
        closed = outcome(() -> {
            automatic.close(Duration.ofSeconds(20));
            return null;
        });
        Line.print("done", true, "commitSync", sync, "commitAsync", async, "good", good, "committed", committed,
                "closed", closed);
    }

    private static Properties config(Line.Flags flags, String automatic) {
        return flags.config(
                "group.id", flags.text("--group"), "group.protocol", flags.text("--protocol", "consumer"),
                "auto.offset.reset", "earliest", "enable.auto.commit", automatic, "auto.commit.interval.ms", "60000",
                "key.deserializer", Line.STRING_DESERIALIZER, "value.deserializer", Line.BYTES_DESERIALIZER);
    }

    private static void read(KafkaConsumer<String, byte[]> consumer, long records) {
        long deadline = System.currentTimeMillis() + 60_000;
        for (long read = 0; read < records && System.currentTimeMillis() < deadline; ) {
            read += consumer.poll(Duration.ofMillis(200)).count();
        }
    }

    private static String outcome(Callable<?> call) {
        try {
            call.call();
            return "none";
        } catch (Exception error) {
            return name(error);
        }
    }

    private static String name(Exception error) {
        return error == null ? "none" : Line.cause(error).getClass().getSimpleName();
    }
}
