// Five requests in flight, every record a batch of its own, all to one partition, one of them too large in the middle:
// what became of each record. The limit is the topic's; the client's own is out of the way.
// --bootstrap-server HOST:PORT,… --topic T [--records 21] [--value-bytes 1000] [--oversized-bytes 200000]
// [--idempotent true|false] [--transactional-id ID] [--set key=value]…

import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;

public final class OversizedInTheMiddle {
    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        String transactionalId = flags.text("--transactional-id", "");
        boolean transactional = !transactionalId.isEmpty();
        Properties config = flags.config(
                "enable.idempotence", transactional ? "true" : flags.text("--idempotent", "true"), "acks", "all",
                "max.in.flight.requests.per.connection", "5", "batch.size", "0", "linger.ms", "0",
                "max.request.size", "104857600", "buffer.memory", "209715200",
                "delivery.timeout.ms", "30000", "request.timeout.ms", "10000",
                "key.serializer", Line.STRING_SERIALIZER, "value.serializer", Line.BYTES_SERIALIZER);
        if (transactional) {
            config.put("transactional.id", transactionalId);
        }
        int records = flags.number("--records", 21);
        String outcome = transactional ? "committed" : "none";
        try (KafkaProducer<String, byte[]> producer = new KafkaProducer<>(config)) {
            Sending sending = new Sending(producer, flags.text("--topic"), 0);
            if (transactional) {
                producer.initTransactions();
                producer.beginTransaction();
            } else {
                // Known metadata: from here on nothing but the five in flight holds a record back.
                producer.partitionsFor(flags.text("--topic"));
            }
            for (int i = 0; i < records; i++) {
                boolean middle = i == records / 2;
                sending.send(middle ? flags.number("--oversized-bytes", 200_000) : flags.number("--value-bytes", 1_000));
            }
            if (transactional) {
                try {
                    producer.commitTransaction();
                } catch (RuntimeException commitFailed) {
                    outcome = commitFailed.getClass().getSimpleName();
                    try {
                        producer.abortTransaction();
                        outcome += ", aborted";
                    } catch (RuntimeException abortFailed) {
                        outcome += ", " + abortFailed.getClass().getSimpleName();
                    }
                }
            } else {
                producer.flush();
            }
            sending.report();
            sending.done("transaction", outcome);
        }
    }
}
