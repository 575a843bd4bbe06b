// One request with a batch that the topic does not take, of many records to partition 0, beside a batch of one record to
// partition 1: what became of each record. A producer splits the large batch when it is told so, and sends its parts.
// Both partitions must have the same leader. --bootstrap-server HOST:PORT,… --topic T [--records 40] [--value-bytes 5000]
// [--idempotent true|false] [--transactional-id ID] [--set key=value]…

import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;

public final class OversizedBeside {
    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        String transactionalId = flags.text("--transactional-id", "");
        boolean transactional = !transactionalId.isEmpty();
        Properties config = flags.config(
                "enable.idempotence", transactional ? "true" : flags.text("--idempotent", "true"), "acks", "all",
                // Both batches wait for company, and leave together.
                "batch.size", "500000", "linger.ms", "2000",
                "delivery.timeout.ms", "30000", "request.timeout.ms", "10000",
                "key.serializer", Line.STRING_SERIALIZER, "value.serializer", Line.BYTES_SERIALIZER);
        if (transactional) {
            config.put("transactional.id", transactionalId);
        }
        String outcome = transactional ? "committed" : "none";
        try (KafkaProducer<String, byte[]> producer = new KafkaProducer<>(config)) {
            Sending sending = new Sending(producer, flags.text("--topic"), 0);
            producer.partitionsFor(flags.text("--topic"));
            if (transactional) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            int records = flags.number("--records", 40);
            for (int i = 0; i < records; i++) {
                sending.send(flags.number("--value-bytes", 5_000));
            }
            sending.send(100, 1);
            if (transactional) {
                try {
                    producer.commitTransaction();
                } catch (RuntimeException commitFailed) {
                    outcome = commitFailed.getClass().getSimpleName();
                    producer.abortTransaction();
                }
            } else {
                producer.flush();
            }
            sending.report();
            sending.done("transaction", outcome);
        }
    }
}
