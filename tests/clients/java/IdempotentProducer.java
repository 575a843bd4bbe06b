// Sends records with a producer id and sequences, and says what became of each.
// --bootstrap-server HOST:PORT,… --topic T [--records 100] [--value-bytes 100] [--partition -1]
// [--timestamp-ms NOW] [--set key=value]…

import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;

public final class IdempotentProducer {
    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        Properties config = flags.config(
                "enable.idempotence", "true", "acks", "all", "delivery.timeout.ms", "30000", "request.timeout.ms", "10000",
                "key.serializer", Line.STRING_SERIALIZER, "value.serializer", Line.BYTES_SERIALIZER);
        try (KafkaProducer<String, byte[]> producer = new KafkaProducer<>(config)) {
            String timestamp = flags.text("--timestamp-ms", "");
            Sending sending = new Sending(producer, flags.text("--topic"), flags.number("--partition", -1),
                    timestamp.isEmpty() ? null : Long.valueOf(timestamp));
            for (int i = 0; i < flags.number("--records", 100); i++) {
                sending.send(flags.number("--value-bytes", 100));
            }
            producer.flush();
            sending.report();
            sending.done();
        }
    }
}
