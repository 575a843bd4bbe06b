// Sends records at an even rate until its standard input ends, and says what became of each. For every line of its input, and
// at its end, it says the longest time between two acknowledged records of one partition since the line before.
// --bootstrap-server HOST:PORT,… --topic T [--acks all] [--per-second 200] [--set key=value]…

import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

public final class SteadyProducer {
    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        Properties config = flags.config(
                "acks", flags.text("--acks", "all"), "enable.idempotence", "false", "delivery.timeout.ms", "60000",
                "request.timeout.ms", "10000", "linger.ms", "25", "key.serializer", Line.STRING_SERIALIZER, "value.serializer", Line.BYTES_SERIALIZER);
        AtomicBoolean over = new AtomicBoolean();
        AtomicLong longestNanos = new AtomicLong();
        Thread input = new Thread(() -> {
            try {
                for (int c = System.in.read(); c >= 0; c = System.in.read()) {
                    if (c == '\n') {
                        Line.print("longest_gap_ms", longestNanos.getAndSet(0) / 1_000_000);
                    }
                }
            } catch (java.io.IOException ended) {
                // The end, too.
            }
            over.set(true);
        });
        input.setDaemon(true);
        input.start();

        long pauseNanos = 1_000_000_000L / flags.number("--per-second", 200);
        Map<Integer, Long> lastAt = new ConcurrentHashMap<>();
        long sent = 0;
        try (KafkaProducer<String, byte[]> producer = new KafkaProducer<>(config)) {
            long next = System.nanoTime();
            while (!over.get()) {
                long id = sent++;
                ProducerRecord<String, byte[]> record =
                        new ProducerRecord<>(flags.text("--topic"), String.valueOf(id), new byte[100]);
                producer.send(record, (told, error) -> {
                    if (error != null) {
                        Line.print("id", id, "error", error.getClass().getSimpleName(), "message", error.getMessage());
                        return;
                    }
                    long now = System.nanoTime();
                    Long last = lastAt.put(told.partition(), now);
                    if (last != null) {
                        longestNanos.accumulateAndGet(now - last, Math::max);
                    }
                    Line.print("id", id, "partition", told.partition(), "offset", told.offset());
                });
                next += pauseNanos;
                long left = next - System.nanoTime();
                if (left > 0) {
                    java.util.concurrent.locks.LockSupport.parkNanos(left);
                }
            }
            producer.flush();
        }
        Line.print("done", true, "sent", sent, "longest_gap_ms", longestNanos.get() / 1_000_000);
    }
}
